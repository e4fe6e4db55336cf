package canary

import (
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Replay judges a report's ticks again by its plan and returns the report that
// follows from them. Problems and notes are taken over as they were recorded.
// A verdict that the recorded ticks do not support comes out differently.
func Replay(rep Report) (Report, error) {
	plan := rep.Plan.Plan()
	if err := plan.Check(); err != nil {
		return Report{}, fmt.Errorf("replaying report: %w", err)
	}
	if plan.Lag == LagAuto {
		return Report{}, failure.New(failure.Usage, "use a report written by canary-gate", "replaying report: the lag rule is not settled in it")
	}
	j, ticks, fatal, err := rejudge(rep, plan)
	if err != nil {
		return Report{}, fmt.Errorf("replaying report: %w", err)
	}
	out := rep
	out.Ticks = ticks
	j.latency = rep.Latency
	switch {
	case j.decided():
		out.Ended = EndedDecided
	case rep.Ended == EndedDecided:
		out.Ended = EndedDeadline
	}
	out.conclude(j, fatal)
	return out, nil
}

// rejudge feeds recorded ticks to a new judge. The last result is why a run was
// refused, as far as the ticks say so.
func rejudge(rep Report, plan Plan) (*judge, []Tick, string, error) {
	hint := "use a report written by canary-gate"
	j := newJudge(plan)
	if rep.Latency != nil && j.bounds == nil {
		j.bounds = rep.Latency.BoundsMS
	}
	for i := 1; i < len(j.bounds); i++ {
		if !(j.bounds[i] > j.bounds[i-1]) {
			return nil, nil, "", failure.New(failure.Usage, hint, "the bounds of the response times do not rise")
		}
	}
	ticks := make([]Tick, 0, len(rep.Ticks))
	fatal := ""
	for i, t := range rep.Ticks {
		if !(t.Seconds >= j.last) {
			return nil, nil, "", failure.New(failure.Usage, hint, "tick %d goes back in time", i+1)
		}
		for name, c := range t.Counts {
			if err := c.Check(); err != nil {
				return nil, nil, "", failure.New(failure.Usage, hint, "tick %d, metric %q: %w", i+1, name, err)
			}
		}
		if t.Times != nil {
			for _, n := range append(append([]int64{}, t.Times.Baseline...), t.Times.Canary...) {
				if n < 0 || n > 1<<50 {
					return nil, nil, "", failure.New(failure.Usage, hint, "tick %d: %d responses cannot be", i+1, n)
				}
			}
		}
		if t.State != TickSkipped {
			t.Evidence, t.Why = nil, ""
		} else if rep.Ended == EndedRefused {
			fatal = t.Why
		}
		j.add(&t)
		ticks = append(ticks, t)
	}
	return j, ticks, fatal, nil
}
