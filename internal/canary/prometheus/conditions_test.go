package prometheus

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

func alert(name, expr string, seconds float64) map[string]any {
	return map[string]any{"type": "alerting", "name": name, "query": expr, "duration": seconds, "state": "inactive", "labels": map[string]string{}}
}

// TestRules: a rule is asked of each side, has to hold as long as it says, and
// one that cannot be asked is named.
func TestRules(t *testing.T) {
	w := newWorld(t)
	w.pod("a:80", "1", 3)
	w.pod("c:80", "2", 7)
	w.fake.SetRules([]any{map[string]any{"name": "web", "rules": []any{
		alert("Errors", `sum(rate(http_requests_total{status="500"}[1m])) > 1`, 60),
		alert("Everywhere", `up < 2`, 0),
		alert("Host", `node_load1 > 4`, 0),
		alert("Unborn", `rate(payment_failures_total[1m]) > 0`, 0),
		alert("Watchdog", `vector(1)`, 0),
		alert("Dog", `vector(2)`, 0),
		alert("Broken", `up * on () up > 0`, 0),
	}}})
	failing := false
	w.fake.Eval(func(expr string, _ int64) ([]map[string]string, bool) {
		switch {
		case strings.Contains(expr, "sum(rate(http_requests_total{"):
			if failing && strings.Contains(expr, `version="2"`) {
				return []map[string]string{{}}, true
			}
			return nil, true
		case strings.Contains(expr, "up{") && strings.HasSuffix(expr, "< 2"):
			return []map[string]string{{}}, true
		case strings.Contains(expr, "payment_failures_total{"):
			return nil, true
		}
		return nil, false
	})
	w.fake.Append(`node_load1{instance="host"}`, 9)
	w.run(90)
	s := w.source(func(c *Config) { c.Rules = []string{"*"} })
	w.fake.Append(`node_load1{instance="host"}`, 9)
	origin := w.origin(s)
	for _, want := range [][]string{{"4 alerting rules", "Errors", "Everywhere", "Unborn", "Broken"}, {"1 alerting rule cannot be asked", "none with the labels", ": Host (node_load1)"}, {"cannot be asked", "reads no series", ": Watchdog, Dog"}} {
		if !said(origin.Notes, want...) {
			t.Errorf("notes %q lack %q", origin.Notes, want)
		}
	}
	look := func(seconds int) (last map[string]canary.Condition, notes []string) {
		for range seconds / 5 {
			w.run(5)
			got, err := s.Sample(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			notes = append(notes, got.Notes...)
			if !got.Pending {
				last = map[string]canary.Condition{}
				for _, c := range got.Conditions {
					last[c.Name] = c
				}
			}
		}
		return last, notes
	}
	got, _ := look(30)
	if len(got) != 3 || got["Errors"].Canary || !got["Everywhere"].Canary || !got["Everywhere"].Baseline || got["Unborn"].Canary {
		t.Errorf("%+v", got)
	}
	if !said(origin.Notes, "cannot be asked", "Broken") && s.rules != nil && len(s.rules.asked) != 3 {
		t.Errorf("asked %+v", s.rules.asked)
	}
	// A remark about an expression is no partial answer; it is told once.
	w.fake.Warn(`PromQL warning: bucket label "le" is missing`)
	if got, notes := look(45); len(got) != 3 || !said(notes, "rule Errors: the server says", "bucket label") {
		t.Errorf("%+v %q", got, notes)
	}
	if _, notes := look(30); said(notes, "bucket label") {
		t.Errorf("%q", notes)
	}
	w.fake.Warn()
	failing = true
	if got, _ := look(45); got["Errors"].Canary {
		t.Error("fires before its time")
	}
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := look(45); !got["Errors"].Canary || got["Errors"].Baseline || !strings.Contains(got["Errors"].Why, "of 1m0s") {
		t.Errorf("%+v", got["Errors"])
	}
	// Another process remembers since when.
	again := w.source(func(c *Config) { c.Rules = []string{"*"} })
	if err := again.Resume(state); err != nil {
		t.Fatal(err)
	}
	if s = again; true {
		if got, _ := look(20); !got["Errors"].Canary {
			t.Errorf("after resuming %+v", got["Errors"])
		}
	}
	// A question that is not answered leaves the window for the next look.
	w.fake.Fault(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.FormValue("query"), "sum(rate") {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	})
	end := s.tally.End
	w.run(30)
	if _, err := s.Sample(t.Context()); err == nil || s.tally.End != end {
		t.Errorf("%v, counted until %d after %d", err, s.tally.End, end)
	}
	missing := w.source(func(c *Config) { c.Rules = []string{"Typo"} })
	w.fake.Fault(nil)
	_, err = missing.Sample(t.Context())
	if p := problem(t, err); p.Kind != "rules" || !p.Fatal || !strings.Contains(p.Detail, "Watchdog") {
		t.Errorf("%+v", p)
	}
}
