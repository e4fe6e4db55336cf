package prometheus

import (
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestExact compares the sums with what the applications served: across births
// of series, restarts, new instances and missed scrapes.
func TestExact(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.pod("a:80", "1", 3), w.pod("b:80", "1", 11), w.pod("c:80", "2", 7)
	w.run(100)
	s := w.source()
	first := w.origin(s)
	if !said(first.Notes, "http_requests_total") || !said(first.Notes, "http_request_duration_seconds") {
		t.Errorf("notes %q do not say what is counted", first.Notes)
	}
	base := map[*pod]seqtest.Cohort{}
	for _, p := range w.pods {
		base[p] = atOrigin(s, p)
	}
	var sum total
	w.watch(s, 60, &sum)
	c.bad, c.slow = 0.1, 0.2 // the first 500 makes a new series
	w.watch(s, 60, &sum)
	b.bad = 0.05
	w.watch(s, 30, &sum)
	served := map[*pod]seqtest.Cohort{}
	for _, p := range []*pod{a, c} { // restarts right after a scrape lose nothing
		w.until(p.offset)
		served[p] = served[p].Plus(p.served())
		w.restart(p)
		w.watch(s, 45, &sum)
	}
	d := w.pod("d:80", "2", 1) // born after the origin
	d.started, d.bad = float64(w.fake.Now())/1000, 0.3
	w.watch(s, 120, &sum)
	w.settle(s, &sum)
	want := seqtest.Counts{}
	for _, p := range w.pods {
		n := served[p].Plus(p.served())
		n.N -= base[p].N
		n.Bad -= base[p].Bad
		if p == c || p == d {
			want.Canary = want.Canary.Plus(n)
		} else {
			want.Baseline = want.Baseline.Plus(n)
		}
	}
	if got := sum.counts[canary.Errors]; got != want {
		t.Errorf("counted %+v\nserved  %+v", got, want)
	}
	if len(sum.errs) > 0 {
		t.Errorf("errors %v", sum.errs)
	}
	if !said(sum.notes, "baseline a:80 restarted") || !said(sum.notes, "canary c:80 restarted") {
		t.Errorf("notes %q", sum.notes)
	}
	l := sum.latency
	if !slices.Equal(l.BoundsMS, []float64{100, 500}) {
		t.Fatalf("bounds %v", l.BoundsMS)
	}
	if n := l.Canary[0] + l.Canary[1] + l.Canary[2]; n != want.Canary.N || l.Canary[1] != 0 || l.Canary[2] == 0 {
		t.Errorf("response times of the canary %v, requests %d", l.Canary, want.Canary.N)
	}
	if n := l.Baseline[0]; n != want.Baseline.N {
		t.Errorf("response times of the baseline %v, requests %d", l.Baseline, want.Baseline.N)
	}
	if r := sum.counts[Restarts]; r.Canary.Bad != 1 || r.Baseline.Bad != 1 || r.Canary.N < 20 {
		t.Errorf("restarts %+v", r)
	}
}

// served is what a pod's page shows.
func (p *pod) served() seqtest.Cohort {
	var c seqtest.Cohort
	for name, v := range p.counts {
		switch {
		case len(name) < 19 || name[:19] != "http_requests_total":
		case name[len(name)-5:] == `500"}`:
			c.Bad += int64(v)
			c.N += int64(v)
		default:
			c.N += int64(v)
		}
	}
	return c
}

// atOrigin is what a pod's page showed at the origin.
func atOrigin(s *Source, p *pod) seqtest.Cohort {
	var c seqtest.Cohort
	for key, last := range s.tally.Last {
		if !strings.Contains(key, "http_requests_total") || !strings.Contains(key, p.name) {
			continue
		}
		c.N += int64(last.V)
		if strings.Contains(key, `status="500"`) {
			c.Bad += int64(last.V)
		}
	}
	return c
}

// A server that was away scrapes one instance before the others when it is back:
// those have not vanished.
func TestServerAway(t *testing.T) {
	w := newWorld(t)
	w.pod("a:80", "1", 1)
	w.pod("b:80", "1", 14)
	w.pod("c:80", "2", 2)
	gone := w.pod("d:80", "2", 8)
	w.run(90)
	s := w.source()
	w.origin(s)
	var sum total
	w.watch(s, 60, &sum)
	w.stopped = true
	w.watch(s, 70, &sum)
	w.stopped = false
	w.watch(s, 90, &sum)
	if len(sum.notes) > 0 {
		t.Errorf("%q", sum.notes)
	}
	gone.removed = true
	w.watch(s, 120, &sum)
	if len(sum.notes) != 1 || !said(sum.notes, "canary d:80 vanished") {
		t.Errorf("%q", sum.notes)
	}
}
