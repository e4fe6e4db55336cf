package scrape

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// timedPage is a page with a histogram whose sum a clock has measured.
func timedPage(n int, sum float64) string {
	return page(n, 0, 0) + fmt.Sprintf("http_request_duration_seconds_bucket{le=\"0.1\"} %d\nhttp_request_duration_seconds_bucket{le=\"+Inf\"} %d\n"+
		"http_request_duration_seconds_sum %v\nhttp_request_duration_seconds_count %d\n", n, n, sum, n)
}

// TestOneProcessOnBothSides: a canary that is its own baseline is refused, at once
// or as soon as it has served something; releases that only count alike are not.
func TestOneProcessOnBothSides(t *testing.T) {
	for name, c := range map[string]struct {
		baseline, canary [2]string // at the origin, and later
		refused          [2]bool
	}{
		"sum":            {[2]string{timedPage(40, 1.2345678901)}, [2]string{timedPage(40, 1.2345678901)}, [2]bool{true}},
		"created":        {[2]string{page(40, 0, 5) + "http_requests_created{method=\"GET\",status=\"200\"} 1.795271698543912e+09\n"}, [2]string{page(41, 0, 5) + "http_requests_created{status=\"200\",method=\"GET\"} 1.795271698543912e+09\n"}, [2]bool{true}},
		"later":          {[2]string{timedPage(0, 0), timedPage(3, .0123456789)}, [2]string{timedPage(0, 0), timedPage(3, .0123456789)}, [2]bool{false, true}},
		"other sums":     {[2]string{timedPage(40, 1.2345678901), timedPage(50, 1.5345678901)}, [2]string{timedPage(40, 1.2345678902), timedPage(50, 1.5345678902)}, [2]bool{}},
		"round sums":     {[2]string{timedPage(40, 1.25), timedPage(50, 1.5)}, [2]string{timedPage(40, 1.25), timedPage(50, 1.5)}, [2]bool{}},
		"added up":       {[2]string{timedPage(40, .28), timedPage(50, .30000000000000004)}, [2]string{timedPage(40, .28), timedPage(50, .30000000000000004)}, [2]bool{}},
		"started alike":  {[2]string{page(40, 0, 5), page(50, 0, 5)}, [2]string{page(40, 0, 5), page(50, 0, 5)}, [2]bool{}},
		"a shared gauge": {[2]string{page(40, 0, 5) + "jobs_seconds_sum 3.14159265\n", page(50, 0, 5)}, [2]string{page(30, 0, 6) + "jobs_seconds_sum 3.14159265\n", page(40, 0, 6)}, [2]bool{}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newApp(t), newApp(t)
			s := newSource(t, Config{Baseline: []string{a.URL}, Canary: []string{b.URL}})
			for i := range 2 {
				a.text(c.baseline[i])
				b.text(c.canary[i])
				_, err := s.Sample(t.Context())
				if c.refused[i] {
					if p := problem(t, err); p.Kind != "same-process" || !p.Fatal || !strings.Contains(p.Error(), "PROMETHEUS_MULTIPROC_DIR") {
						t.Errorf("look %d: %v", i, err)
					}
					return
				}
				if err != nil {
					t.Fatalf("look %d: %v", i, err)
				}
			}
		})
	}
}

func problem(t *testing.T, err error) *canary.Problem {
	t.Helper()
	var p *canary.Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v is no problem", err)
	}
	return p
}

// TestBothAway: when neither side answers, both are named.
func TestBothAway(t *testing.T) {
	a, b, s := pair(t)
	a.Close()
	b.Close()
	for look := range 2 * patience {
		_, err := s.Sample(t.Context())
		if p := problem(t, err); !strings.Contains(p.Detail, "baseline "+a.URL+"/metrics: connection refused · canary "+b.URL) {
			t.Errorf("look %d: %v", look, err)
		}
	}
}
