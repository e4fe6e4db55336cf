package prometheus

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/fairlead-ci/fairlead/internal/canary/times"
)

// latencies are the response times of both sides.
type latencies struct {
	times.Counter
	// Own are the bounds of histograms with bounds of their own, which show only
	// those of buckets with requests: what was seen of them so far, history
	// included.
	Own []float64 `json:"own,omitempty"`
}

// learn takes note of such bounds.
func (l *latencies) learn(b *batch) {
	if l.Bounds == nil && !l.Broken {
		l.Own = append(l.Own, customBounds(b)...)
		slices.Sort(l.Own)
		l.Own = slices.Compact(l.Own)
	}
}

// choose fixes the bounds, once both sides show some in common, or the only one
// shows some.
func (l *latencies) choose(b *batch, alone bool) {
	if l.Bounds != nil || l.Broken {
		return
	}
	l.learn(b)
	groups := map[string]map[float64]bool{}
	side := map[string]int{}
	for _, x := range b.tracked {
		if x.metric != "" {
			continue
		}
		g := groups[x.group]
		if g == nil {
			g = map[float64]bool{}
			groups[x.group], side[x.group] = g, int(x.cohort)
		}
		if x.native == nil {
			g[x.le] = true
		} else {
			for _, bound := range nativeBounds(x.native, l.UnitMS, l.Own) {
				g[bound] = true
			}
		}
	}
	var shown [2][]map[float64]bool
	for name, g := range groups {
		shown[side[name]] = append(shown[side[name]], g)
	}
	if alone {
		both := append(shown[baseline], shown[canaries]...)
		shown = [2][]map[float64]bool{both, both}
	}
	l.Choose(shown)
}

// complete says which instance lacks one of the bounds, or "": a release that
// changed its buckets cannot be compared by the old ones.
func (l *latencies) complete(b *batch) string {
	if l.Bounds == nil {
		return ""
	}
	has := map[string]int{}
	name := map[string]string{}
	for _, x := range b.tracked {
		if x.metric != "" || x.native != nil {
			continue
		}
		name[x.group] = x.cohort.String() + " " + b.targets[x.target].name
		if _, ok := slices.BinarySearch(l.Bounds, x.le); ok {
			has[x.group]++
		}
	}
	for group, n := range name {
		if has[group] < len(l.Bounds) {
			return n
		}
	}
	return ""
}

// nativeHistogram is a native histogram's sample: what JSON shows of it.
type nativeHistogram struct {
	Count   float64        `json:"count"`
	Buckets []nativeBucket `json:"buckets"`
}

type nativeBucket struct {
	Left  float64 `json:"left"`
	Right float64 `json:"right"`
	N     float64 `json:"n"`
}

type histogramPoint struct {
	ts int64
	h  nativeHistogram
}

// UnmarshalJSON reads [1435781430.781, {"count":"3","sum":"1.5","buckets":[[0,"0.5","1","3"]]}].
func (p *histogramPoint) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
		return errors.New("a histogram is not a pair")
	}
	var err error
	if p.ts, err = stamp(pair[0]); err != nil {
		return err
	}
	var body struct {
		Count   string              `json:"count"`
		Buckets [][]json.RawMessage `json:"buckets"`
	}
	if err := json.Unmarshal(pair[1], &body); err != nil {
		return errors.New("a histogram is not an object")
	}
	if p.h.Count, err = strconv.ParseFloat(body.Count, 64); err != nil {
		return errors.New("a histogram's count is not a number")
	}
	for _, raw := range body.Buckets {
		if len(raw) != 4 {
			return errors.New("a histogram's bucket has not four parts")
		}
		var v [3]float64
		for i := range v {
			var text string
			if json.Unmarshal(raw[i+1], &text) != nil {
				return errors.New("a histogram's bucket is not made of strings")
			}
			if v[i], err = strconv.ParseFloat(text, 64); err != nil {
				return errors.New("a histogram's bucket is not made of numbers")
			}
		}
		p.h.Buckets = append(p.h.Buckets, nativeBucket{v[0], v[1], v[2]})
	}
	return nil
}

