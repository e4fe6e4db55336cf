package canary

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// hours is a time before: so many looks at a steady, or a wandering, baseline.
func hours(seed uint64, looks int, rate func(look int) float64) []Sample {
	r := rand.New(rand.NewPCG(seed, 11))
	var out []Sample
	for i := range looks {
		out = append(out, errorCounts(seqtest.Cohort{}, draw(r, 500, rate(i))))
	}
	return out
}

func TestBake(t *testing.T) {
	steady := func(int) float64 { return .004 }
	waves := func(i int) float64 { return .004 * []float64{.3, .6, 1, 2, 2.5, 1.2, .6, .3}[i/30%8] }
	for _, c := range []struct {
		name    string
		before  func(int) float64
		after   float64
		verdict finding.Verdict
	}{
		{"worse", steady, .02, finding.Fail}, {"as before", steady, .004, finding.Pass},
		// Three times as many errors are nothing new where the rate has always wandered.
		{"wandering", waves, .008, finding.Inconclusive},
	} {
		plan := DefaultPlan()
		plan.Deadline = 10 * time.Minute
		cl := newClock()
		src := &script{clock: cl, play: traffic(5, seqtest.Traffic{Canary: 100}, c.after, 0)}
		plan, baked, err := Bake(plan, src, hours(3, 720, c.before))
		if err != nil {
			t.Fatal(err)
		}
		rep, err := Run(t.Context(), plan, baked, cl.deps())
		if err != nil || rep.Verdict != c.verdict {
			t.Errorf("%s: %s after %v s, %v: %s", c.name, rep.Verdict, rep.DecidedAfterSeconds, err, rep.Reason)
		}
		checkReplay(t, rep)
		all := rep.Reason + rep.Summary()
		if strings.Contains(all, "(canary)") || strings.Contains(all, "| baseline |") || !strings.Contains(all, "after") {
			t.Errorf("%s: the words are those of two releases:\n%s", c.name, all)
		}
		if c.verdict != finding.Inconclusive && !strings.Contains(all, "anything else that changed since counts, too") {
			t.Errorf("%s: what it proves is not said: %s", c.name, rep.Reason)
		}
		if c.verdict == finding.Fail && (!strings.Contains(all, "beyond the share before") || !strings.Contains(all, "under 1 %, had nothing else changed")) {
			t.Errorf("%s: %s", c.name, all)
		}
		if c.verdict == finding.Pass && rep.DecidedAfterSeconds < 590 {
			t.Errorf("%s: it stopped watching after %v s", c.name, rep.DecidedAfterSeconds)
		}
	}
	if _, _, err := Bake(DefaultPlan(), nil, hours(1, 5, steady)); err == nil || !strings.Contains(err.Error(), "not enough") {
		t.Errorf("a short time before: %v", err)
	}
}

// TestBeforeOfAReport takes the time before from what a gate has seen.
func TestBeforeOfAReport(t *testing.T) {
	plan := demoPlan()
	plan.MinDuration = time.Minute
	rep := play(t, plan, timed(6, 100, 1))
	base, canary := Before(rep, false), Before(rep, true)
	if len(base) != len(canary) || len(base) < 59 {
		t.Fatalf("%d and %d looks", len(base), len(canary))
	}
	sum := func(samples []Sample) (n int64, slow int64) {
		for _, s := range samples {
			n += s.Counts[Errors].Baseline.N
			slow += s.Latency.Baseline[3]
		}
		return n, slow
	}
	if n, slow := sum(base); n != rep.Metrics[0].Baseline.N || slow != rep.Latency.Baseline[3] {
		t.Errorf("baseline %d, %d", n, slow)
	}
	if n, slow := sum(canary); n != rep.Metrics[0].Canary.N || slow != rep.Latency.Canary[3] {
		t.Errorf("canary %d, %d", n, slow)
	}
}

func TestBakeSpreadsTheTimeBefore(t *testing.T) {
	cl := newClock()
	b := &beforeAfter{src: &script{clock: cl, play: whole(10, 0, 0)}, before: hours(1, 100, func(int) float64 { return .01 }), looks: 7}
	var want, got seqtest.Cohort
	for _, s := range b.before {
		want = want.Plus(s.Counts[Errors].Baseline)
	}
	for range 12 {
		s, err := b.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = got.Plus(s.Counts[Errors].Baseline)
		cl.now = cl.now.Add(time.Second)
	}
	if got != want {
		t.Errorf("%+v of %+v", got, want)
	}
}

func TestCalibrate(t *testing.T) {
	plan := DefaultPlan()
	plan.Share = .1
	calm := Calibrate(plan, hours(4, 480, func(int) float64 { return .005 }), 5)
	m := calm.Metrics[0]
	if m.Clustered || m.Divisor != 1 || m.FalseAlarms > .02 || m.Name != Errors || len(m.Detectable) == 0 {
		t.Errorf("calm: %+v", m)
	}
	if i := slices.IndexFunc(m.Detectable, func(d Detectable) bool { return d.Share == .1 }); i < 0 || !(m.Detectable[i].FailSeconds > 0) || m.Detectable[i].Smallest < 1.2 || m.Detectable[i].Smallest > 6 {
		t.Errorf("detectable: %+v", m.Detectable)
	}
	r := rand.New(rand.NewPCG(8, 8))
	var samples []Sample
	for range 480 {
		n := int64(0)
		if r.IntN(3) == 0 {
			n = 20
		}
		samples = append(samples, errorCounts(seqtest.Cohort{}, seqtest.Cohort{N: 500, Bad: n}))
	}
	rough := Calibrate(plan, samples, 5)
	m = rough.Metrics[0]
	if !m.Clustered || m.Divisor < 5 || m.FalseAlarmsBare < .2 || m.FalseAlarms > .02 {
		t.Errorf("rough: %+v", m)
	}
	for name, c := range map[string]Calibration{"calm": calm, "rough": rough, "empty": Calibrate(plan, nil, 5)} {
		var b strings.Builder
		if err := c.Text(&b); err != nil || b.Len() == 0 || strings.Contains(b.String(), "NaN") {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
		t.Logf("%s:\n%s", name, b.String())
	}
}
