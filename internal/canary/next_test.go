package canary

import (
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestNextStep: whatever keeps a run from a verdict, the answer says what to do.
func TestNextStep(t *testing.T) {
	away := func(kind, cohort, where string) func(float64, float64) (Sample, error) {
		return func(float64, float64) (Sample, error) {
			return Sample{}, &Problem{Kind: kind, Cohort: cohort, Where: where, Detail: "said"}
		}
	}
	counted := func(canary, baseline seqtest.Cohort) func(float64, float64) (Sample, error) {
		return func(float64, float64) (Sample, error) { return errorCounts(canary, baseline), nil }
	}
	for name, c := range map[string]struct {
		fn   func(float64, float64) (Sample, error)
		set  func(*Plan)
		want string
	}{
		"down":             {fn: away("down", "canary", "http://c/metrics"), want: "is it running, and does the machine of the gate reach it? Try there: curl -sS http://c/metrics"},
		"certificate":      {fn: away("tls", "canary", "https://c/metrics"), want: "SSL_CERT_FILE"},
		"another page":     {fn: away("not-metrics", "canary", "http://c/metrics"), want: "see what it answers: curl -sS http://c/metrics"},
		"another counter":  {fn: away("no-counter", "canary", "http://c/metrics"), want: "--requests-metric"},
		"no canary":        {fn: counted(seqtest.Cohort{}, seqtest.Cohort{N: 50}), want: "whether the router sends the canary anything"},
		"no traffic":       {fn: counted(seqtest.Cohort{}, seqtest.Cohort{}), want: "whether the counter is the right one"},
		"another share":    {fn: counted(seqtest.Cohort{N: 50}, seqtest.Cohort{N: 50}), set: func(p *Plan) { p.Share = .05 }, want: "say so with --share"},
		"a broken release": {fn: counted(seqtest.Cohort{N: 50, Bad: 45}, seqtest.Cohort{N: 50, Bad: 45}), want: "see what is wrong with the baseline first"},
		"too little":       {fn: counted(seqtest.Cohort{N: 1}, seqtest.Cohort{N: 1}), want: "a later --deadline or more traffic"},
		"no margin": {fn: counted(seqtest.Cohort{N: 1}, seqtest.Cohort{N: 1}), set: func(p *Plan) {
			p.Metrics = []Metric{ErrorsMetric()}
			p.Metrics[0].Pass.Delta = 0
		}, want: "give --margin more than 0"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := demoPlan()
			if c.set != nil {
				c.set(&plan)
			}
			rep := play(t, plan, c.fn)
			if rep.Verdict != finding.Inconclusive || len(rep.Next) != 1 || !strings.Contains(rep.Next[0], c.want) {
				t.Errorf("%s, %s: %q, want %q", rep.Verdict, rep.Reason, rep.Next, c.want)
			}
			if !strings.Contains(rep.Summary(), "Next: ") || !strings.Contains(rep.HTML(), "Next: ") {
				t.Error("the summary or the page does not say it")
			}
		})
	}
	// A pass is one; that the canary hung for a while is told all the same.
	rep := play(t, demoPlan(), func(e, w float64) (Sample, error) {
		if e == 3 {
			return Sample{}, &Problem{Kind: "timeout", Cohort: "canary", Where: "http://c/metrics", Detail: "no answer within 5s"}
		}
		return whole(300, 0, 0)(e, w)
	})
	if rep.Verdict != finding.Pass || len(rep.Next) != 1 || !strings.Contains(rep.Next[0], "see what the load balancer says") {
		t.Errorf("%s: %q", rep.Verdict, rep.Next)
	}
}
