package canary

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

func TestPreview(t *testing.T) {
	minutes := func(m int) Plan {
		p := DefaultPlan()
		p.Deadline, p.Lag = time.Duration(m)*time.Minute, LagOff
		return p
	}
	tolerant := minutes(15)
	tolerant.Metrics = []Metric{ErrorsMetric()}
	tolerant.Metrics[0].Fail.Delta = .001
	at := func(rps, share, base float64) Seen {
		return Seen{Traffic: seqtest.Traffic{Canary: rps * share, Baseline: rps * (1 - share)}, BaseRate: base}
	}
	for name, c := range map[string]struct {
		plan  Plan
		seen  Seen
		blind bool
		words []string
	}{
		"enough":          {minutes(15), at(100, .1, .005), false, []string{"a doubling of errors (0.5 % to 1 %) is seen after about 5 min 55 s", "passes after about"}},
		"no errors":       {minutes(15), at(500, .5, 0), false, []string{"1 % errors where the baseline has 0 %", "passes after about 1"}},
		"tolerated":       {tolerant, at(500, .5, .005), false, []string{"errors at twice what is tolerated (1.2 % where the baseline has 0.5 %)"}},
		"tolerated, none": {tolerant, at(500, .5, 0), false, []string{"1 % errors where the baseline has 0 %"}},
		"no traffic":      {minutes(15), at(0, .1, .005), true, []string{"without traffic"}},
		"more share":      {minutes(10), at(100, .02, .005), true, []string{"cannot see a doubling", "raise the share to 6 %"}},
		"probes":          {minutes(10), at(2, .1, .005), true, []string{"cannot see", "probes/s to each side"}},
		"later":           {minutes(1), at(100, .5, .005), true, []string{"cannot see", "raise the deadline to that"}},
		"no pass":         {minutes(15), at(10, .5, .05), false, []string{"is seen after about", "a pass of a canary that is as good does not come"}},
		"broken":          {minutes(15), at(100, .5, .8), true, []string{"the baseline itself fails 80 %"}},
		"nearly broken":   {minutes(15), at(100, .5, .45), false, []string{"45 % to 72 %"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := Preview(c.plan, c.seen)
			if f.Blind != c.blind {
				t.Errorf("blind %v", f.Blind)
			}
			for _, w := range c.words {
				if !strings.Contains(f.Text, w) {
					t.Errorf("%q is missing in %q", w, f.Text)
				}
			}
		})
	}
	// The remedy keeps its word.
	p := minutes(10)
	if f := Preview(p, at(100, .06, .005)); f.Blind {
		t.Errorf("6 %% is not enough: %s", f.Text)
	}
}

// TestPreviewIsHonest compares the forecast for a pass with what happens.
func TestPreviewIsHonest(t *testing.T) {
	for _, seen := range []Seen{{even(50), 0}, {even(250), .002}, {seqtest.Traffic{Canary: 10, Baseline: 90}, .005}} {
		plan := demoPlan()
		plan.Deadline = time.Hour
		f := Preview(plan, seen)
		rep := play(t, plan, traffic(5, seen.Traffic, seen.BaseRate, seen.BaseRate))
		if got := rep.DecidedAfterSeconds; got > 4*f.PassSeconds+5 || got < f.PassSeconds/4 {
			t.Errorf("%+v: forecast %v s, %s after %v s", seen, f.PassSeconds, rep.Verdict, got)
		}
	}
}

func TestWords(t *testing.T) {
	for want, got := range map[string]string{
		"0": count(0), "999": count(999), "1 001": count(1001), "-12 345 678": count(-12345678),
		"4 s": duration(4.2), "0.25 s": duration(.25), "2 min 15 s": duration(135), "10 min": duration(600),
		"1 h 5 min": duration(3900), "2 h": duration(7200), "3.5 days": duration(3.5 * 86400), "never": duration(math.Inf(1)),
		"0.42 %": percent(.0042), "99.95 %": percent(.9995), "100 %": percent(1), "0 %": percent(0), "1e-05 %": percent(1e-7),
		"+0.5 pp": points(.005), "-1 pp": points(-.01),
		"the baseline's": nullWords(seqtest.Null{Rho: 1}), "1.5× the baseline's +0.2 pp": nullWords(seqtest.Null{Rho: 1.5, Delta: .002}),
		"better than the baseline": marginWords(seqtest.Null{Rho: 1}), "less than 2× the baseline's": marginWords(seqtest.Null{Rho: 2}),
		"100 : 1": odds(math.Log(100)), "10^12 : 1": odds(12 * math.Ln10), "0.37 : 1": odds(-1),
		"1.04": atLeast(1.0445), "1.05": atMost(1.0445), "3.4": atLeast(3.49), "17": atLeast(17.9), "18": atMost(17.1),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
