package prometheus

import (
	"math"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// readings is the mean over each side's instances of their latest readings. An
// instance that has none of its last scrapes is gone, and its last reading with it.
// Alone, a release is one side only; the other one is NaN.
func (t *tally) readings(b *batch, end int64, alone bool) map[string]canary.Gauge {
	type mean struct {
		sum float64
		n   int
	}
	sums := map[string]*[2]mean{}
	for _, target := range b.targets {
		for metric, points := range target.gauges {
			last := point{v: math.NaN()}
			for _, p := range points {
				if p.ts <= end {
					last = p
				}
			}
			if math.IsNaN(last.v) || math.IsInf(last.v, 0) || end-last.ts > patience*max(t.Interval, 1) {
				continue
			}
			if sums[metric] == nil {
				sums[metric] = &[2]mean{}
			}
			sums[metric][target.cohort].sum += last.v
			sums[metric][target.cohort].n++
		}
	}
	out := map[string]canary.Gauge{}
	for metric, m := range sums {
		if (m[baseline].n > 0 && m[canaries].n > 0) || alone {
			out[metric] = canary.Gauge{Baseline: m[baseline].sum / float64(m[baseline].n), Canary: m[canaries].sum / float64(m[canaries].n)}
		}
	}
	return out
}
