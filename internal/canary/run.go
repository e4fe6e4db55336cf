package canary

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Deps are the clock and the ears of a run. Zero fields mean the real clock and
// nobody listening.
type Deps struct {
	Now func() time.Time
	// Sleep waits, and returns early with the context's error when it ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress hears of every tick as soon as it is judged.
	Progress func(Tick)
}

func (d Deps) filled() Deps {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Sleep == nil {
		d.Sleep = clock.Sleep
	}
	if d.Progress == nil {
		d.Progress = func(Tick) {}
	}
	return d
}

// Run watches the source until there is a verdict or the plan's deadline. The
// error is a usage error of the plan, or the context's when the run was
// interrupted; in the latter case the report holds what is known by then. A
// source that does not answer is not an error: the report says so.
func Run(ctx context.Context, plan Plan, src Source, deps Deps) (Report, error) {
	if err := plan.Check(); err != nil {
		return Report{}, err
	}
	if plan.Lag == LagAuto {
		plan.Lag = LagOn
		if src.Aligned() {
			plan.Lag = LagOff
		}
	}
	r := &runner{plan: plan, src: src, deps: deps.filled(), judge: newJudge(plan)}
	r.start = r.deps.Now()
	ended := r.watch(ctx)
	report := r.report(ended)
	if ended == EndedInterrupted {
		return report, ctx.Err()
	}
	return report, nil
}

// runner is one run: the loop around the judge.
type runner struct {
	plan     Plan
	src      Source
	deps     Deps
	judge    *judge
	start    time.Time
	ticks    []Tick
	problems []ProblemReport
	notes    []note
	origin   bool
	// covered is when the last good sample was taken: the next one covers the
	// time since then.
	covered time.Duration
	fatal   string
}

// watch looks at the source until something ends the run.
func (r *runner) watch(ctx context.Context) Ended {
	for {
		sample, err := r.src.Sample(ctx)
		if ctx.Err() != nil {
			return EndedInterrupted
		}
		elapsed := r.deps.Now().Sub(r.start)
		r.record(elapsed, sample, err)
		switch {
		case r.judge.decided():
			return EndedDecided
		case r.fatal != "":
			return EndedRefused
		case elapsed >= r.plan.Deadline:
			return EndedDeadline
		case !r.origin && r.plan.StartWithin > 0 && elapsed >= r.plan.StartWithin:
			return EndedNoStart
		}
		if r.deps.Sleep(ctx, r.pause(r.deps.Now().Sub(r.start))) != nil {
			return EndedInterrupted
		}
	}
}

// pause is the time to the next look: on a fixed grid, so that slow answers do
// not stretch the ticks, and exactly at the end of warm-up and at the deadline.
func (r *runner) pause(elapsed time.Duration) time.Duration {
	next := (elapsed/r.plan.Interval + 1) * r.plan.Interval
	if elapsed < r.plan.WarmUp {
		next = min(next, r.plan.WarmUp)
	}
	return max(min(next, r.plan.Deadline)-elapsed, time.Millisecond)
}

// record turns an answer of the source into a tick and has it judged.
func (r *runner) record(elapsed time.Duration, s Sample, err error) {
	if err == nil && s.Pending {
		for _, text := range s.Notes {
			r.note(elapsed.Seconds(), text)
		}
		return
	}
	t := Tick{Seconds: elapsed.Seconds(), Notes: s.Notes}
	switch {
	case err != nil:
		t.State, t.Why = TickSkipped, r.problem(err)
	case s.Origin:
		t.State, r.origin, r.covered = TickOrigin, true, elapsed
	case r.covered < r.plan.WarmUp:
		t.State, t.Counts, r.covered = TickWarmUp, s.Counts, elapsed
	default:
		t.State, t.Counts, r.covered = TickJudged, s.Counts, elapsed
		r.judge.latency = r.judge.latency.plus(s.Latency)
	}
	r.judge.add(&t)
	for _, text := range s.Notes {
		r.note(t.Seconds, text)
	}
	r.ticks = append(r.ticks, t)
	r.deps.Progress(t)
}

// note is a sentence of the source, when it was first said and how often.
type note struct {
	text  string
	after float64
	count int
}

func (r *runner) note(after float64, text string) {
	const most = 100
	for i := range r.notes {
		if r.notes[i].text == text {
			r.notes[i].count++
			return
		}
	}
	if len(r.notes) < most {
		r.notes = append(r.notes, note{text, after, 1})
	}
}

// problem counts an error of the source and returns its sentence.
func (r *runner) problem(err error) string {
	p := ProblemReport{Kind: "source", Message: err.Error(), Count: 1}
	var known *Problem
	if errors.As(err, &known) {
		p.Kind, p.Cohort, p.Where = known.Kind, known.Cohort, known.Where
		if known.Fatal {
			r.fatal = known.Error()
		}
	}
	for i := range r.problems {
		if q := &r.problems[i]; q.Kind == p.Kind && q.Cohort == p.Cohort && q.Where == p.Where {
			q.Count++
			q.Message = p.Message
			return p.Message
		}
	}
	r.problems = append(r.problems, p)
	return p.Message
}

func (r *runner) report(ended Ended) Report {
	rep := Report{
		Schema: 1, Tool: "canary-gate", Ended: ended, Started: r.start.UTC(),
		Latency: r.judge.latency, Problems: r.problems,
		Plan: r.plan.report(), Ticks: r.ticks,
		DecidedAfterSeconds: r.deps.Now().Sub(r.start).Seconds(),
	}
	for _, n := range r.notes {
		rep.Notes = append(rep.Notes, "after "+duration(n.after)+": "+n.text+times(n.count))
	}
	rep.conclude(r.judge, r.fatal)
	return rep
}

// conclude fills in everything that follows from the judge and the way the run
// ended.
func (rep *Report) conclude(j *judge, fatal string) {
	rep.Verdict = j.verdict
	if j.decided() {
		rep.DecidedAfterSeconds = j.at
	}
	if fatal != "" {
		rep.Verdict = finding.Inconclusive
	}
	rep.Hurt = j.hurt()
	rep.Metrics = j.metricReports()
	if len(rep.Metrics) > 0 && j.judged > 0 {
		c := j.metrics[0].total
		rep.Preview = Preview(j.plan, Seen{
			Traffic:  seqtest.Traffic{Canary: float64(c.Canary.N) / j.judged, Baseline: float64(c.Baseline.N) / j.judged},
			BaseRate: c.Baseline.Rate(),
		}).Text
	}
	rep.Reason = rep.sentence(j, fatal)
}
