package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// fakeClock is a clock that only sleeping moves.
type fakeClock struct{ now time.Time }

func newClock() *fakeClock { return &fakeClock{time.Date(2026, 11, 20, 12, 2, 0, 0, time.UTC)} }

func (c *fakeClock) deps() Deps {
	return Deps{Now: func() time.Time { return c.now }, Sleep: func(ctx context.Context, d time.Duration) error {
		if d <= 0 {
			return errors.New("the run sleeps for no time")
		}
		c.now = c.now.Add(d)
		return ctx.Err()
	}}
}

// script is a source that plays one function per look; the first good answer is
// the origin.
type script struct {
	clock   *fakeClock
	play    func(elapsed, window float64) (Sample, error)
	start   time.Time
	last    time.Time
	aligned bool
	begun   bool
}

func (s *script) Aligned() bool { return s.aligned }

func (s *script) Sample(context.Context) (Sample, error) {
	if s.start.IsZero() {
		s.start, s.last = s.clock.now, s.clock.now
	}
	sample, err := s.play(s.clock.now.Sub(s.start).Seconds(), s.clock.now.Sub(s.last).Seconds())
	if err != nil {
		return Sample{}, err
	}
	s.last = s.clock.now
	if !s.begun {
		s.begun = true
		return Sample{Origin: true}, nil
	}
	return sample, nil
}

func errorCounts(canary, baseline seqtest.Cohort) Sample {
	return Sample{Counts: map[string]seqtest.Counts{Errors: {Canary: canary, Baseline: baseline}}}
}

// traffic is steady load at given rates and error shares.
func traffic(seed uint64, rps seqtest.Traffic, pA, pB float64) func(float64, float64) (Sample, error) {
	r := rand.New(rand.NewPCG(seed, 7))
	return func(_, window float64) (Sample, error) {
		return errorCounts(draw(r, rps.Canary*window, pA), draw(r, rps.Baseline*window, pB)), nil
	}
}

func draw(r *rand.Rand, lambda, p float64) seqtest.Cohort {
	bad, good := poisson(r, lambda*p), poisson(r, lambda*(1-p))
	return seqtest.Cohort{N: bad + good, Bad: bad}
}

func poisson(r *rand.Rand, lambda float64) int64 {
	if lambda > 60 {
		return int64(math.Max(0, math.Round(lambda+math.Sqrt(lambda)*r.NormFloat64())))
	}
	k, limit := int64(0), math.Exp(-lambda)
	for p := r.Float64(); p > limit; p *= r.Float64() {
		k++
	}
	return k
}

func demoPlan() Plan {
	p := DefaultPlan()
	p.Interval, p.MinDuration, p.Deadline = time.Second, 5*time.Second, 2*time.Minute
	return p
}

// play runs a plan against a script on its own clock and checks that the report
// can be replayed from its JSON.
func play(t *testing.T, plan Plan, fn func(elapsed, window float64) (Sample, error)) Report {
	t.Helper()
	c := newClock()
	rep, err := Run(t.Context(), plan, &script{clock: c, play: fn}, c.deps())
	if err != nil {
		t.Fatal(err)
	}
	checkReplay(t, rep)
	return rep
}

func checkReplay(t *testing.T, rep Report) {
	t.Helper()
	data, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(replayed(t, data))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, got) {
		t.Errorf("replay differs:\n%s\n%s", data, got)
	}
}

