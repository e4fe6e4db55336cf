package canary

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
	drawn "github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// timed is traffic with response times: buckets of the baseline as given, the
// canary's last two buckets multiplied.
func timed(seed uint64, rps, slower float64) func(float64, float64) (Sample, error) {
	r := rand.New(rand.NewPCG(seed, 8))
	bounds, shares := []float64{100, 250, 500}, []float64{.7, .25, .04, .01}
	return func(_, window float64) (Sample, error) {
		l := &Latency{BoundsMS: bounds, Baseline: make([]int64, 4), Canary: make([]int64, 4)}
		var c seqtest.Counts
		for i, p := range shares {
			l.Baseline[i] = drawn.Poisson(r, rps*window*p)
			if i >= 2 {
				p *= slower
			}
			l.Canary[i] = drawn.Poisson(r, rps*window*p)
			c.Baseline.N += l.Baseline[i]
			c.Canary.N += l.Canary[i]
		}
		return Sample{Counts: map[string]seqtest.Counts{Errors: c}, Latency: l}, nil
	}
}

func TestLatencyDecides(t *testing.T) {
	bad := play(t, demoPlan(), timed(1, 200, 2))
	expect(t, bad, finding.Fail, EndedDecided, "latency > ", "tolerated 1.2× the baseline's")
	if bad.Metrics[0].Verdict == finding.Fail || bad.Metrics[1].Verdict != finding.Fail {
		t.Errorf("named: %+v", bad.Metrics)
	}
	good := play(t, demoPlan(), timed(2, 400, 1))
	expect(t, good, finding.Pass, EndedDecided, "at every threshold less than 1.5× the baseline's +0.5 pp")
	// Where the source shows no response times the gate does without.
	without := play(t, demoPlan(), whole(300, 0, 0))
	expect(t, without, finding.Pass, EndedDecided)
	if text := without.Summary(); strings.Contains(text, ResponseTime) {
		t.Errorf("what was never seen is no row:\n%s", text)
	}
}

func TestThresholdOfResponseTimes(t *testing.T) {
	m := ErrorsMetric()
	m.Name, m.AboveMS, m.Pass = "slow", 300, seqtest.Null{Rho: 1.5, Delta: .005}
	plan := demoPlan()
	plan.Metrics = []Metric{m}
	expect(t, play(t, plan, timed(3, 400, 3)), finding.Fail, EndedDecided, "slow > 300 ms")
	expect(t, play(t, plan, timed(4, 400, 1)), finding.Pass, EndedDecided)
	expect(t, play(t, plan, whole(300, 0, 0)), finding.Inconclusive, EndedDeadline, "no traffic on either side (slow)")
}

func TestDirections(t *testing.T) {
	m := ErrorsMetric()
	m.Name, m.Pass = "orders", seqtest.Null{Rho: 1.5, Delta: .005}
	orders := func(canary, baseline int64) func(float64, float64) (Sample, error) {
		return func(_, w float64) (Sample, error) {
			n := int64(math.Round(400 * w))
			return Sample{Counts: map[string]seqtest.Counts{"orders": {
				Canary: seqtest.Cohort{N: n, Bad: canary * n / 400}, Baseline: seqtest.Cohort{N: n, Bad: baseline * n / 400}}}}, nil
		}
	}
	for _, c := range []struct {
		direction        Direction
		canary, baseline int64
		want             finding.Verdict
	}{
		{Down, 20, 40, finding.Fail}, {Down, 60, 40, finding.Pass}, {Up, 20, 40, finding.Pass}, {Up, 80, 40, finding.Fail},
		{Either, 20, 40, finding.Fail}, {Either, 80, 40, finding.Fail}, {Either, 40, 40, finding.Pass},
	} {
		m.Direction = c.direction
		plan := demoPlan()
		plan.Metrics = []Metric{m}
		if rep := play(t, plan, orders(c.canary, c.baseline)); rep.Verdict != c.want {
			t.Errorf("%q, %d against %d: %s, want %s: %s", c.direction, c.canary, c.baseline, rep.Verdict, c.want, rep.Reason)
		}
	}
}

