package scrape

import (
	"math"
	"strconv"

	"github.com/fairlead-ci/fairlead/internal/canary/expo"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// layout says which lines of a page are counted, and as what. It serves every page
// with the same lines: most of the time of a look went into what never changes.
type layout struct {
	of      []expo.Series
	counts  []counted
	buckets []bucketed
	// countAt and bucketAt are where a series stands in counts and buckets.
	countAt  map[countKey]int
	bucketAt map[string]int
	// timed is set when a histogram was looked for.
	timed bool
	// opaque are the first lines of counters whose failed requests nothing tells.
	opaque []opaque
	// whole is set once every group of buckets was seen to have all bounds.
	whole bool
}

// counted is a line that counts requests, failed requests, or both.
type counted struct {
	line     int
	countKey // its metric of the plan, and the series
	all, bad bool
}

type countKey struct{ metric, key string }

// bucketed is a line of the histogram: its bound, and the name of the series without
// it.
type bucketed struct {
	line       int
	key, group string
	le         float64
}

type opaque struct {
	counter series.Counter
	line    *expo.Line
}

// known is what a line is called and counts as.
type known struct {
	key, group string
	le         float64
	classes    []class // by counter
	bucket     bool
}

type class struct{ all, bad, opaque bool }

// layout is the one of an instance's page: the same as before while its lines are.
func (s *Source) layout(in *instance, page expo.Page) *layout {
	if l := in.layout; l != nil && l.timed == (s.histogram.Name != "") && l.fits(page.Series) {
		return l
	}
	l := &layout{of: page.Series, timed: s.histogram.Name != "", countAt: map[countKey]int{}, bucketAt: map[string]int{}}
	if in.lines == nil || in.layout == nil || in.layout.timed != l.timed {
		in.lines = map[*expo.Line]*known{}
	}
	for i, x := range page.Series {
		k := in.lines[x.Line]
		if k == nil {
			k = s.know(x)
			in.lines[x.Line] = k
		}
		for c, class := range k.classes {
			if class.opaque {
				l.opaque = append(l.opaque, opaque{s.counters[c], x.Line})
			}
			if class.all || class.bad {
				l.count(counted{i, countKey{s.counters[c].Metric, k.key}, class.all, class.bad})
			}
		}
		if k.bucket {
			l.bucket(bucketed{i, k.key, k.group, k.le})
		}
	}
	if len(in.lines) > 2*len(page.Series)+mostForgotten { // labels of some pages never end
		in.lines = nil
	}
	in.layout = l
	return l
}

// mostForgotten is how many lines that are gone from a page are remembered.
const mostForgotten = 1000

// fits says whether a page has the same lines.
func (l *layout) fits(page []expo.Series) bool {
	if len(page) != len(l.of) {
		return false
	}
	for i := range page {
		if page[i].Line != l.of[i].Line {
			return false
		}
	}
	return true
}

// count takes a line; of a series that a page shows twice, the last line counts.
func (l *layout) count(c counted) {
	if at, ok := l.countAt[c.countKey]; ok {
		l.counts[at] = c
		return
	}
	l.countAt[c.countKey] = len(l.counts)
	l.counts = append(l.counts, c)
}

func (l *layout) bucket(b bucketed) {
	if at, ok := l.bucketAt[b.key]; ok {
		l.buckets[at] = b
		return
	}
	l.bucketAt[b.key] = len(l.buckets)
	l.buckets = append(l.buckets, b)
}

// know finds out what a line counts as.
func (s *Source) know(x expo.Series) *known {
	k := &known{key: key(x, ""), le: math.NaN(), classes: make([]class, len(s.counters))}
	for i, c := range s.counters {
		k.classes[i].all, k.classes[i].bad = c.Classify(x)
		if len(c.Bad) == 0 && c.Errors.Name == "" && c.Requests.Matches(x) {
			_, _, ok := series.Status(x)
			k.classes[i].opaque = !ok
		}
	}
	if s.histogram.Name == "" {
		return k
	}
	h := s.histogram
	h.Name += "_bucket"
	if k.bucket = h.Matches(x) && (len(s.cfg.Counters) > 0 || !series.OwnTraffic(x)); !k.bucket {
		return k
	}
	k.group = key(x, "le")
	text, _ := x.Label("le")
	if le, err := strconv.ParseFloat(text, 64); err == nil {
		k.le = le
	}
	k.bucket = !math.IsNaN(k.le)
	return k
}
