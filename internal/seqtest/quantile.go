package seqtest

import "math"

// Quantile compares one quantile of two streams of response times: canary
// against (1+Margin) times the baseline's. It needs no model of either stream,
// only their histograms, and is valid after every tick.
type Quantile struct {
	// P is the quantile, 0.99 for p99.
	P float64
	// Margin is relative: 0.25 is a quarter slower.
	Margin float64
	// Bounds are the buckets' upper ends, rising.
	Bounds []float64
}

// quantileOdds is what a threshold's test bets on.
func quantileOdds() []float64 { return []float64{1.15, 1.4, 2, 3, 5} }

// shareEvidence is the log evidence that the share of requests above a bound is
// above q (up) or below it, from y of n requests: the mean over a few odds.
func shareEvidence(c Cohort, q float64, up bool) float64 {
	if c.N == 0 {
		return 0
	}
	odds := quantileOdds()
	terms := make([]float64, len(odds))
	for i, g := range odds {
		if !up {
			g = 1 / g
		}
		terms[i] = lnRatio(c, clamp(scaleOdds(q, g)), q)
	}
	return logSumExp(terms) - math.Log(float64(len(terms)))
}

// LnPass is the log evidence against "the canary's quantile is at least (1+margin)
// times the baseline's", from all requests so far: PASS at ln(1/beta).
//
// The baseline's true quantile lies in one cell between two bounds. There the
// product of two independent streams' evidence, that the baseline's quantile is
// above the cell's upper end and that the canary's is below (1+margin) times its
// lower end, is evidence against the null; the minimum over the cells is below
// it. Buckets further apart than the margin can prove nothing.
func (q Quantile) LnPass(t Times) float64 {
	if !q.fits(t) {
		return 0
	}
	m, share := len(q.Bounds), 1-q.P
	least := math.Inf(1)
	for i := 0; i <= m; i++ { // the cell between bounds i-1 and i
		e := 0.0
		if i < m {
			e += shareEvidence(slower(t.Baseline, i), share, true)
		}
		if i > 0 {
			limit, below := (1+q.Margin)*q.Bounds[i-1], -1
			for k, u := range q.Bounds {
				if u <= limit*(1+1e-12) {
					below = k
				}
			}
			if below >= 0 {
				e += shareEvidence(slower(t.Canary, below), share, false)
			}
		}
		least = math.Min(least, e)
	}
	return least
}

// LnFail is the mirror image: evidence against "the canary's quantile is at most
// (1+margin) times the baseline's".
func (q Quantile) LnFail(t Times) float64 {
	if !q.fits(t) {
		return 0
	}
	m, share := len(q.Bounds), 1-q.P
	least := math.Inf(1)
	for i := 0; i <= m; i++ {
		e := 0.0
		if i > 0 {
			e += shareEvidence(slower(t.Baseline, i-1), share, false)
		}
		if i < m {
			limit, above := (1+q.Margin)*q.Bounds[i], -1
			for k := m - 1; k >= 0; k-- {
				if q.Bounds[k] >= limit*(1-1e-12) {
					above = k
				}
			}
			if above >= 0 {
				e += shareEvidence(slower(t.Canary, above), share, true)
			}
		}
		least = math.Min(least, e)
	}
	return least
}

func (q Quantile) fits(t Times) bool {
	return q.P > 0 && q.P < 1 && q.Margin >= 0 && len(q.Bounds) > 0 &&
		len(t.Baseline) == len(q.Bounds)+1 && len(t.Canary) == len(q.Bounds)+1
}

// Band is an interval for one quantile that holds at every moment at once, as
// the ranks of the requests that bound it: of n requests in order, the quantile
// lies between number low and number high+1 (Howard, Ramdas; beta-binomial
// mixture). best is the number of requests at which it is narrowest.
func Band(p float64, n, best int64, alpha float64) (low, high int64) {
	r := bandRadius(p, best, alpha)
	outside := func(y int64) bool {
		yes, no := float64(y), float64(n-y)
		m := lnBeta(r/(1-p)+yes, r/p+no) - lnBeta(r/(1-p), r/p) - yes*math.Log(p) - no*math.Log1p(-p)
		return m >= Threshold(alpha)
	}
	middle := min(n, max(0, int64(math.Round(p*float64(n)))))
	// The evidence rises away from the middle, so that both ends can be bisected.
	end := func(lo, hi int64) int64 { // the last y from lo towards hi that is inside
		step := int64(1)
		if hi < lo {
			step = -1
		}
		for lo != hi {
			mid := lo + (hi-lo+step)/2
			if outside(mid) {
				hi = mid - step
			} else {
				lo = mid
			}
		}
		return lo
	}
	return end(middle, 0), end(middle, n)
}

// bandRadius is the mixture's parameter.
func bandRadius(p float64, best int64, alpha float64) float64 {
	v := p * (1 - p) * float64(best)
	l := 2 * math.Log(1/alpha)
	return math.Max(v/(l+math.Log1p(l))-p*(1-p), 1e-3*p*(1-p))
}

// BandOf is the interval of a quantile of a histogram, as bounds of its buckets:
// 0 and infinite where the buckets do not reach. best is the number of requests
// at which it is narrowest.
func BandOf(bounds []float64, buckets []int64, p float64, best int64, alpha float64) (low, high float64) {
	var n int64
	for _, c := range buckets {
		n += c
	}
	low, high = 0, math.Inf(1)
	if n == 0 || len(buckets) != len(bounds)+1 {
		return low, high
	}
	from, to := Band(p, n, max(best, 1), alpha)
	sum := int64(0)
	for i, u := range bounds {
		sum += buckets[i]
		if sum < from {
			low = u
		}
		if sum > to {
			return low, u
		}
	}
	return low, high
}