func TestGaugesWarn(t *testing.T) {
	memory := ErrorsMetric()
	memory.Name, memory.Kind, memory.Gate = "memory", KindGauge, Warn
	plan := demoPlan()
	plan.Metrics = append(plan.Metrics[:2:2], memory)
	plan.MinDuration, plan.Deadline, plan.Interval = 10*time.Minute, 12*time.Minute, 5*time.Second
	with := func(canary func(elapsed float64) float64) func(float64, float64) (Sample, error) {
		r := rand.New(rand.NewPCG(5, 6))
		return func(elapsed, w float64) (Sample, error) {
			s, err := whole(300, 0, 0)(elapsed, w)
			s.Gauges = map[string]Gauge{"memory": {Baseline: 200e6 + 1e6*r.NormFloat64(), Canary: canary(elapsed) + 1e6*r.NormFloat64()}}
			return s, err
		}
	}
	leak := play(t, plan, with(func(s float64) float64 { return 200e6 + 2e5*s }))
	expect(t, leak, finding.Pass, EndedDecided, "warning", "keeps growing against the baseline")
	same := play(t, plan, with(func(float64) float64 { return 200e6 }))
	expect(t, same, finding.Pass, EndedDecided, "not enough readings")
	if strings.Contains(same.Summary(), "WARNING") {
		t.Error(same.Summary())
	}
	long := plan
	long.MinDuration, long.Deadline = 55*time.Minute, time.Hour
	expect(t, play(t, long, with(func(float64) float64 { return 230e6 })), finding.Pass, EndedDecided, "higher than tolerated", "warning")
	// What was not seen is no reading.
	none := play(t, plan, func(e, w float64) (Sample, error) {
		s, err := whole(300, 0, 0)(e, w)
		s.Gauges = map[string]Gauge{"memory": {Baseline: math.NaN(), Canary: 1}}
		return s, err
	})
	expect(t, none, finding.Pass, EndedDecided, "the source does not show it")
}

func TestConditions(t *testing.T) {
	firing := func(from, to float64, baseline bool) func(float64, float64) (Sample, error) {
		return func(e, w float64) (Sample, error) {
			s, err := whole(40, 0, 0)(e, w)
			on := e >= from && e < to
			s.Conditions = []Condition{{Name: "HighMemory", Canary: on, Baseline: on && baseline, Why: "1.2 GB"}}
			return s, err
		}
	}
	expect(t, play(t, demoPlan(), firing(3, 99, false)), finding.Fail, EndedDecided,
		`the alert "HighMemory" (1.2 GB) fires for the canary and not for the baseline`)
	for name, fn := range map[string]func(float64, float64) (Sample, error){
		"for both": firing(3, 99, true), "for a moment": firing(3, 4, false), "never": firing(0, 0, false),
	} {
		if rep := play(t, demoPlan(), fn); rep.Verdict != finding.Pass {
			t.Errorf("%s: %s %s", name, rep.Verdict, rep.Reason)
		}
	}
}

func TestAtDeadline(t *testing.T) {
	for _, v := range []finding.Verdict{finding.Fail, finding.Pass} {
		plan := demoPlan()
		plan.AtDeadline = v
		expect(t, play(t, plan, traffic(1, even(2), .001, .001)), v, EndedDeadline, "the policy for the deadline, not the numbers'")
	}
	plan := demoPlan()
	plan.AtDeadline = finding.Pass
	// A policy is for a comparison, not for none.
	for name, fn := range map[string]func(float64, float64) (Sample, error){
		"no canary": func(e, w float64) (Sample, error) {
			return errorCounts(seqtest.Cohort{}, seqtest.Cohort{N: 100}), nil
		},
		"nothing": func(e, w float64) (Sample, error) { return Sample{}, &Problem{Kind: "down", Detail: "gone"} },
	} {
		plan := plan
		plan.StartWithin = 0
		if rep := play(t, plan, fn); rep.Verdict != finding.Inconclusive || !strings.Contains(rep.Reason, "is for what was compared") || len(rep.Next) == 0 {
			t.Errorf("%s: %s %s %q", name, rep.Verdict, rep.Reason, rep.Next)
		}
	}
	rep := play(t, plan, func(e, w float64) (Sample, error) {
		if e > 3 {
			return Sample{}, &Problem{Kind: "several-processes", Detail: "counters jump", Fatal: true}
		}
		return whole(30, 0, 0)(e, w)
	})
	expect(t, rep, finding.Inconclusive, EndedRefused)
}

