package canary

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Deps are the clock, the ears and the hands of a run. Zero fields mean the real
// clock, nobody listening and nothing to be moved.
type Deps struct {
	Now func() time.Time
	// Sleep waits, and returns early with the context's error when it ends.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress hears of every tick as soon as it is judged.
	Progress func(Tick)
	// Advance gives the canary a share of the traffic, for a plan with steps. An
	// error ends the run without a verdict.
	Advance func(ctx context.Context, share float64) error
	// Save keeps what is known after every tick, so that another process can go on
	// from it; see [Resume].
	Save func(Saved) error
	// From is what an earlier process saved, or nil.
	From *Saved
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
	plan.threshold = plan.calibrated()
	r := &runner{plan: plan, src: src, deps: deps.filled(), step: -1}
	r.start = r.deps.Now()
	r.began = r.start
	if err := r.resume(); err != nil {
		return Report{}, err
	}
	ended := r.watch(ctx)
	if r.unsaved {
		r.save(true)
	}
	report := r.report(ended)
	if ended == EndedInterrupted {
		return report, ctx.Err()
	}
	return report, nil
}

// calibrated is the threshold for looks until the deadline at the history's
// traffic, or 0 for the plain one, which holds while the traffic moves in steps.
func (p Plan) calibrated() float64 {
	seen, ok := p.Seen()
	if !p.Calibrate || !ok || len(p.Metrics) == 0 || len(p.Steps) > 0 {
		return 0
	}
	var n int64
	for _, c := range p.History.Ticks[p.Metrics[0].Name] {
		n += c.N
	}
	const runs = 10000 // fewer leave the quantile uncertain; this takes seconds
	m := p.Metrics[0]
	every := p.Interval.Seconds()
	return m.test(seqtest.Fail, p.Lag == LagOn).Calibrated(seqtest.Horizon{
		Ticks:  int(math.Ceil(p.Deadline.Seconds() / every)),
		Canary: seen.Traffic.Canary * every, Baseline: seen.Traffic.Baseline * every, Rate: seen.BaseRate, History: float64(n),
	}, p.Alpha, runs)
}

// Seen is the traffic that the history and the plan's share lead to expect.
func (p Plan) Seen() (Seen, bool) {
	for _, m := range p.Metrics {
		var all seqtest.Cohort
		for _, c := range p.History.Ticks[m.Name] {
			all = all.Plus(c)
		}
		share := p.Share
		if len(p.Steps) > 0 {
			share = p.Steps[0]
		}
		if all.N > 0 && p.History.Seconds > 0 && share > 0 && share < 1 {
			rps := float64(all.N) / p.History.Seconds
			return Seen{Traffic: seqtest.Traffic{Canary: rps * share, Baseline: rps * (1 - share)}, BaseRate: all.Rate()}, true
		}
	}
	return Seen{}, false
}

// runner is one run: the loop around the judge.
type runner struct {
	plan  Plan
	src   Source
	deps  Deps
	judge *judge
	// start is when this process began to watch, began when the first one did,
	// and before the time that earlier processes watched.
	start, began time.Time
	before       time.Duration
	ticks        []Tick
	problems     []ProblemReport
	notes        []note
	origin       bool
	// covered is when the last good sample was taken: the next one covers the
	// time since then.
	covered time.Duration
	fatal   string
	// step is the traffic step in force, -1 for none, since stepped; settling is
	// true until a sample lies wholly under it.
	step     int
	stepped  time.Duration
	settling bool
	// saved is when the state was kept last, which took saving; unsaved when a look
	// was left out since.
	saved   time.Time
	saving  time.Duration
	unsaved bool
}

// elapsed is the time watched, over all processes.
func (r *runner) elapsed() time.Duration { return r.before + r.deps.Now().Sub(r.start) }

