package prometheus

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// Servers often come in pairs that scrape the same targets, and what reads from
// both (Thanos, Mimir, VictoriaMetrics) shows every series twice unless it is told
// to merge them: twice the requests, and evidence for which nobody was served. One
// copy is counted; another one takes over when it ends.

// replicaLabels tell copies apart wherever they are seen.
func replicaLabels() []string { return []string{"prometheus_replica", "__replica__", "thanos_replica"} }

// copies is what is remembered of them.
type copies struct {
	// Strip are the labels that are no part of a series' identity, so that a
	// copy can take over from another.
	Strip []string `json:"strip,omitempty"`
	// Names are the labels that told copies apart so far, of whichever side: not
	// every window is long enough to show it again.
	Names []string `json:"names,omitempty"`
	// Chosen is the copy that counts, by target.
	Chosen map[string]string `json:"chosen,omitempty"`
	// Told is set when it was said that there are copies.
	Told bool `json:"told,omitempty"`
}

// stretch is the time that a copy covers.
type stretch struct{ first, last int64 }

// targetName is a target's own name, whoever scrapes it.
func targetName(r rawSeries) string {
	return r.Metric["cluster"] + "|" + r.Metric["job"] + "|" + r.Metric["instance"]
}

// span is the time from a series' first to its last sample.
func (r rawSeries) span() (first, last int64) {
	first = math.MaxInt64
	for _, p := range r.Values {
		first, last = min(first, p.ts), max(last, p.ts)
	}
	for _, p := range r.Histograms {
		first, last = min(first, p.ts), max(last, p.ts)
	}
	return first, last
}

// telling are the labels by which copies differ. A target has one series "up" at
// a time; two at the same time were written by two servers. Without "up" only
// well-known labels count: others may be the application's.
func telling(lists [][]rawSeries) []string {
	var names []string
	ups := false
	groups := map[string][]rawSeries{}
	for _, list := range lists {
		for _, r := range list {
			if r.Metric["__name__"] == "up" {
				ups = true
				groups[targetName(r)] = append(groups[targetName(r)], r)
			}
		}
	}
	if !ups {
		for _, list := range lists {
			for _, r := range list {
				id := identity(toSeries(without(r.Metric, replicaLabels())), "")
				groups[id] = append(groups[id], r)
			}
		}
	}
	for _, group := range groups {
		for i, a := range group {
			for _, b := range group[:i] {
				if atOnce(a, b) {
					names = append(names, differing(a.Metric, b.Metric)...)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// atOnce says that two series went on at the same time, rather than one after
// the other. A window may be so short that one of them has a single sample: it lies
// within the other's, then.
func atOnce(a, b rawSeries) bool {
	aFirst, aLast := a.span()
	bFirst, bLast := b.span()
	return max(aFirst, bFirst) <= min(aLast, bLast)
}

func differing(a, b map[string]string) []string {
	var out []string
	for name, v := range a {
		if b[name] != v {
			out = append(out, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			out = append(out, name)
		}
	}
	return out
}

func without(metric map[string]string, names []string) map[string]string {
	if !slices.ContainsFunc(names, func(n string) bool { _, ok := metric[n]; return ok }) {
		return metric
	}
	out := maps.Clone(metric)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

// single keeps one copy of what several servers wrote, and says so when it
// chooses one.
func (c *copies) single(interval int64, lists ...*[]rawSeries) (notes []string) {
	var all [][]rawSeries
	for _, l := range lists {
		all = append(all, *l)
	}
	names := append(telling(all), c.Names...)
	slices.Sort(names)
	names = slices.Compact(names)
	c.Names = names
	if c.Strip == nil {
		c.Strip = append(replicaLabels(), names...)
	}
	if c.Chosen == nil {
		c.Chosen = map[string]string{}
	}
	// Labels that once told copies apart do so when one of them is gone.
	names = slices.Concat(names, c.Strip)
	slices.Sort(names)
	names = slices.Compact(names)
	seen := map[string]map[string]stretch{} // by target and copy
	for _, list := range all {
		for _, r := range list {
			target, which := targetName(r), copyOf(r, names)
			if which == "" {
				continue
			}
			if seen[target] == nil {
				seen[target] = map[string]stretch{}
			}
			first, last := r.span()
			if old, ok := seen[target][which]; ok {
				first, last = min(first, old.first), max(last, old.last)
			}
			seen[target][which] = stretch{first, last}
		}
	}
	for _, target := range slices.Sorted(maps.Keys(seen)) {
		if note := c.choose(target, seen[target], interval); note != "" && !slices.Contains(notes, note) {
			notes = append(notes, note)
		}
	}
	for _, l := range lists {
		var kept []rawSeries
		for _, r := range *l {
			if which := copyOf(r, names); which == "" || which == c.Chosen[targetName(r)] {
				r.Metric = without(r.Metric, c.Strip)
				kept = append(kept, r)
			}
		}
		*l = kept
	}
	return notes
}

// copyOf names the copy that a series belongs to, "" where nothing tells.
func copyOf(r rawSeries, names []string) string {
	var parts []string
	for _, n := range names {
		if v, ok := r.Metric[n]; ok {
			parts = append(parts, series.Matcher{Label: n, Op: "=", Value: v}.String())
		}
	}
	return strings.Join(parts, ",")
}

// choose keeps the copy that was counted so far while it goes on; the first time
// it takes the one that goes back furthest.
func (c *copies) choose(target string, seen map[string]stretch, interval int64) string {
	newest := int64(0)
	for _, x := range seen {
		newest = max(newest, x.last)
	}
	silent := func(x stretch) bool { return newest-x.last > 2*max(interval, 1000) }
	was, known := c.Chosen[target]
	now, there := seen[was]
	if known && there && !silent(now) {
		return ""
	}
	best := ""
	for _, which := range slices.Sorted(maps.Keys(seen)) {
		if x := seen[which]; !silent(x) && (best == "" || x.first < seen[best].first) {
			best = which
		}
	}
	switch {
	case !known:
		c.Chosen[target] = best
		if len(seen) > 1 && !c.Told {
			c.Told = true
			return fmt.Sprintf("the same targets were scraped by several servers; what {%s} wrote is counted, copies are not", best)
		}
	case best != was && c.exchangeable(was, best):
		c.Chosen[target] = best
		return fmt.Sprintf("the server that wrote {%s} went silent; what {%s} wrote is counted from here on", was, best)
	}
	return ""
}

// exchangeable says whether series of two copies have the same identity: not if
// the label that tells them apart was found too late.
func (c *copies) exchangeable(a, b string) bool {
	for _, which := range []string{a, b} {
		ms, err := series.ParseMatchers(which)
		if err != nil || slices.ContainsFunc(ms, func(m series.Matcher) bool { return !slices.Contains(c.Strip, m.Label) }) {
			return false
		}
	}
	return true
}
