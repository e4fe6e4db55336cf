// Package times counts response times by the buckets of histograms, of two sides
// whose histograms need not be the same: what both show is compared.
package times

import (
	"math"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// maxBounds is how many thresholds are compared; of more, evenly many are kept.
const maxBounds = 40

// Counter adds up response times: for each side (0 the baseline, 1 the canary)
// how many were not above each bound. The zero value has no bounds yet.
type Counter struct {
	// UnitMS is the histogram's unit in milliseconds: 1000 for seconds.
	UnitMS float64 `json:"unit_ms"`
	// Broken is set when an instance shows other buckets than before.
	Broken bool `json:"broken,omitempty"`
	// Bounds are in the histogram's unit, without +Inf.
	Bounds []float64 `json:"bounds,omitempty"`
	// Cum has one entry more: the last one is all requests.
	Cum [2][]int64 `json:"cum"`
	// Given is what was handed on already, by bucket: never less than before,
	// although the buckets of a page are not written in one moment.
	Given [2][]int64 `json:"given"`
}

// Choose fixes the bounds to those that every histogram of both sides has, once
// both sides show one.
func (c *Counter) Choose(shown [2][]map[float64]bool) {
	if c.Bounds != nil || c.Broken || len(shown[0]) == 0 || len(shown[1]) == 0 {
		return
	}
	var bounds []float64
	for bound := range shown[0][0] {
		everywhere := !math.IsInf(bound, 1)
		for _, side := range shown {
			for _, h := range side {
				everywhere = everywhere && h[bound]
			}
		}
		if everywhere {
			bounds = append(bounds, bound)
		}
	}
	if len(bounds) == 0 {
		return
	}
	slices.Sort(bounds)
	if n := len(bounds); n > maxBounds {
		kept := make([]float64, maxBounds)
		for i := range kept {
			kept[i] = bounds[i*n/maxBounds]
		}
		bounds = kept
	}
	c.Bounds = bounds
	c.Restart()
}

// Chosen says whether there are bounds to compare.
func (c *Counter) Chosen() bool { return c.Bounds != nil }

// Restart forgets what was counted.
func (c *Counter) Restart() {
	for side := range c.Cum {
		c.Cum[side] = make([]int64, len(c.Bounds)+1)
		c.Given[side] = make([]int64, len(c.Bounds)+1)
	}
}

// BreakOff ends the comparison for good.
func (c *Counter) BreakOff() { c.Bounds, c.Broken = nil, true }

// Has says whether a bound is compared.
func (c *Counter) Has(bound float64) bool {
	_, ok := slices.BinarySearch(c.Bounds, bound)
	return ok
}

// Add counts requests of a side that were not above a bound; bounds that are not
// compared are left out.
func (c *Counter) Add(side int, bound float64, n int64) {
	if c.Bounds == nil {
		return
	}
	if math.IsInf(bound, 1) {
		c.Cum[side][len(c.Bounds)] += n
	} else if i, ok := slices.BinarySearch(c.Bounds, bound); ok {
		c.Cum[side][i] += n
	}
}

// Take is what is new since the last take, nil without bounds.
func (c *Counter) Take() *canary.Latency {
	if c.Bounds == nil {
		return nil
	}
	out := &canary.Latency{}
	for _, bound := range c.Bounds {
		out.BoundsMS = append(out.BoundsMS, bound*c.UnitMS)
	}
	for side, to := range []*[]int64{&out.Baseline, &out.Canary} {
		fresh := make([]int64, len(c.Cum[side]))
		below := int64(0)
		for i, cum := range c.Cum[side] {
			if n := cum - below; n > c.Given[side][i] {
				fresh[i] = n - c.Given[side][i]
				c.Given[side][i] = n
			}
			below = cum
		}
		*to = fresh
	}
	return out
}
