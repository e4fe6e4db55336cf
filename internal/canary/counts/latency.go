package counts

import (
	"math"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// latency is the response times of the steps in [from, to), nil where there are
// none to compare.
func (a Answer) latency(from, to, step int64) (*canary.Latency, error) {
	if len(a.BoundsMS) < 2 {
		return nil, nil
	}
	any := false
	out := &canary.Latency{BoundsMS: a.BoundsMS[1:]}
	for side, into := range []*[]int64{&out.Baseline, &out.Canary} {
		above := make([]int64, len(a.BoundsMS))
		for t := from; t < to; t += step {
			before := int64(math.MaxInt64)
			for i := range above {
				v := a.Slower[side][i][t]
				if err := countable(v, []string{"baseline", "canary"}[side]); err != nil {
					return nil, err
				}
				// The service estimates each on its own: none may be above the one before.
				before = min(before, int64(math.Round(v)))
				above[i] += before
			}
		}
		buckets := make([]int64, len(above))
		for i := range above {
			buckets[i] = above[i]
			if i+1 < len(above) {
				buckets[i] -= above[i+1]
			}
		}
		*into = buckets
		any = any || above[0] > 0
	}
	if !any {
		return nil, nil
	}
	return out, nil
}
