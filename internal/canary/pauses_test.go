package canary

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestPauses: servers pause (collections of garbage, neighbours on the machine),
// each at moments of its own, and every request that is due meanwhile is slow. One
// pause is one fact, however many requests it hits: where both sides pause alike,
// the gate must not fail, and what is really slower must not hide behind it.
func TestPauses(t *testing.T) {
	const rate, ticks = 120, 240
	bounds := []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}
	// window is a tick of one second: lognormal response times around 20 ms, and
	// from each pause on all requests that wait for its end.
	window := func(r *rand.Rand, scale float64, pause *float64, every, length float64, machine []float64) []int64 {
		out := make([]int64, len(bounds)+1)
		for k := range rate {
			ms := 20*scale*math.Exp(.6*r.NormFloat64()) + machine[k]
			if *pause <= 0 && r.Float64() < 1/(every*rate) {
				*pause = length * 1000 * r.ExpFloat64()
			}
			if *pause > 0 {
				ms += *pause
				*pause -= 1000. / rate
			}
			i := 0
			for i < len(bounds) && ms > bounds[i] {
				i++
			}
			out[i]++
		}
		return out
	}
	for _, c := range []struct {
		name               string
		every, length      float64 // seconds between pauses, and their mean
		often              float64 // how often the canary's come, next to the baseline's
		scale              float64
		minFails, maxFails int // of 60 runs of four minutes
		minPass, maxPass   int
		shared             float64 // seconds between pauses of the machine that both are on; 0 for none
	}{
		{"none", 1e9, .3, 1, 1, 0, 1, 58, 60, 0},
		{"once a minute", 60, .3, 1, 1, 0, 1, 40, 60, 0},
		{"twenty times a minute, both together", 1e9, .3, 1, 1, 0, 1, 55, 60, 3},
		{"the same, and each once a minute", 60, .3, 1, 1, 0, 1, 30, 60, 3},
		{"the same, the canary half as slow again", 60, .3, 1, 1.5, 55, 60, 0, 1, 3},
		// Two dozen pauses a side are no proof that the canary has not half as many more.
		{"ten times a minute", 6, .3, 1, 1, 0, 1, 0, 60, 0},
		{"ten times a minute, the canary twice as often", 6, .3, 2, 1, 0, 60, 0, 3, 0},
		{"long ones", 60, 1.5, 1, 1, 0, 1, 0, 60, 0},
		{"half as slow again", 60, .3, 1, 1.5, 58, 60, 0, 0, 0},
	} {
		r := rand.New(rand.NewPCG(41, 42))
		fails, passes := 0, 0
		var seen time.Duration
		for range 60 {
			x := newTimer(LatencyMetric(), Plan{Interval: time.Second}, History{})
			var pauses [2]float64
			machine, left := make([]float64, rate), 0.0
			for k := range ticks {
				for i := range machine {
					if left <= 0 && c.shared > 0 && r.Float64() < 1/(c.shared*rate) {
						left = c.length * 1000 * r.ExpFloat64()
					}
					left = math.Max(0, left-1000./rate)
					machine[i] = left
				}
				tick := &Tick{Seconds: float64(k + 1), bounds: bounds, Times: &Times{
					Baseline: window(r, 1, &pauses[0], c.every, c.length, machine), Canary: window(r, c.scale, &pauses[1], c.every/c.often, c.length, machine)}}
				if !x.step(tick) {
					t.Fatal("not judged")
				}
				if x.lnFail() >= seqtest.Threshold(.01) {
					fails++
					seen += time.Duration(k+1) * time.Second
					break
				}
				if x.lnPass() >= seqtest.Threshold(.05) {
					passes++
					seen += time.Duration(k+1) * time.Second
					break
				}
			}
		}
		said := fmt.Sprintf("%s: of 60 runs %d failed, %d passed, after %v on average", c.name, fails, passes, (seen / time.Duration(max(1, fails+passes))).Round(time.Second))
		t.Log(said)
		if fails < c.minFails || fails > c.maxFails || passes < c.minPass || passes > c.maxPass {
			t.Error(said)
		}
	}
}
