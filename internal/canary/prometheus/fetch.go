package prometheus

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// fetch asks for everything of the given sides over a span that ends at a time,
// both in milliseconds of the server's clock: all queries see the same samples.
func (s *Source) fetch(ctx context.Context, at, span int64, sides [2]cohort) (*batch, error) {
	b := newBatch()
	over := fmt.Sprintf("[%dms]", span)
	get := func(sel series.Selector, labels []series.Matcher) ([]rawSeries, error) {
		a, err := s.client.query(ctx, sel.With(labels...)+over, at)
		return a.series, err
	}
	seen := [2]bool{}
	for _, c := range sides {
		if seen[c] {
			continue
		}
		seen[c] = true
		counted := make([][]rawSeries, len(s.counters))
		var slow, meta []rawSeries
		var err error
		for i, counter := range s.counters {
			if counted[i], err = get(counter.Requests, s.labels[c]); err != nil {
				return nil, err
			}
			if counter.Errors.Name != "" && counter.Errors.String() != counter.Requests.String() {
				more, err := get(counter.Errors, s.labels[c])
				if err != nil {
					return nil, err
				}
				counted[i] = append(counted[i], more...)
			}
		}
		if s.latency != "" {
			sel := s.cfg.Latency
			for _, name := range []string{s.latency + "_bucket", s.latency} {
				sel.Name = name
				if slow, err = get(sel, s.labels[c]); err != nil {
					return nil, err
				}
				if len(slow) > 0 {
					break // classic buckets go first where there are both
				}
			}
		}
		if meta, err = s.metadata(ctx, c, slices.Concat(append(counted, slow)...), over, at); err != nil {
			return nil, err
		}
		lists := []*[]rawSeries{&slow, &meta}
		for i := range counted {
			lists = append(lists, &counted[i])
		}
		b.notes = append(b.notes, s.tally.Copies.single(s.tally.Interval, lists...)...)
		for i, counter := range s.counters {
			if err := s.tellable(counter, c, counted[i]); err != nil {
				return nil, err
			}
			b.requests(c, counter, counted[i])
		}
		b.buckets(c, len(s.cfg.Counters) == 0, slow)
		b.meta(c, meta, s.gauges())
	}
	s.tally.Latency.learn(b)
	return b, nil
}

// gauges are the readings to ask for: the plan's names by the metrics'.
func (s *Source) gauges() map[string]string {
	out := map[string]string{"process_resident_memory_bytes": Memory}
	for metric, name := range s.cfg.Gauges {
		out[name] = metric
	}
	return out
}

// metadata asks for the targets' own series: up, start time, gauges.
func (s *Source) metadata(ctx context.Context, c cohort, counted []rawSeries, over string, at int64) ([]rawSeries, error) {
	names := []string{"up", "process_start_time_seconds"}
	for name := range s.gauges() {
		names = append(names, name)
	}
	for _, counter := range s.counters {
		names = append(names, strings.TrimSuffix(counter.Requests.Name, "_total")+"_created")
	}
	slices.Sort(names)
	name := series.Matcher{Label: "__name__", Op: "=~", Value: alternatives(names)}
	if !s.byInstance[c] {
		a, err := s.client.query(ctx, series.Selector{}.With(append([]series.Matcher{name}, s.labels[c]...)...)+over, at)
		if err != nil || len(a.series) > 0 {
			return a.series, err
		}
	}
	// The labels are the metric's own, as behind a load balancer that counts for
	// both sides: its targets are known by their instances.
	jobs, instances := map[string]bool{}, map[string]bool{}
	for _, r := range counted {
		if instance := r.Metric["instance"]; instance != "" {
			jobs[r.Metric["job"]], instances[instance] = true, true
		}
	}
	const most = 500
	if len(instances) == 0 || len(instances) > most {
		return nil, nil
	}
	a, err := s.client.query(ctx, series.Selector{}.With(name, anyOf("job", jobs), anyOf("instance", instances))+over, at)
	s.byInstance[c] = err == nil && len(a.series) > 0
	return a.series, err
}

func anyOf(label string, values map[string]bool) series.Matcher {
	var parts []string
	for v := range values {
		parts = append(parts, regexp.QuoteMeta(v))
	}
	slices.Sort(parts)
	return series.Matcher{Label: label, Op: "=~", Value: strings.Join(parts, "|")}
}

// tellable makes sure that failed requests can be told by the series' labels.
func (s *Source) tellable(counter series.Counter, c cohort, list []rawSeries) error {
	newest := int64(0)
	for _, r := range list {
		if n := len(r.Values); n > 0 {
			newest = max(newest, r.Values[n-1].ts)
		}
	}
	for _, r := range list {
		// What is gone again hinders nothing; it is not counted.
		if n := len(r.Values); n == 0 || newest-r.Values[n-1].ts > s.tally.Interval {
			continue
		}
		if x := toSeries(r.Metric); !tells(counter, x) {
			var names []string
			for _, l := range x.Labels {
				names = append(names, l.Name)
			}
			return &canary.Problem{Kind: "no-counter", Cohort: c.String(), Fatal: s.tally.Origin == 0,
				Detail: counter.Requests.Name + " has no status label (its labels are " + series.List(names) + "): name the failed requests with --bad-labels"}
		}
	}
	return nil
}

// patience is how many scrapes an instance may miss before it is left out.
const patience = 3

