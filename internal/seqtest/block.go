package seqtest

import "math"

// clampMin keeps every rate away from 0 and 1, so that no logarithm is infinite.
const clampMin = 1e-9

func clamp(p float64) float64 { return min(max(p, clampMin), 1-clampMin) }

// scaleOdds returns the rate whose odds are g times those of p. It needs no
// division by 1-p and keeps its precision for small p.
func scaleOdds(p, g float64) float64 { return g * p / (1 - p + g*p) }

// border returns t*, the baseline rate of the point on the null's border that is
// closest to (thA, thB): argmin_t n_a KL(thA || rho t + delta) + n_b KL(thB || t).
func border(nA, nB, thA, thB float64, null Null) float64 {
	switch {
	case nA+nB == 0:
		return thB
	case null.Delta == 0 && null.Rho == 1:
		return (nA*thA + nB*thB) / (nA + nB)
	case null.Delta == 0:
		// The smaller root, in the form that does not cancel.
		a := null.Rho * (nA + nB)
		b := nA*thA + nA*null.Rho + nB*thB*null.Rho + nB
		c := nA*thA + nB*thB
		return 2 * c / (b + math.Sqrt(max(0, b*b-4*a*c)))
	}
	return searchBorder(nA, nB, thA, thB, null)
}

// searchBorder finds the zero of the derivative of the divergence, which increases
// in t. It lies between the two points at which one side's part of the divergence is
// least: Newton's steps from within, halving where one would leave the bracket.
func searchBorder(nA, nB, thA, thB float64, null Null) float64 {
	const edge = 1e-12 // of the unit interval, for both rates
	least, most := max(edge, (edge-null.Delta)/null.Rho), min(1-edge, (1-edge-null.Delta)/null.Rho)
	lo, hi := min(max(thB, least), most), min(max((thA-null.Delta)/null.Rho, least), most)
	if lo > hi {
		lo, hi = hi, lo
	}
	t := lo + (hi-lo)*nA*null.Rho/(nA*null.Rho+nB)
	for range 100 {
		a := null.At(t)
		va, vb := a*(1-a), t*(1-t)
		da, db := null.Rho*nA*(a-thA)/va, nB*(t-thB)/vb
		g := da + db
		if g < 0 {
			lo = t
		} else {
			hi = t
		}
		slope := (null.Rho*null.Rho*nA-null.Rho*da*(1-2*a))/va + (nB-db*(1-2*t))/vb
		next := t - g/slope
		if !(next > lo && next < hi) {
			next = lo + (hi-lo)/2
		}
		if hi-lo <= 1e-10*hi || math.Abs(next-t) <= 1e-12*t {
			return next
		}
		t = next
	}
	return t
}

// lnFactor is the logarithm of one tick's e-variable against the alternative
// (thA, thB), both already clamped. When the alternative lies in the null there
// is nothing to bet on and the factor is 1.
func lnFactor(side Side, null Null, c Counts, thA, thB float64) float64 {
	r := null.At(thB)
	if side == Fail && thA <= r || side == Pass && thA >= r {
		return 0
	}
	nA, nB := float64(c.Canary.N), float64(c.Baseline.N)
	t := border(nA, nB, thA, thB, null)
	a0, b0 := clamp(null.At(t)), clamp(t)
	return lnRatio(c.Canary, thA, a0) + lnRatio(c.Baseline, thB, b0)
}

// lnRatio is the log-likelihood ratio of a cohort's counts, th against p0.
func lnRatio(c Cohort, th, p0 float64) float64 {
	good, sum := c.N-c.Bad, 0.0
	if c.Bad > 0 {
		sum += float64(c.Bad) * math.Log(th/p0)
	}
	if good > 0 {
		sum += float64(good) * math.Log1p((p0-th)/(1-p0)) // ln((1-th)/(1-p0)), exact for small rates
	}
	return sum
}

// kl is the Kullback-Leibler divergence of two coins, in nats.
func kl(u, v float64) float64 {
	sum := 0.0
	if u > 0 {
		sum += u * math.Log(u/v)
	}
	if u < 1 {
		sum += (1 - u) * (math.Log1p(-u) - math.Log1p(-v))
	}
	return sum
}

// logSumExp is ln(sum of e^x) without overflow; the sum of nothing is ln 0.
func logSumExp(xs []float64) float64 {
	top := math.Inf(-1)
	for _, x := range xs {
		top = math.Max(top, x)
	}
	if math.IsInf(top, -1) {
		return top
	}
	sum := 0.0
	for _, x := range xs {
		sum += math.Exp(x - top)
	}
	return top + math.Log(sum)
}
