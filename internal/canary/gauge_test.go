package canary

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestLeakHoweverOftenOneLooks: a gate that looks more often than its source has
// something new sees a leak as soon as one that looks as often.
func TestLeakHoweverOftenOneLooks(t *testing.T) {
	seen := func(interval time.Duration, every, gapAt, gap float64) float64 {
		rng := rand.New(rand.NewPCG(1, 2))
		r := newReader(Metric{Name: "memory", Fail: seqtest.Null{Rho: 1.2}}, Plan{Interval: interval, Alpha: 0.01})
		for at := 0.0; at < 3600; at += every {
			if gap > 0 && at >= gapAt && at < gapAt+gap {
				continue
			}
			level := 100 + rng.Float64()
			r.step(&Tick{Seconds: at, Gauges: map[string]Gauge{"memory": {Baseline: level, Canary: level + at/20 + rng.Float64()}}})
			if r.worse() {
				return at
			}
		}
		return 3600
	}
	want := seen(2*time.Second, 2, 0, 0)
	if want > 600 {
		t.Fatalf("a leak of 5 %% of the level in 100 s is seen after %.0f s", want)
	}
	if got := seen(time.Second, 2, 0, 0); got != want {
		t.Errorf("looking every second: after %.0f s, not %.0f s", got, want)
	}
	if got := seen(2*time.Second, 2, 100, 60); got > want+120 {
		t.Errorf("with a gap of a minute: after %.0f s, not %.0f s", got, want)
	}
}