// replayed judges a report again from its JSON.
func replayed(t *testing.T, data []byte) Report {
	t.Helper()
	read, err := ParseReport(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Replay(read)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func expect(t *testing.T, rep Report, verdict finding.Verdict, ended Ended, words ...string) {
	t.Helper()
	var text bytes.Buffer
	if err := rep.Text(&text); err != nil {
		t.Fatal(err)
	}
	all := text.String() + rep.Summary()
	if rep.Verdict != verdict || rep.Ended != ended {
		t.Errorf("verdict %s, ended %s; want %s, %s\n%s", rep.Verdict, rep.Ended, verdict, ended, all)
	}
	for _, w := range words {
		if !strings.Contains(all, w) {
			t.Errorf("%q is missing in:\n%s", w, all)
		}
	}
}

// TestDemo holds the two numbers that the demo lives on, with the lag rule on.
func TestDemo(t *testing.T) {
	for _, c := range []struct{ rps, median, worst float64 }{{100, 12, 18}, {250, 7, 9}} {
		var after []float64
		for seed := range uint64(40) {
			rep := play(t, demoPlan(), traffic(seed, seqtest.Traffic{Canary: c.rps, Baseline: c.rps}, .02, 0))
			expect(t, rep, finding.Fail, EndedDecided, "FAIL after", "chance of a false alarm under 1 %", "hurt")
			after = append(after, rep.DecidedAfterSeconds)
		}
		slices.Sort(after)
		t.Logf("2 %% against 0 at %v/s: FAIL after %v s", c.rps, after)
		if after[20] > c.median || after[39] > c.worst {
			t.Errorf("at %v/s FAIL takes %v s (median), %v s (worst of 40)", c.rps, after[20], after[39])
		}
	}
	rep := play(t, demoPlan(), traffic(1, seqtest.Traffic{Canary: 250, Baseline: 250}, 0, 0))
	expect(t, rep, finding.Pass, EndedDecided, "PASS after", "less than +0.5 pp worse (95 % sure)")
	t.Logf("%s: %s", rep.Headline(), rep.Reason)
	if rep.DecidedAfterSeconds > 20 {
		t.Errorf("PASS after %v s", rep.DecidedAfterSeconds)
	}
}

func TestUsage(t *testing.T) {
	for name, spoil := range map[string]func(*Plan){
		"metrics":  func(p *Plan) { p.Metrics = nil },
		"alpha":    func(p *Plan) { p.Alpha = 1 },
		"beta":     func(p *Plan) { p.Beta = math.NaN() },
		"interval": func(p *Plan) { p.Interval = 0 },
		"warm-up":  func(p *Plan) { p.WarmUp = -1 },
		"deadline": func(p *Plan) { p.Deadline = time.Second },
		"lag":      func(p *Plan) { p.Lag = "maybe" },
		"share":    func(p *Plan) { p.Share = 1 },
		"twice":    func(p *Plan) { p.Metrics = append(p.Metrics, ErrorsMetric()) },
		"gate":     func(p *Plan) { p.Metrics[0].Gate = "stop" },
		"observer": func(p *Plan) { p.Metrics[0].Gate = Observe },
		"weight":   func(p *Plan) { p.Metrics[0].Weight = 0 },
		"fail":     func(p *Plan) { p.Metrics[0].Fail.Rho = 0 },
		"pass":     func(p *Plan) { p.Metrics[0].Pass.Delta = 2 },
		"margin":   func(p *Plan) { p.Metrics[0].Pass = seqtest.Null{Rho: 1, Delta: -.001} },
		"prior":    func(p *Plan) { p.Metrics[0].Prior.Rate = 0 },
	} {
		p := DefaultPlan()
		spoil(&p)
		if _, err := Run(t.Context(), p, nil, Deps{}); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A source that looks more rarely than it is asked makes no ticks in between,
// and what it says meanwhile is kept.
func TestPending(t *testing.T) {
	clock := newClock()
	calls := 0
	src := &script{clock: clock, play: func(elapsed, _ float64) (Sample, error) {
		if calls++; calls%3 != 1 {
			return Sample{Pending: true, Notes: []string{"nothing new"}}, nil
		}
		return errorCounts(seqtest.Cohort{N: 1000}, seqtest.Cohort{N: 1000}), nil
	}}
	plan := DefaultPlan()
	plan.Interval, plan.Lag = 5*time.Second, LagOff
	rep, err := Run(t.Context(), plan, src, clock.deps())
	if err != nil || rep.Verdict != finding.Pass {
		t.Fatalf("%s, %v", rep.Verdict, err)
	}
	for i, tick := range rep.Ticks {
		if want := float64(15 * i); tick.Seconds != want {
			t.Errorf("tick %d after %v s, want %v", i, tick.Seconds, want)
		}
	}
	if len(rep.Notes) != 1 || !strings.Contains(rep.Notes[0], "nothing new") {
		t.Errorf("notes %q", rep.Notes)
	}
}