// watch looks at the source until something ends the run.
func (r *runner) watch(ctx context.Context) Ended {
	if r.judge.decided() {
		return EndedDecided
	}
	if !r.advance(ctx, r.elapsed()) {
		return r.stopped(ctx)
	}
	for {
		sample, err := r.src.Sample(ctx)
		if ctx.Err() != nil {
			return EndedInterrupted
		}
		elapsed := r.elapsed()
		r.record(elapsed, sample, err)
		r.save(false)
		here := elapsed - r.before
		switch {
		case r.judge.decided():
			return EndedDecided
		case r.fatal != "":
			return EndedRefused
		case here >= r.plan.Deadline:
			return EndedDeadline
		case !r.origin && r.plan.StartWithin > 0 && here >= r.plan.StartWithin:
			return EndedNoStart
		}
		if !r.advance(ctx, elapsed) {
			return r.stopped(ctx)
		}
		if r.deps.Sleep(ctx, r.pause(r.deps.Now().Sub(r.start))) != nil {
			return EndedInterrupted
		}
	}
}

// stopped is why a run ends whose traffic could not be moved.
func (r *runner) stopped(ctx context.Context) Ended {
	if ctx.Err() != nil {
		return EndedInterrupted
	}
	return EndedRefused
}

// advance moves the traffic to the step that is due. The time of a step in which
// the source was not seen does not count.
func (r *runner) advance(ctx context.Context, elapsed time.Duration) bool {
	if r.step+1 >= len(r.plan.Steps) {
		return true
	}
	if r.step >= 0 && (!r.origin || r.judge.held != "" || r.covered-r.stepped < r.plan.StepEvery) {
		return true
	}
	r.step++
	share := r.plan.Steps[r.step]
	if r.deps.Advance != nil {
		if err := r.deps.Advance(ctx, share); err != nil && ctx.Err() != nil {
			r.note(elapsed.Seconds(), "interrupted while the canary was being given "+percent(share)+" of the traffic: see what it gets")
			return false
		} else if err != nil {
			r.fatal = "giving the canary " + percent(share) + " of the traffic: " + err.Error()
			t := Tick{Seconds: elapsed.Seconds(), State: TickSkipped, Why: r.problem(&Problem{Kind: "step", Detail: r.fatal, Fatal: true})}
			r.judge.add(&t)
			r.ticks = append(r.ticks, t)
			return false
		}
	}
	r.note(elapsed.Seconds(), "the canary is given "+percent(share)+" of the traffic")
	r.stepped, r.settling = r.elapsed(), true
	return true
}

// pause is the time to the next look: on a fixed grid, so that slow answers do
// not stretch the ticks, and exactly at the end of warm-up and at the deadline.
func (r *runner) pause(elapsed time.Duration) time.Duration {
	next := (elapsed/r.plan.Interval + 1) * r.plan.Interval
	if warm := r.plan.WarmUp - r.before; elapsed < warm {
		next = min(next, warm)
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
	state := TickJudged
	switch {
	case err != nil:
		t.State, t.Why = TickSkipped, r.problem(err)
	case s.Origin:
		t.State, r.origin, r.covered = TickOrigin, true, elapsed
	default:
		if r.covered < r.plan.WarmUp {
			state = TickWarmUp
		}
		t.State, t.Counts, t.Gauges, t.Conditions, t.Share = state, s.Counts, seenGauges(s.Gauges), s.Conditions, r.share()
		r.origin, r.covered, r.settling = true, elapsed, false
		r.times(&t, s.Latency)
		if c := s.Counts[Errors]; c.Baseline.N >= 10 && c.Baseline.Rate() > brokenBaseline {
			r.note(t.Seconds, "most of the baseline's own requests fail: an outage that is not the canary's")
		}
	}
	r.judge.add(&t)
	for _, text := range s.Notes {
		r.note(t.Seconds, text)
	}
	r.ticks = append(r.ticks, t)
	r.deps.Progress(t)
}

// seenGauges leaves out what was not seen, which JSON has no number for.
func seenGauges(gs map[string]Gauge) map[string]Gauge {
	var out map[string]Gauge
	for name, g := range gs {
		if !math.IsNaN(g.Baseline+g.Canary) && !math.IsInf(g.Baseline+g.Canary, 0) {
			if out == nil {
				out = map[string]Gauge{}
			}
			out[name] = g
		}
	}
	return out
}

// share is the canary's intended share for a sample that ends now.
func (r *runner) share() float64 {
	switch {
	case r.settling:
		return 0
	case r.step >= 0:
		return r.plan.Steps[r.step]
	}
	return r.plan.Share
}

// times takes over the sample's response times, if they come in the buckets that
// the run began with.
func (r *runner) times(t *Tick, l *Latency) {
	if l == nil || len(l.Baseline) != len(l.BoundsMS)+1 || len(l.Canary) != len(l.BoundsMS)+1 || len(l.BoundsMS) == 0 {
		return
	}
	if r.judge.bounds == nil {
		r.judge.bounds = l.BoundsMS
	}
	if !sameBounds(r.judge.bounds, l.BoundsMS) {
		r.note(t.Seconds, "the buckets of the response times have changed: what comes in other ones is left out")
		return
	}
	t.Times = &Times{Baseline: l.Baseline, Canary: l.Canary}
	if t.State == TickJudged {
		r.judge.latency = r.judge.latency.plus(l)
	}
}

func sameBounds(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Abs(a[i]-b[i]) > 1e-9*math.Abs(a[i]) {
			return false
		}
	}
	return true
}

