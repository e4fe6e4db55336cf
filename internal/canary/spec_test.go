package canary

import (
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

func TestSetMetric(t *testing.T) {
	for spec, want := range map[string]Metric{
		"errors tolerate=0.1 margin=1":   {Name: "errors", Gate: Block, Fail: seqtest.Null{Rho: 1, Delta: .001}, Pass: seqtest.Null{Rho: 1, Delta: .01}},
		"errors tolerate-ratio=1.5":      {Name: "errors", Gate: Block, Fail: seqtest.Null{Rho: 1.5}, Pass: seqtest.Null{Rho: 1.5, Delta: .005}},
		"latency gate=warn":              {Name: "latency", Kind: KindLatency, Gate: Warn, Fail: seqtest.Null{Rho: 1.2}, Pass: seqtest.Null{Rho: 1.5, Delta: .005}},
		"slow above=500ms":               {Name: "slow", Gate: Block, AboveMS: 500, Fail: seqtest.Null{Rho: 1}, Pass: seqtest.Null{Rho: 1, Delta: .005}},
		"orders worse=down":              {Name: "orders", Gate: Block, Direction: Down, Fail: seqtest.Null{Rho: 1}, Pass: seqtest.Null{Rho: 1, Delta: .005}},
		"queue kind=gauge tolerate=1000": {Name: "queue", Kind: KindGauge, Gate: Warn, Fail: seqtest.Null{Rho: 1, Delta: 1000}, Pass: seqtest.Null{Rho: 1, Delta: 1000}},
	} {
		p := DefaultPlan()
		if err := p.SetMetric(spec); err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		want.Weight, want.Prior, want.Dispersion = 1, seqtest.DefaultPrior(), 1
		found := false
		for _, m := range p.Metrics {
			if m.Name == want.Name {
				found = true
				if m != want {
					t.Errorf("%s: %+v, want %+v", spec, m, want)
				}
			}
		}
		if !found {
			t.Errorf("%s: not there", spec)
		}
		if len(DefaultPlan().Metrics) != 4 {
			t.Fatal("the default has changed")
		}
	}
	p := DefaultPlan()
	if err := p.SetMetric("latency gate=off"); err != nil || len(p.Metrics) != 3 {
		t.Errorf("off: %v, %+v", err, p.Metrics)
	}
	for spec, words := range map[string]string{
		"":                               "name and settings",
		"margin=0.5":                     "name comes first",
		"errors margin":                  "not KEY=VALUE",
		"errors margin=1 margin=2":       "said twice",
		"errors margin=many":             "not a number",
		"errors margin=NaN":              "not a number",
		"errors colour=blue":             "use gate, tolerate",
		"errors gate=loud":               "use block, warn or observe",
		"errors worse=sideways":          "use up, down or either",
		"errors tolerate=1 margin=0.5":   "must not lie below",
		"memory kind=gauge gate=block":   "a gauge can warn",
		"latency worse=down":             "upwards only",
		"errors gate=off margin=1":       "no other settings",
		"errors above=soon":              "above=soon",
		"errors kind=poem":               "use latency, gauge or nothing",
		"errors weight=0":                "must be above 0",
		"errors tolerate-ratio=-1":       "must be above 0",
		"x " + strings.Repeat("y", 5000): "name and settings",
	} {
		p := DefaultPlan()
		if err := p.SetMetric(spec); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%.40q: %v, want %q", spec, err, words)
		}
	}
}

func FuzzSetMetric(f *testing.F) {
	f.Add("errors tolerate=0.1 margin=0.5")
	f.Add("slow above=500ms worse=either weight=2 gate=warn")
	f.Add("m kind=gauge tolerate=-1e300")
	f.Fuzz(func(t *testing.T, spec string) {
		p := DefaultPlan()
		if p.SetMetric(spec) != nil {
			return
		}
		if err := p.Check(); err != nil && !strings.Contains(err.Error(), "blocks") && !strings.Contains(err.Error(), "no metric") {
			t.Fatalf("%q is taken, and then refused: %v", spec, err)
		}
	})
}
