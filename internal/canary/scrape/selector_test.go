package scrape

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		page, probe string
		bad         int64
	}{
		"prometheus_flask_exporter": {`flask_http_request_total{method="GET",status="200"} %d
flask_http_request_total{method="GET",status="502"} 3
flask_http_request_duration_seconds_count{status="200"} 9
`, "", 3},
		"fastapi instrumentator": {`http_requests_total{handler="/items",method="GET",status="2xx"} %d
http_requests_total{handler="/items",method="GET",status="5xx"} 3
http_requests_total{handler="/metrics",method="GET",status="2xx"} 7000
`, "", 3},
		"starlette": {`starlette_requests_total{method="GET",path_template="/"} 9
starlette_responses_total{method="GET",path_template="/",status_code="200"} %d
starlette_responses_total{method="GET",path_template="/",status_code="500"} 3
starlette_responses_total{method="GET",path_template="/healthz",status_code="500"} 3
`, "", 3},
		"django": {`django_http_responses_total_by_status_total{status="200"} %d
django_http_responses_total_by_status_total{status="503"} 3
django_http_requests_total_by_method_total{method="GET"} 3
`, "", 3},
		"code": {`http_requests_total{code="200"} %d
http_requests_total{code="404"} 5
http_requests_total{code="500"} 3
`, "", 3},
		"own name": {`shop_calls_total{http_status="200",le="x"} %d
shop_calls_total{http_status="500"} 3
shop_jobs_total{status="done"} 4
`, "", 3},
		"declared only": {"# TYPE http_requests_total counter\n", `http_requests_total{status="200"} %d
http_requests_total{status="500"} 3
`, 3},
	} {
		t.Run(name, func(t *testing.T) {
			b, cn := newApp(t), newApp(t)
			zero := "# TYPE x gauge\nx 1\n"
			if name == "declared only" {
				zero, c.page = c.page, c.probe
			}
			text := fmt.Sprintf(c.page, 10)
			b.text(text)
			if name == "declared only" {
				b.text(zero)
			}
			cn.text(zero)
			s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{cn.URL}})
			first, err := s.Sample(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(first.Notes) == 0 || !strings.Contains(strings.Join(first.Notes, " "), "does not show") {
				t.Errorf("notes %q", first.Notes)
			}
			cn.text(text) // all born since the origin
			sample, err := s.Sample(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := sample.Counts[canary.Errors].Canary
			if got.Bad != c.bad || got.N < 13 || got.N > 18 {
				t.Errorf("counted %+v", got)
			}
		})
	}
}

func TestNothingToCount(t *testing.T) {
	for name, c := range map[string]struct {
		page  string
		fatal bool
		words string
	}{
		"no counters":   {"up 1\n", false, "no request counter"},
		"no status":     {"a_total 1\nhttp_requests_total{method=\"GET\"} 4\n", false, "a_total, http_requests_total"},
		"several":       {"a_total{status=\"200\"} 1\nb_total{code=\"200\"} 2\n", true, "a_total, b_total"},
		"not a status":  {"jobs_total{status=\"done\"} 1\n", false, "jobs_total"},
		"mixed meaning": {"jobs_total{status=\"done\"} 1\njobs_total{status=\"200\"} 1\n", false, "jobs_total"},
	} {
		t.Run(name, func(t *testing.T) {
			b, cn := newApp(t), newApp(t)
			b.text(c.page)
			cn.text(c.page)
			s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{cn.URL}})
			wantProblem(t, s, "no-counter", "", c.fatal, c.words)
		})
	}
}

func TestExplicitCounters(t *testing.T) {
	page := func(n int) string {
		return fmt.Sprintf(`calls{outcome="ok",job="web"} %d
calls{outcome="error",job="web"} %d
calls{outcome="error",job="cron"} 900
failures_total %d
`, 10*n, n, 2*n)
	}
	sel := func(text string) series.Selector {
		s, err := series.ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	bad, err := series.ParseMatchers(`outcome=~"err.*",job!=batch`)
	if err != nil {
		t.Fatal(err)
	}
	b, c := newApp(t), newApp(t)
	b.text(page(1))
	c.text(page(1))
	s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}, Counters: []series.Counter{
		{Metric: canary.Errors, Requests: sel(`calls{job="web"}`), Bad: bad},
		{Metric: "failures", Requests: sel(`calls{job="web",outcome="ok"}`), Errors: sel("failures_total")},
	}})
	if _, err := s.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.text(page(3))
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Counts[canary.Errors].Canary; c != (seqtest.Cohort{N: 22, Bad: 2}) {
		t.Errorf("errors %+v", c)
	}
	if c := got.Counts["failures"].Canary; c != (seqtest.Cohort{N: 20, Bad: 4}) {
		t.Errorf("failures %+v", c)
	}
	t.Run("untellable", func(t *testing.T) {
		s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}, Counters: []series.Counter{
			{Metric: canary.Errors, Requests: sel("calls")},
		}})
		wantProblem(t, s, "no-counter", "baseline", true, "outcome, job", "--bad-labels")
	})
}
