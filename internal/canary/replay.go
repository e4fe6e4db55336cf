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
	j := newJudge(plan)
	out := rep
	out.Ticks = make([]Tick, 0, len(rep.Ticks))
	fatal := ""
	for i, t := range rep.Ticks {
		if t.Seconds < j.last {
			return Report{}, failure.New(failure.Usage, "use a report written by canary-gate", "replaying report: tick %d goes back in time", i+1)
		}
		for name, c := range t.Counts {
			if err := c.Check(); err != nil {
				return Report{}, failure.New(failure.Usage, "use a report written by canary-gate", "replaying report: tick %d, metric %q: %w", i+1, name, err)
			}
		}
		if t.State != TickSkipped {
			t.Evidence, t.Why = nil, ""
		} else if rep.Ended == EndedRefused {
			fatal = t.Why
		}
		j.add(&t)
		out.Ticks = append(out.Ticks, t)
	}
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
