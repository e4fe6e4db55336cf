package prometheus

import (
	"math"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// TestVictoriaMetrics: its numbers are vectors, its raw samples another type of JSON,
// and the end of a series, as of a target that does not answer, is a NaN.
func TestVictoriaMetrics(t *testing.T) {
	w := newWorld(t)
	w.fake.Victoria()
	w.pod("a:80", "1", 3)
	c := w.pod("c:80", "2", 7)
	c.bad = .1
	w.run(100)
	s := w.source()
	w.origin(s)
	base := atOrigin(s, c)
	var sum total
	w.watch(s, 60, &sum)
	w.until(7)
	before := c.served()
	c.up = false
	for range 2 { // two scrapes fail, the first one ends every series
		for name := range c.counts {
			w.fake.Append(name, math.NaN())
		}
		c.counts = map[string]float64{}
		w.run(15)
	}
	w.watch(s, 5, &sum)
	w.restart(c)
	c.up = true
	w.watch(s, 60, &sum)
	w.settle(s, &sum)
	if got, want := sum.counts[canary.Errors].Canary.N, before.N-base.N+c.served().N; got != want || sum.counts[canary.Errors].Canary.Bad == 0 {
		t.Errorf("counted %d, served %d; %q", got, want, sum.notes)
	}
	for _, err := range sum.errs {
		if p := problem(t, err); p.Kind != "down" {
			t.Errorf("%+v", p)
		}
	}
	if len(sum.latency.BoundsMS) != 2 {
		t.Errorf("response times %+v, %q", sum.latency, sum.notes)
	}
	// What shows NaN itself does so again and again.
	c.counts = map[string]float64{}
	for range 3 {
		w.fake.Append(`http_requests_total{`+c.labels+`,path="/",status="200"}`, math.NaN())
		w.run(15)
	}
	if _, err := s.Sample(t.Context()); err == nil || problem(t, err).Kind != "bad-value" {
		t.Errorf("%v", err)
	}
}
