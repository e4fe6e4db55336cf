package scrape

import (
	"math"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary/expo"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/canary/times"
)

// response times are read from the buckets of one histogram, which is chosen by
// its name unless it is given.

// bucket is one series of the histogram.
type bucket struct {
	le    float64
	count float64
	group string
}

// buckets picks the histogram's series out of a page. Values that no counter
// can have are left out: response times are no reason to refuse a page.
func buckets(p expo.Page, h series.Selector, auto bool, names *names) map[string]bucket {
	out := map[string]bucket{}
	h.Name += "_bucket"
	for _, s := range p.Series {
		if !h.Matches(s) || auto && series.OwnTraffic(s) {
			continue
		}
		n := names.of(s)
		if math.IsNaN(n.le) || math.IsNaN(s.Value) || s.Value < 0 || s.Value >= 1<<53 || s.Value != math.Trunc(s.Value) {
			continue
		}
		out[n.key] = bucket{le: n.le, count: s.Value, group: n.group}
	}
	return out
}

// chooseTimes finds the histogram and its bounds as soon as both sides show one,
// and returns each instance's series of it.
func (s *Source) chooseTimes(answers []answer, errs []error) []map[string]bucket {
	found := make([]map[string]bucket, len(answers))
	if s.histogram.Name == "" && s.cfg.Latency.Name != "none" {
		s.chooseHistogram(answers, errs)
	}
	if s.histogram.Name == "" {
		return found
	}
	var shown [2][]map[float64]bool
	for i, in := range s.instances {
		if errs[i] != nil {
			continue
		}
		found[i] = buckets(answers[i].page, s.histogram, len(s.cfg.Counters) == 0, &s.names)
		groups := map[string]map[float64]bool{}
		for _, b := range found[i] {
			if groups[b.group] == nil {
				groups[b.group] = map[float64]bool{}
			}
			groups[b.group][b.le] = true
		}
		for _, g := range groups {
			shown[in.side()] = append(shown[in.side()], g)
		}
	}
	s.times.Choose(shown)
	return found
}

// chooseHistogram settles the histogram's name: the one that was given, or the one
// that the pages show.
func (s *Source) chooseHistogram(answers []answer, errs []error) {
	s.histogram = s.cfg.Latency
	s.histogram.Name = strings.TrimSuffix(s.histogram.Name, "_bucket")
	var names []string
	for i, a := range answers {
		if errs[i] != nil || s.histogram.Name != "" {
			continue
		}
		for _, x := range a.page.Series {
			if strings.HasSuffix(x.Name, "_bucket") {
				names = append(names, x.Name)
			}
		}
	}
	if s.histogram.Name == "" {
		s.histogram.Name = series.ChooseHistogram(names)
	}
	s.times.UnitMS = series.UnitMS(s.histogram.Name)
}

func (in *instance) side() int {
	if in.cohort == "canary" {
		return 1
	}
	return 0
}

// addTimes counts what is new in an instance's buckets, against nothing after a
// restart. It returns false when a bound is missing: the buckets changed.
func addTimes(c *times.Counter, side int, last, next map[string]bucket) bool {
	has := map[string]int{}
	for k, b := range next {
		d := int64(b.count - last[k].count)
		if d < 0 {
			d = int64(b.count)
		}
		c.Add(side, b.le, d)
		if n := has[b.group]; c.Has(b.le) {
			has[b.group] = n + 1
		} else {
			has[b.group] = n
		}
	}
	for _, n := range has {
		if n < len(c.Bounds) {
			return false
		}
	}
	return true
}
