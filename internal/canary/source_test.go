package canary

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

func TestLatencyAddsUp(t *testing.T) {
	rep := play(t, demoPlan(), func(elapsed, window float64) (Sample, error) {
		s, err := whole(600, 0, 0)(elapsed, window)
		s.Latency = &Latency{BoundsMS: []float64{100}, Baseline: []int64{3, 1}, Canary: []int64{2, 0}}
		return s, err
	})
	n := int64(len(rep.Ticks) - 1) // all but the origin
	want := &Latency{BoundsMS: []float64{100}, Baseline: []int64{3 * n, n}, Canary: []int64{2 * n, 0}}
	if !reflect.DeepEqual(rep.Latency, want) {
		t.Errorf("latency %+v, want %+v", rep.Latency, want)
	}
}

func TestProblemWords(t *testing.T) {
	for want, p := range map[string]*Problem{
		"nothing":               {Detail: "nothing"},
		"canary: gone":          {Cohort: "canary", Detail: "gone"},
		"canary http://c: gone": {Cohort: "canary", Where: "http://c", Detail: "gone"},
	} {
		if p.Error() != want {
			t.Errorf("Error() = %q, want %q", p.Error(), want)
		}
	}
}

// TestRealClock runs without any Deps.
func TestRealClock(t *testing.T) {
	plan := demoPlan()
	plan.Interval, plan.MinDuration = time.Millisecond, 0
	first := true
	src := &script{clock: newClock(), play: func(float64, float64) (Sample, error) {
		defer func() { first = false }()
		if first {
			return Sample{}, nil
		}
		return whole(600, 60, 0)(0, 1)
	}}
	if rep, err := Run(t.Context(), plan, src, Deps{}); err != nil || rep.Verdict != finding.Fail {
		t.Errorf("%s, %v", rep.Verdict, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := clock.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Sleep after cancel: %v", err)
	}
}