func TestSteps(t *testing.T) {
	plan := demoPlan()
	plan.Steps, plan.StepEvery, plan.Deadline = []float64{.05, .25, .5}, 20*time.Second, 3*time.Minute
	share, given := 0.0, []float64{}
	run := func(bad float64, err error) (Report, error) {
		given = nil
		c := newClock()
		deps := c.deps()
		deps.Advance = func(_ context.Context, s float64) error {
			share = s
			given = append(given, s)
			return err
		}
		r := rand.New(rand.NewPCG(3, 4))
		rep, rerr := Run(t.Context(), plan, &script{clock: c, play: func(_, w float64) (Sample, error) {
			return errorCounts(draw(r, 1000*w*share, bad), draw(r, 1000*w*(1-share), .001)), nil
		}}, deps)
		if rerr == nil {
			checkReplay(t, rep)
		}
		return rep, rerr
	}
	rep, err := run(.001, nil)
	if err != nil || rep.Verdict != finding.Pass || !slices.Equal(given, plan.Steps) || rep.DecidedAfterSeconds < 40 {
		t.Errorf("%s after %v s, steps %v, %v: %s", rep.Verdict, rep.DecidedAfterSeconds, given, err, rep.Reason)
	}
	if rep, _ = run(.2, nil); rep.Verdict != finding.Fail || len(given) != 1 {
		t.Errorf("bad canary: %s, steps %v", rep.Verdict, given)
	}
	if rep, _ = run(.001, errors.New("hook: exit status 1")); rep.Verdict != finding.Inconclusive || rep.Ended != EndedRefused || !strings.Contains(rep.Reason, "hook: exit status 1") {
		t.Errorf("hook that fails: %s %s %s", rep.Verdict, rep.Ended, rep.Reason)
	}
	// A hook that moves nothing is noticed: the canary does not get its share.
	stuck := demoPlan()
	stuck.Steps, stuck.StepEvery, stuck.Deadline = []float64{.05, .5}, 20*time.Second, 3*time.Minute
	share = .05
	c := newClock()
	r := rand.New(rand.NewPCG(7, 7))
	rep, err = Run(t.Context(), stuck, &script{clock: c, play: func(_, w float64) (Sample, error) {
		return errorCounts(draw(r, 50*w, .001), draw(r, 950*w, .001)), nil
	}}, c.deps())
	if err != nil || rep.Verdict != finding.Inconclusive || !strings.Contains(rep.Reason, "instead of 50 %") {
		t.Errorf("%s %v: %s", rep.Verdict, err, rep.Reason)
	}
}

// keeper is a script that knows its place.
type keeper struct{ script }

func (k *keeper) State() (json.RawMessage, error) { return json.Marshal(k.last) }

func (k *keeper) Resume(state json.RawMessage) error {
	if err := json.Unmarshal(state, &k.last); err != nil {
		return err
	}
	k.start, k.begun = k.last, true
	return nil
}

func TestResume(t *testing.T) {
	plan := demoPlan()
	plan.MinDuration = 20 * time.Second
	c := newClock()
	var saved []byte
	// cut runs until a time and returns what was saved by then.
	ctx, cancel := context.WithCancel(t.Context())
	deps := c.deps()
	deps.Save = func(s Saved) error {
		var err error
		saved, err = json.Marshal(s)
		return err
	}
	deps.Progress = func(tick Tick) {
		if tick.Seconds >= 10 {
			cancel()
		}
	}
	first, err := Run(ctx, plan, &keeper{script{clock: c, play: whole(300, 0, 0)}}, deps)
	if !errors.Is(err, context.Canceled) || first.Metrics[0].Canary.N != 3000 {
		t.Fatalf("%v, %+v", err, first.Metrics)
	}
	load := func() *Saved {
		var s Saved
		if err := json.Unmarshal(saved, &s); err != nil {
			t.Fatal(err)
		}
		return &s
	}
	c.now = c.now.Add(5 * time.Minute)
	after := c.now
	again := func(src Source, from *Saved, p Plan) (Report, error) {
		c.now = after
		d := c.deps()
		d.From = from
		rep, err := Run(t.Context(), p, src, d)
		if err == nil {
			checkReplay(t, rep)
		}
		return rep, err
	}
	// A source that knows its place: the five minutes are one tick.
	kept, err := again(&keeper{script{clock: c, play: whole(300, 0, 0)}}, load(), plan)
	if err != nil || kept.Verdict != finding.Pass || kept.Metrics[0].Canary.N < 3000+300*300 || !kept.Started.Equal(first.Started) {
		t.Errorf("%s, %v, n = %d: %v", kept.Verdict, err, kept.Metrics[0].Canary.N, kept.Notes)
	}
	// One that does not: the evidence stays, the gap is not judged.
	lost, err := again(&script{clock: c, play: whole(300, 0, 0)}, load(), plan)
	if err != nil || lost.Verdict != finding.Pass || lost.Metrics[0].Canary.N != 3000+300*10 || lost.DecidedAfterSeconds != 20 {
		t.Errorf("%s after %v s, %v, n = %d: %v", lost.Verdict, lost.DecidedAfterSeconds, err, lost.Metrics[0].Canary.N, lost.Notes)
	}
	if !strings.Contains(strings.Join(lost.Notes, "\n"), "after the one before, which are not judged") {
		t.Errorf("notes %q", lost.Notes)
	}
	// The deadline is this process's.
	other := plan
	other.Alpha = .02
	if _, err := again(&script{clock: c, play: whole(300, 0, 0)}, load(), other); err == nil || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("other settings: %v", err)
	}
	old := load()
	old.Schema = 9
	if _, err := again(&script{clock: c, play: whole(300, 0, 0)}, old, plan); err == nil {
		t.Error("another schema")
	}
}