// horizon is the time up to which every instance was scraped, 0 while that is
// not known. An instance of the canary that counts requests and does not answer
// is a problem for as long as the server asks for it: judging the others would
// hide the crashed one.
func (s *Source) horizon(b *batch) (int64, []string, error) {
	latest := [2]int64{}
	for _, t := range b.targets {
		latest[t.cohort] = max(latest[t.cohort], t.newest)
	}
	for _, c := range s.sides() {
		if err := s.fresh(c, latest[c]); err != nil {
			return 0, nil, err
		}
	}
	counting := map[string]bool{}
	counted := map[string]int64{}
	for _, x := range b.tracked {
		if n := len(x.values); x.metric != "" && n > 0 {
			counting[b.targets[x.target].job] = true
			counted[x.target] = max(counted[x.target], x.values[n-1].ts)
		}
	}
	newest := max(latest[baseline], latest[canaries])
	end := int64(math.MaxInt64)
	var notes []string
	gone := func(t *scraped, why string) {
		if !s.away[t.key] {
			notes = append(notes, t.cohort.String()+" "+t.name+" "+why)
			s.away[t.key] = true
		}
	}
	for _, t := range b.sorted() {
		failed := t.failed()
		switch {
		case newest-t.newest > patience*max(s.tally.Interval, 1) && b.scrapedSince(t.newest):
			gone(t, "vanished from the server's targets; its requests until then are counted")
			continue
		case failed == 0 && s.lost(t, counted[t.key]):
			return 0, nil, &canary.Problem{Kind: "no-counter", Cohort: t.cohort.String(), Where: t.name,
				Detail: "it shows its counter of requests no more, although its process did not restart: did its name or labels change?"}
		case failed == 0:
			s.away[t.key] = false
		case !counting[t.job]: // requests are counted elsewhere, by a load balancer say
			gone(t, "does not answer the server's scrapes")
		case s.replaced(b, t, failed):
			gone(t, "has not answered since before the gate began: it counts as what the rollout replaced")
			continue
		case t.cohort == canaries:
			return 0, nil, &canary.Problem{Kind: "down", Cohort: t.cohort.String(), Where: t.name,
				Detail: "its last scrape failed, says the server (up is 0): did it crash?"}
		case failed <= patience:
			return 0, nil, nil // it may be back with the next scrape
		default:
			gone(t, "does not answer the server's scrapes and is left out until it returns")
			continue
		}
		end = min(end, t.newest)
	}
	if end == math.MaxInt64 {
		return 0, notes, nil
	}
	if apart := newest - end; s.tally.Origin == 0 && apart*10 > s.tally.Interval {
		notes = append(notes, fmt.Sprintf("the instances are scraped up to %v apart: evidence has to survive a shift by one window", time.Duration(apart)*time.Millisecond))
	}
	return end, notes, nil
}

// lost says that a process which counted requests is scraped and shows none.
func (s *Source) lost(t *scraped, counted int64) bool {
	p, ok := s.tally.Targets[t.key]
	at := t.scrapedAt()
	if !ok || p.Counted == 0 || at == 0 || at-max(counted, p.Counted) < 2*s.tally.Interval {
		return false
	}
	start := t.startAt(at)
	return start == 0 || p.Start == 0 || sameStart(start, p.Start)
}

// replaced says that an instance is what a rollout took away and what a fixed list
// of targets goes on to name: it was down when the gate began, and another one of
// its job answers.
func (s *Source) replaced(b *batch, t *scraped, failed int) bool {
	if !s.cfg.Alone || !s.away[t.key] && t.ups[len(t.ups)-failed].ts > s.started {
		return false
	}
	for _, o := range b.targets {
		if o.job == t.job && len(o.ups) > 0 && o.failed() == 0 {
			return true
		}
	}
	return false
}

// scrapedSince says whether the server has scraped something as often as an instance
// may miss it, since a time: it may have been away itself, and its targets' turns come
// one after another. A server that shows no scrapes is believed to have.
func (b *batch) scrapedSince(ts int64) bool {
	shows := false
	for _, t := range b.targets {
		n := len(t.ups)
		shows = shows || n > 0
		if n >= patience && t.ups[n-patience].ts > ts {
			return true
		}
	}
	return !shows
}

// failed is how many of the latest scrapes failed in a row.
func (t *scraped) failed() int {
	n := 0
	for i := len(t.ups) - 1; i >= 0 && t.ups[i].v == 0; i-- {
		n++
	}
	return n
}

func (b *batch) sorted() []*scraped {
	var out []*scraped
	for _, t := range b.targets {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *scraped) int { return strings.Compare(a.key, b.key) })
	return out
}

// fresh says what is wrong with a side that shows nothing, or nothing new.
func (s *Source) fresh(c cohort, ts int64) error {
	now := s.cfg.Now()
	if ts > s.newest[c] || s.progress[c].IsZero() {
		s.newest[c], s.progress[c] = max(ts, s.newest[c]), now
	}
	limit := max(time.Duration(patience*s.tally.Interval)*time.Millisecond, 5*time.Second)
	if s.tally.Interval == 0 {
		limit = 2 * time.Minute // how often it is scraped is not known yet
	}
	switch {
	case ts == 0 && s.newest[c] == 0:
		return &canary.Problem{Kind: "no-data", Cohort: c.String(),
			Detail: "the server has no series with {" + text(s.labels[c]) + "}: is it scraped, are the labels right?"}
	case ts == 0:
		return &canary.Problem{Kind: "no-data", Cohort: c.String(),
			Detail: "its series {" + text(s.labels[c]) + "} are gone: was it removed?"}
	case now.Sub(s.progress[c]) > limit:
		return &canary.Problem{Kind: "stale", Cohort: c.String(),
			Detail: fmt.Sprintf("no new sample for %v: the server does not scrape it any more, or lags", now.Sub(s.progress[c]).Round(time.Second))}
	}
	return nil
}
