package prometheus

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// alone is the source of a bake: one release, whose labels pick both sides.
func (w *world) alone(selector string, change ...func(*Config)) *Source {
	w.t.Helper()
	return w.source(append(change, func(c *Config) {
		c.Baseline, c.Canary, c.Alone = labels(w.t, selector), labels(w.t, selector), true
	})...)
}

// TestAlone: the time after a rollout is counted beside the time before, although
// both have the same labels, and response times come in the same buckets.
func TestAlone(t *testing.T) {
	w := newWorld(t)
	old := w.pod("a:80", "1", 3)
	old.slow = .1
	w.run(300)
	rollout := w.fake.Now()
	fresh := w.pod("b:80", "2", 8)
	fresh.slow, fresh.bad, fresh.memory = .5, .25, 20e6
	w.run(20)
	old.up, old.removed = false, true // its target is gone, as in a cluster

	s := w.alone(`job="web"`)
	past, err := s.History(t.Context(), time.UnixMilli(rollout), time.Hour, 15*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var n, all, slow int64
	for _, p := range past {
		n += p.Counts[canary.Errors].Baseline.N
		if g := p.Gauges[Memory]; g.Baseline != 50e6 || !math.IsNaN(g.Canary) {
			t.Errorf("memory before: %+v", g)
		}
		if p.Latency != nil {
			for i, x := range p.Latency.Baseline {
				all += x
				if i == len(p.Latency.Baseline)-1 {
					slow += x
				}
			}
		}
	}
	// 20 a second over all scrapes but the first.
	if want := int64(20 * 15 * len(past)); len(past) < 15 || n != want || all != want || slow < want/20 || slow > want/5 {
		t.Errorf("%d windows of the past: %d requests, %d response times, %d slow; want %d", len(past), n, all, slow, want)
	}

	w.origin(s)
	for _, p := range w.pods {
		p.truth.N, p.truth.Bad = 0, 0
	}
	var sum total
	w.watch(s, 120, &sum)
	w.settle(s, &sum)
	for _, err := range sum.errs {
		t.Error(err)
	}
	got := sum.counts[canary.Errors]
	// What came between the origin's scrape and the reset of the truth is a part of a scrape's.
	if d := got.Canary.N - fresh.truth.N; d < 0 || d > 20*15 || got.Canary.Bad < got.Canary.N/5 || got.Baseline.N != 0 {
		t.Errorf("counted %+v, served %+v", got, fresh.truth)
	}
	for i, gs := range sum.gauges {
		// What the rollout replaced is part of the mean until it is three scrapes silent.
		if g := gs[Memory]; !math.IsNaN(g.Baseline) || g.Canary != 70e6 && i > 1 {
			t.Errorf("memory after, window %d: %+v", i, g)
		}
	}
	if len(sum.latency.BoundsMS) == 0 || len(past) == 0 || past[0].Latency == nil || len(past[0].Latency.BoundsMS) != len(sum.latency.BoundsMS) {
		t.Errorf("response times after in %v, before in %+v", sum.latency.BoundsMS, past[0].Latency)
	}
}

// TestAloneWithAnOldTarget: what the rollout replaced stays in a fixed list of
// targets for ever, and is down; what crashes afterwards is a problem.
func TestAloneWithAnOldTarget(t *testing.T) {
	w := newWorld(t)
	old := w.pod("a:80", "1", 3)
	w.run(300)
	w.pod("b:80", "2", 8)
	second := w.pod("c:80", "2", 9)
	w.run(20)
	old.up = false
	w.run(30)
	s := w.alone(`job="web"`)
	w.origin(s)
	var sum total
	w.watch(s, 60, &sum)
	if len(sum.errs) > 0 || sum.counts[canary.Errors].Canary.N < 2*20*30 {
		t.Fatalf("%v, %+v", sum.errs, sum.counts)
	}
	second.up = false
	w.watch(s, 60, &sum)
	if len(sum.errs) == 0 || problem(t, sum.errs[len(sum.errs)-1]).Kind != "down" || !strings.Contains(sum.errs[0].Error(), "c:80") {
		t.Errorf("an instance that crashed after the rollout: %v", sum.errs)
	}
}

// TestAloneWithMoreBuckets: a release with more buckets is compared in those that
// the time before had.
func TestAloneWithMoreBuckets(t *testing.T) {
	w := newWorld(t)
	old := w.pod("a:80", "1", 3)
	w.run(300)
	rollout := w.fake.Now()
	fresh := w.pod("b:80", "2", 8)
	fresh.counts[`http_request_duration_seconds_bucket{`+fresh.labels+`,path="/",le="0.25"}`] = 0
	w.run(20)
	old.up, old.removed = false, true
	s := w.alone(`job="web"`)
	past, err := s.History(t.Context(), time.UnixMilli(rollout), time.Hour, 15*time.Second)
	if err != nil || len(past) == 0 || past[0].Latency == nil {
		t.Fatalf("%d looks, %v", len(past), err)
	}
	w.run(330) // nothing of the old release is in sight any more
	w.origin(s)
	var sum total
	w.watch(s, 60, &sum)
	if got, want := sum.latency.BoundsMS, past[0].Latency.BoundsMS; len(sum.errs) > 0 || !slices.Equal(got, want) {
		t.Errorf("thresholds %v, before %v, %v", got, want, sum.errs)
	}
}
