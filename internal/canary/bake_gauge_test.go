package canary

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// withMemory adds a reading of one side to a source's samples, by the seconds since
// it began.
type withMemory struct {
	Source
	clock *fakeClock
	since time.Time
	level func(seconds float64) float64
}

func (w *withMemory) Sample(ctx context.Context) (Sample, error) {
	s, err := w.Source.Sample(ctx)
	if w.since.IsZero() {
		w.since = w.clock.now
	}
	s.Gauges = map[string]Gauge{"memory": {Baseline: math.NaN(), Canary: w.level(w.clock.now.Sub(w.since).Seconds())}}
	return s, err
}

// TestBakeComparesReadings: memory before and after a rollout. It only advises; a
// leak that was there before is not the release's.
func TestBakeComparesReadings(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	steady := func(float64) float64 { return 100e6 + 1e6*r.Float64() }
	leak := func(s float64) float64 { return 60e6 + 40e3*s + 1e6*r.Float64() }
	for _, c := range []struct {
		name          string
		before, after func(float64) float64
		warns         bool
		word          string
	}{
		{"as before", steady, steady, false, "no difference is proven"},
		{"a leak", steady, leak, true, "since the rollout it keeps growing against the time before: a leak, unless it is only warming up"},
		{"it leaked before", leak, leak, false, ""},
		{"more than before", steady, func(s float64) float64 { return 1.8 * steady(s) }, true, "higher than tolerated"},
		{"not seen before", nil, leak, false, "does not show it both before and after"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := DefaultPlan()
			plan.Deadline = time.Hour
			cl := newClock()
			src := &withMemory{Source: &script{clock: cl, play: traffic(5, seqtest.Traffic{Canary: 100}, .004, 0)}, clock: cl, level: c.after}
			before := hours(3, 900, func(int) float64 { return .004 })
			for i := range before {
				if c.before != nil {
					before[i].Gauges = map[string]Gauge{"memory": {Baseline: c.before(float64(i) * plan.Interval.Seconds()), Canary: math.NaN()}}
				}
			}
			plan, baked, err := Bake(plan, src, before)
			if err != nil {
				t.Fatal(err)
			}
			rep, err := Run(t.Context(), plan, baked, cl.deps())
			if err != nil || rep.Verdict != finding.Pass {
				t.Fatalf("%s, %v: %s", rep.Verdict, err, rep.Reason)
			}
			checkReplay(t, rep)
			for _, m := range rep.Metrics {
				if m.Name != "memory" {
					continue
				}
				if (m.Verdict == finding.Fail) != c.warns || !strings.Contains(m.Why, c.word) || strings.Contains(m.Why, "canary") || strings.Contains(m.Why, "baseline") {
					t.Errorf("%s: %s", m.Verdict, m.Why)
				}
				return
			}
			t.Error("memory is not in the report")
		})
	}
}