// note is a sentence of the source, when it was first said and how often.
type note struct {
	Text  string  `json:"text"`
	After float64 `json:"after"`
	Count int     `json:"count"`
}

func (r *runner) note(after float64, text string) {
	const most = 100
	for i := range r.notes {
		if r.notes[i].Text == text {
			r.notes[i].Count++
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
		Schema: 1, Tool: "canary-gate", Ended: ended, Started: r.began.UTC(),
		Latency: r.judge.latency, Problems: r.problems,
		Plan: r.plan.report(), Ticks: r.ticks,
		DecidedAfterSeconds: r.elapsed().Seconds(),
	}
	if rep.Latency == nil && len(r.judge.bounds) > 0 {
		// Replaying needs the bounds, also when nothing was judged yet.
		none := func() []int64 { return make([]int64, len(r.judge.bounds)+1) }
		rep.Latency = &Latency{BoundsMS: r.judge.bounds, Baseline: none(), Canary: none()}
	}
	for _, n := range r.notes {
		rep.Notes = append(rep.Notes, after(n.After, "at the start")+": "+n.Text+times(n.Count))
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
	for i := range rep.Metrics {
		rep.Metrics[i].Why = rep.Plan.reworded(rep.Metrics[i].Why)
	}
	rep.Conditions, rep.Fired = j.conditions, j.fired
	if c := j.traffic(); !j.plan.Bake && j.judged > 0 && c.Canary.N+c.Baseline.N > 0 {
		rep.Preview = Preview(j.plan, Seen{
			Traffic:  seqtest.Traffic{Canary: float64(c.Canary.N) / j.judged, Baseline: float64(c.Baseline.N) / j.judged},
			BaseRate: c.Baseline.Rate(),
		}).Text
	}
	rep.Reason = rep.Plan.reworded(rep.sentence(j, fatal) + rep.crashing())
	switch {
	case rep.Ended != EndedDeadline || rep.Verdict != finding.Inconclusive:
	case j.plan.AtDeadline == finding.Pass && (j.ticks == 0 || j.held != ""):
		// A policy may cut a comparison short; it cannot stand in for one.
		rep.Reason += "; the policy for the deadline, pass, is for what was compared"
	case j.plan.AtDeadline == finding.Pass, j.plan.AtDeadline == finding.Fail:
		rep.Verdict = j.plan.AtDeadline
		rep.Reason = "the policy for the deadline, not the numbers': " + rep.Reason
	}
	rep.Next = rep.next(j, fatal)
}

// traffic is what the first metric that was counted has seen.
func (j *judge) traffic() seqtest.Counts {
	for i := range j.metrics {
		if m := &j.metrics[i]; m.Kind == KindCount && m.seen {
			return m.total()
		}
	}
	return seqtest.Counts{}
}

// Saved is what one process hands to the next: what was seen, and the source's
// place. Key says whom it is about.
type Saved struct {
	Schema int             `json:"schema"`
	Key    string          `json:"key"`
	Report Report          `json:"report"`
	Notes  []note          `json:"notes,omitempty"`
	Step   int             `json:"step"`
	Source json.RawMessage `json:"source,omitempty"`
}
