package prometheus

import (
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// TestCopies: what a pair of servers scraped is counted once, whichever of them
// is there.
func TestCopies(t *testing.T) {
	const a, b = `prometheus_replica="a"`, `prometheus_replica="b"`
	for name, c := range map[string]struct {
		begin   []string
		then    [][]string
		restart bool
		note    string
	}{
		"both":                     {[]string{a, b}, nil, false, "scraped by several servers"},
		"one by one":               {[]string{a}, [][]string{{a, b}, {"", b}, {a, b}}, false, "went silent"},
		"the first goes":           {[]string{a, b}, [][]string{{"", b}}, false, `{prometheus_replica="a"} went silent`},
		"and comes back":           {[]string{a, b}, [][]string{{"", b}, {a, b}, {a, ""}}, false, `{prometheus_replica="b"} went silent`},
		"with a restart":           {[]string{a, b}, [][]string{{"", b}}, true, "went silent"},
		"a label of one's own":     {[]string{`mirror="a"`, `mirror="b"`}, [][]string{{"", `mirror="b"`}}, false, `{mirror="a"} went silent`},
		"two labels, and in shard": {[]string{`prometheus="x",replica="0"`, `prometheus="x",replica="1"`}, nil, false, `replica="0"} wrote is counted`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.mirrors = c.begin
			w.pod("a:80", "1", 3)
			w.pod("b:80", "1", 9)
			p := w.pod("c:80", "2", 7)
			p.bad = .1
			w.run(90)
			s := w.source()
			if _, err := s.History(t.Context(), time.Time{}, time.Hour, 15*time.Second); err != nil {
				t.Fatal(err)
			}
			notes := w.origin(s).Notes
			// The truth begins with the origin's scrapes.
			for _, p := range w.pods {
				p.rate = 0
			}
			var sum total
			w.watch(s, 60, &sum)
			before := sum.counts[canary.Errors]
			for _, p := range w.pods {
				p.rate, p.truth.N, p.truth.Bad = 20, 0, 0
			}
			w.watch(s, 60, &sum)
			for _, m := range c.then {
				w.mirrors = m
				w.watch(s, 120, &sum)
				if c.restart {
					// Served, scraped and then restarted: nothing is lost.
					p.rate = 0
					w.watch(s, 30, &sum)
					w.restart(p)
					p.rate = 20
					w.watch(s, 60, &sum)
				}
			}
			w.settle(s, &sum)
			for _, err := range sum.errs {
				t.Error(err)
			}
			got := sum.counts[canary.Errors]
			if n := got.Canary.N - before.Canary.N; n != p.truth.N || got.Canary.Bad-before.Canary.Bad != p.truth.Bad {
				t.Errorf("canary: counted %d, served %+v", n, p.truth)
			}
			if n, want := got.Baseline.N-before.Baseline.N, w.pods[0].truth.N+w.pods[1].truth.N; n != want {
				t.Errorf("baseline: counted %d, served %d", n, want)
			}
			if all := append(notes, sum.notes...); !said(all, c.note) {
				t.Errorf("no %q in %q", c.note, all)
			}
		})
	}
}

// TestCopiesWithoutUp: where the server has no "up", well-known labels tell.
func TestCopiesWithoutUp(t *testing.T) {
	w := newWorld(t)
	w.mirrors = []string{`__replica__="a"`, `__replica__="b"`}
	for _, p := range []*pod{w.pod("a:80", "1", 3), w.pod("c:80", "2", 7)} {
		p.mute = true
	}
	w.run(90)
	s := w.source()
	w.origin(s)
	var sum total
	w.watch(s, 300, &sum)
	got := sum.counts[canary.Errors]
	if got.Canary.N < 20*270 || got.Canary.N > 20*300 || len(sum.errs) > 0 {
		t.Errorf("counted %+v of about %d, %v", got, 20*300, sum.errs)
	}
}

// TestNoCopies: an application's own label is none.
func TestNoCopies(t *testing.T) {
	own := func(replica string) rawSeries {
		return rawSeries{Metric: map[string]string{"__name__": "http_requests_total", "job": "web", "instance": "a:80", "replica": replica}, Values: []point{{1, 1}, {9, 2}}}
	}
	up := rawSeries{Metric: map[string]string{"__name__": "up", "job": "web", "instance": "a:80"}, Values: []point{{1, 1}, {9, 1}}}
	for _, meta := range [][]rawSeries{nil, {up}} {
		list := []rawSeries{own("a"), own("b")}
		var c copies
		if notes := c.single(5, &list, &meta); len(list) != 2 || len(notes) > 0 || list[0].Metric["replica"] != "a" {
			t.Errorf("%d series left, %q", len(list), notes)
		}
	}
}

// TestCopiesOfShortWindows: copies that are scraped nearly an interval apart have
// one sample each in a short window. They are told by what shows of either side.
func TestCopiesOfShortWindows(t *testing.T) {
	pair := func(instance string, a, b []point) (list, meta []rawSeries) {
		for replica, ps := range map[string][]point{"a": a, "b": b} {
			list = append(list, rawSeries{Metric: map[string]string{"__name__": "http_requests_total", "job": "web", "instance": instance, "replica": replica}, Values: ps})
			meta = append(meta, rawSeries{Metric: map[string]string{"__name__": "up", "job": "web", "instance": instance, "replica": replica}, Values: ps})
		}
		return list, meta
	}
	var c copies
	list, meta := pair("a:80", []point{{100, 1}, {2100, 1}}, []point{{1900, 1}})
	c.single(2000, &list, &meta)
	if len(list) != 1 || len(meta) != 1 {
		t.Errorf("between the other's samples: %d series left", len(list))
	}
	list, meta = pair("b:80", []point{{2100, 1}}, []point{{3900, 1}})
	c.single(2000, &list, &meta)
	if len(list) != 1 || len(meta) != 1 {
		t.Errorf("a sample each: %d series left", len(list))
	}
	// A target whose labels changed has one series after the other.
	c = copies{}
	list, meta = pair("c:80", []point{{100, 1}, {2100, 1}}, []point{{4100, 1}, {6100, 1}})
	c.single(2000, &list, &meta)
	if len(list) != 2 {
		t.Errorf("one after the other: %d series left", len(list))
	}
}
