package canary

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// save hands what is known to whoever keeps it. A file that cannot be written is
// a note and no reason to stop watching. A long run has much to write: it is left
// out at looks where it would take more than a twentieth of the time, but not at
// the last one.
func (r *runner) save(last bool) {
	if r.deps.Save == nil {
		return
	}
	begin := r.deps.Now()
	if !last && begin.Sub(r.saved) < 20*r.saving {
		r.unsaved = true
		return
	}
	defer func() {
		r.saved, r.unsaved = r.deps.Now(), false
		r.saving = r.saved.Sub(begin)
	}()
	s := Saved{Schema: 1, Report: r.report(EndedInterrupted), Notes: r.notes, Step: r.step}
	if src, ok := r.src.(Resumable); ok && r.origin {
		if state, err := src.State(); err == nil {
			s.Source = state
		}
	}
	if err := r.deps.Save(s); err != nil {
		r.note(r.elapsed().Seconds(), "the state could not be kept: "+err.Error())
	}
}

// resume takes over what an earlier process saw: its ticks are judged again, and
// the time between the two is one long tick, if the source knows its place, or
// else not judged at all.
func (r *runner) resume() error {
	if r.deps.From == nil {
		r.judge = newJudge(r.plan)
		return nil
	}
	old := r.deps.From
	hint := "delete the state file to begin anew"
	if old.Schema != 1 {
		return failure.New(failure.Usage, hint, "resuming: schema %d of the state is not known", old.Schema)
	}
	now, was := r.plan.report(), old.Report.Plan
	// What was known when the first process began stays: a history that is read
	// again would hold the canary's time, too.
	now.History, now.FailThreshold = was.History, was.FailThreshold
	a, errA := json.Marshal(now)
	b, errB := json.Marshal(was)
	if errA != nil || errB != nil || string(a) != string(b) {
		return failure.New(failure.Usage, hint, "resuming: the state was kept by a run with other settings")
	}
	r.plan = was.Plan()
	r.plan.Lag = now.Lag
	r.plan.threshold = 0 // it held for looks until the first deadline only
	j, ticks, _, err := rejudge(old.Report, r.plan)
	if err != nil {
		return fmt.Errorf("resuming: %w", err)
	}
	r.judge, r.ticks, r.problems, r.notes = j, ticks, old.Report.Problems, old.Notes
	r.judge.latency = old.Report.Latency
	if l := old.Report.Latency; l != nil && r.judge.bounds == nil {
		r.judge.bounds = l.BoundsMS
	}
	r.began, r.before, r.covered = old.Report.Started, seconds(j.last), seconds(j.covered)
	if old.Step >= -1 && old.Step < len(r.plan.Steps) {
		r.step, r.stepped, r.settling = old.Step, r.covered, true
	}
	gap := r.start.Sub(r.began.Add(r.before))
	words := "another process goes on; " + duration(max(0, gap.Seconds())) + " after the one before, "
	if src, ok := r.src.(Resumable); ok && len(old.Source) > 0 && src.Resume(old.Source) == nil {
		// The window between is judged when the source delivers it.
		r.before += max(0, gap.Truncate(time.Millisecond))
		r.note(r.before.Seconds(), words+"which are one long tick")
	} else {
		r.note(r.before.Seconds(), words+"which are not judged")
	}
	return nil
}
