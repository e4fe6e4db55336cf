package scrape

import (
	"fmt"
	"slices"
	"testing"
)

// histogram is a page whose requests took so long: below 0.1 s, below 0.5, more.
func histogram(start float64, fast, medium, slow int) string {
	all := fast + medium + slow
	return fmt.Sprintf(`process_start_time_seconds %v
http_requests_total{status="200"} %d
http_request_duration_seconds_bucket{le="0.1"} %d
http_request_duration_seconds_bucket{le="0.5"} %d
http_request_duration_seconds_bucket{le="+Inf"} %d
http_request_duration_seconds_bucket{path="/metrics",le="0.1"} 9000
http_request_duration_seconds_bucket{path="/metrics",le="+Inf"} 9000
`, start, all, fast, fast+medium, all)
}

// TestLatency: response times come from the buckets that both sides show.
func TestLatency(t *testing.T) {
	b, c := newApp(t), newApp(t)
	b.text(histogram(1000, 10, 0, 0))
	c.text(histogram(1000, 5, 0, 0) + `http_request_duration_seconds_bucket{le="0.2"} 5` + "\n")
	s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}})
	if _, err := s.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.text(histogram(1000, 30, 4, 0))
	c.text(histogram(1000, 15, 2, 7) + `http_request_duration_seconds_bucket{le="0.2"} 16` + "\n")
	got, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := got.Latency
	if l == nil || !slices.Equal(l.BoundsMS, []float64{100, 500}) || !slices.Equal(l.Baseline, []int64{20, 4, 0}) || !slices.Equal(l.Canary, []int64{10, 2, 7}) {
		t.Fatalf("%+v", l)
	}
	// The release that comes next has other buckets.
	c.text("process_start_time_seconds 1000\nhttp_requests_total{status=\"200\"} 99\nhttp_request_duration_seconds_bucket{le=\"7\"} 99\nhttp_request_duration_seconds_bucket{le=\"+Inf\"} 99\n")
	got, err = s.Sample(t.Context())
	if err != nil || got.Latency != nil || len(got.Notes) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}}); s.cfg.Latency.Name != "" {
		t.Error(s.cfg.Latency)
	}
}
