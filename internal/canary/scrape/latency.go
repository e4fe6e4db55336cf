package scrape

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/canary/times"
)

// response times are read from the buckets of one histogram, which is chosen by
// its name unless it is given.

// chooseTimes fixes the bounds as soon as both sides show a histogram.
func (s *Source) chooseTimes(next []*snapshot) {
	if s.histogram.Name == "" || s.times.Chosen() {
		return
	}
	var shown [2][]map[float64]bool
	for i, in := range s.instances {
		if next[i] == nil {
			continue
		}
		groups := map[string]map[float64]bool{}
		for j, b := range next[i].layout.buckets {
			if next[i].buckets[j] == absent {
				continue
			}
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
}

// chooseHistogram settles the histogram's name: the one that was given, or the one
// that the pages show.
func (s *Source) chooseHistogram(answers []answer, errs []error) {
	if s.histogram.Name != "" || s.cfg.Latency.Name == "none" {
		return
	}
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

// addTimes counts what is new in an instance's buckets since the last snapshot, nil
// for nothing. It returns false when a bound is missing: the buckets changed.
func addTimes(c *times.Counter, side int, last, next *snapshot) bool {
	if !c.Chosen() {
		return true
	}
	l := next.layout
	for i, b := range l.buckets {
		now, was := next.buckets[i], 0.
		if now == absent {
			l.whole = false
			continue
		}
		if last != nil {
			was = max(0, last.bucket(l, i))
		}
		d := int64(now - was)
		if d < 0 {
			d = int64(now)
		}
		c.Add(side, b.le, d)
	}
	if l.whole {
		return true
	}
	has := map[string]int{}
	for i, b := range l.buckets {
		n := has[b.group]
		if next.buckets[i] != absent && c.Has(b.le) {
			n++
		}
		has[b.group] = n
	}
	for _, n := range has {
		if n < len(c.Bounds) {
			return false
		}
	}
	l.whole = true
	return true
}