func TestHistoryAndCalibration(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var samples []Sample
	for range 120 {
		s := errorCounts(seqtest.Cohort{}, draw(r, 900*5, .005))
		s.Latency = &Latency{BoundsMS: []float64{100, 250, 500}, Baseline: []int64{3000, 1200, 200, 50}, Canary: make([]int64, 4)}
		samples = append(samples, s)
	}
	plan := DefaultPlan()
	plan.Share, plan.Lag, plan.Calibrate, plan.Deadline = .1, LagOn, true, 90*time.Second
	plan.History = NewHistory(samples, 5)
	seen, ok := plan.Seen()
	if !ok || math.Abs(seen.Traffic.Canary-90) > 2 || math.Abs(seen.BaseRate-.005) > .001 {
		t.Errorf("seen %+v", seen)
	}
	if got := plan.calibrated(); got < 1.5 || got > 4.4 {
		t.Errorf("threshold %v", got)
	}
	rep := play(t, plan, traffic(3, seqtest.Traffic{Canary: 90, Baseline: 810}, .02, .005))
	expect(t, rep, finding.Fail, EndedDecided)
	if rep.Plan.FailThreshold == 0 || rep.Plan.History == nil {
		t.Errorf("plan %+v", rep.Plan)
	}
	// Without history there is nothing to calibrate for.
	plan.History = History{}
	if got := plan.calibrated(); got != 0 {
		t.Errorf("threshold %v without history", got)
	}
}

// TestClusters has errors in clusters of eight. With a history they are no danger;
// without one the gate learns of them from the run's own ticks, and the first
// ones can still deceive it.
func TestClusters(t *testing.T) {
	const runs = 40
	for name, most := range map[string]int{"history": 1, "none": runs / 4} {
		alarms, divided := 0, 0
		for seed := range uint64(runs) {
			r := rand.New(rand.NewPCG(seed, 10))
			side := func(mean float64) seqtest.Cohort {
				n := 8 * drawn.Poisson(r, mean*.005/8)
				return seqtest.Cohort{N: n + drawn.Poisson(r, mean*.995), Bad: n}
			}
			plan := demoPlan()
			plan.Metrics = plan.Metrics[:1]
			plan.Interval, plan.MinDuration, plan.Deadline = 15*time.Second, 20*time.Minute, 30*time.Minute
			if name == "history" {
				var past []Sample
				for range 120 {
					past = append(past, errorCounts(seqtest.Cohort{}, side(750)))
				}
				plan.History = NewHistory(past, 15)
			}
			c := newClock()
			rep, err := Run(t.Context(), plan, &script{clock: c, play: func(_, w float64) (Sample, error) {
				return errorCounts(side(50*w), side(50*w)), nil
			}}, c.deps())
			if err != nil {
				t.Fatal(err)
			}
			if rep.Verdict == finding.Fail {
				alarms++
			}
			if rep.Metrics[0].Divisor > 1 {
				divided++
			}
		}
		if alarms > most || divided < runs-most {
			t.Errorf("%s: %d false alarms in %d runs, evidence divided in %d", name, alarms, runs, divided)
		}
	}
}

// A canary that answers nothing but errors shows no response times; the errors
// are enough.
func TestFailWithoutResponseTimes(t *testing.T) {
	rep := play(t, demoPlan(), func(e, w float64) (Sample, error) {
		s := errorCounts(seqtest.Cohort{N: 40, Bad: 40}, seqtest.Cohort{N: 40})
		s.Latency = &Latency{BoundsMS: []float64{100, 500}, Baseline: []int64{40, 0, 0}, Canary: []int64{0, 0, 0}}
		return s, nil
	})
	expect(t, rep, finding.Fail, EndedDecided, "errors")
	// Without traffic anywhere there is nothing to judge, and what is quiet never
	// passes.
	rep = play(t, demoPlan(), func(e, w float64) (Sample, error) {
		s := errorCounts(seqtest.Cohort{N: 400}, seqtest.Cohort{N: 400})
		s.Latency = &Latency{BoundsMS: []float64{100, 500}, Baseline: []int64{40, 0, 0}, Canary: []int64{0, 0, 0}}
		return s, nil
	})
	expect(t, rep, finding.Inconclusive, EndedDeadline, "the canary gets no traffic (latency)")
}

// TestNotShown: what the source never shows has no numbers.
func TestNotShown(t *testing.T) {
	plan := demoPlan()
	if err := plan.SetMetric("queue kind=gauge"); err != nil {
		t.Fatal(err)
	}
	rep := play(t, plan, traffic(1, seqtest.Traffic{Canary: 100, Baseline: 100}, .02, 0))
	for what, text := range map[string]string{"summary": rep.Summary(), "page": rep.HTML()} {
		if strings.Contains(text, "0 of 0") || !strings.Contains(text, "not shown") {
			t.Errorf("%s: %s", what, text)
		}
	}
}