// nativeBounds are the thresholds at which a native histogram can be counted
// exactly: powers of 2^(1/2) (or of 2 for coarser ones) from a millisecond's
// size to a minute's. They are fixed, so that both sides have them although only
// buckets with requests are shown. Of one with bounds of its own they are those
// of all that are seen.
func nativeBounds(points []histogramPoint, unitMS float64, custom []float64) []float64 {
	if len(custom) > 0 {
		return slices.DeleteFunc(slices.Clone(custom), func(bound float64) bool {
			return slices.ContainsFunc(points, func(p histogramPoint) bool { _, ok := p.h.upTo(bound); return !ok })
		})
	}
	steps := 2.0
	for _, p := range points {
		for _, b := range p.h.Buckets {
			if b.Left > 0 && b.Right/b.Left > 1.5 {
				steps = 1
			}
			if b.Left > 0 && b.Right/b.Left > 2.1 {
				return nil // schema below 0
			}
		}
	}
	var out []float64
	first := 0.0 // a millisecond, or 2^-10 of a second
	if unitMS == 1000 {
		first = -10
	}
	for i := 0.0; i <= 16*steps; i++ {
		out = append(out, math.Exp2(first+i/steps))
	}
	return out
}

// customBounds are all bounds of the histograms that have bounds of their own, as
// Prometheus 3 makes them of classic ones (convert_classic_histograms_to_nhcb).
func customBounds(b *batch) []float64 {
	var out []float64
	for _, x := range b.tracked {
		for _, p := range x.native {
			if slices.ContainsFunc(p.h.Buckets, custom) {
				for _, k := range p.h.Buckets {
					out = append(out, k.Left, k.Right)
				}
			}
		}
	}
	out = slices.DeleteFunc(out, func(x float64) bool { return !(x > 0) || math.IsInf(x, 1) })
	slices.Sort(out)
	return slices.Compact(out)
}

// custom says that a bucket is none of an exponential histogram's, whose bounds
// are powers of 2^(1/256) at the finest.
func custom(b nativeBucket) bool {
	own := func(bound float64) bool {
		at := math.Log2(bound) * 256
		return bound > 0 && !math.IsInf(bound, 1) && math.Abs(at-math.Round(at)) > 1e-6
	}
	return own(b.Left) || own(b.Right) || math.IsInf(b.Left, -1) || math.IsInf(b.Right, 1)
}

// upTo counts what was not above a bound; ok is false when a bucket lies across
// it.
func (h *nativeHistogram) upTo(bound float64) (n float64, ok bool) {
	const slack = 1e-9
	for _, b := range h.Buckets {
		switch {
		case b.Right <= bound*(1+slack):
			n += b.N
		case b.Left < bound*(1-slack):
			return 0, false
		}
	}
	return n, true
}

// followNative counts a native histogram; a reset concerns all of it.
func (t *tally) followNative(b *batch, x *tracked, s *scraped, before process, end int64, w *window) error {
	for i := range x.native {
		p := &x.native[i]
		last := t.Last[x.key]
		at := point{p.ts, p.h.Count}
		if p.ts > end || last != nil && p.ts <= last.TS || !countable(p.h.Count) || last == nil && t.beganBefore(s, at) {
			continue
		}
		base := &nativeHistogram{}
		count := tracked{labels: x.labels, cohort: x.cohort, metric: x.metric}
		switch {
		case last == nil && t.fromZero(b, s, x, before, at):
		case last == nil:
			t.Last[x.key] = &standing{TS: p.ts, V: p.h.Count, Start: s.startOf(at), Native: &p.h}
			continue
		default:
			d, err := t.difference(s, &count, standing{TS: last.TS, V: last.V, Start: last.Start}, at, w)
			if err != nil {
				return err
			}
			if d == p.h.Count-last.V {
				base = last.Native
			} else if d != p.h.Count {
				base = &p.h // an unexplained fall is not counted
			}
		}
		t.addNative(x, base, &p.h, w)
		t.Last[x.key] = &standing{TS: p.ts, V: p.h.Count, Start: s.startOf(at), Native: &p.h}
	}
	return nil
}

// addNative adds what is new between two samples.
func (t *tally) addNative(x *tracked, was, is *nativeHistogram, w *window) {
	if t.Latency.Bounds == nil {
		return
	}
	var gained []int64
	for _, bound := range t.Latency.Bounds {
		a, ok1 := was.upTo(bound)
		b, ok2 := is.upTo(bound)
		if !ok1 || !ok2 {
			w.note("%s: the buckets of %s got coarser; its response times of this scrape are not compared", x.cohort, x.labels.Name)
			return
		}
		if b < a { // a reset that the count does not show
			t.addNative(x, &nativeHistogram{}, is, w)
			return
		}
		gained = append(gained, int64(b-a))
	}
	for i, d := range gained {
		t.Latency.Add(int(x.cohort), t.Latency.Bounds[i], d)
	}
	t.Latency.Add(int(x.cohort), math.Inf(1), int64(is.Count-was.Count))
}
