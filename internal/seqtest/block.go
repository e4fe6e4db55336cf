package seqtest

import "math"

// clampMin keeps every rate away from 0 and 1, so that no logarithm is infinite.
const clampMin = 1e-9

// edge is the distance the root search keeps from the ends of the unit interval.
const edge = 1e-12

func clamp(p float64) float64 { return math.Min(math.Max(p, clampMin), 1-clampMin) }

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
		return 2 * c / (b + math.Sqrt(math.Max(0, b*b-4*a*c)))
	}
	return bisectBorder(nA, nB, thA, thB, null)
}

// bisectBorder finds the zero of the derivative of the divergence, which
// increases in t.
func bisectBorder(nA, nB, thA, thB float64, null Null) float64 {
	lo := math.Max(edge, (edge-null.Delta)/null.Rho)
	hi := math.Min(1-edge, (1-edge-null.Delta)/null.Rho)
	for range 60 {
		t := lo + (hi-lo)/2
		a := null.At(t)
		g := -nA*null.Rho*(thA-a)/(a*(1-a)) - nB*(thB-t)/(t*(1-t))
		if g < 0 {
			lo = t
		} else {
			hi = t
		}
		if hi-lo <= 1e-10*hi {
			break
		}
	}
	return lo + (hi-lo)/2
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
		sum += float64(good) * (math.Log1p(-th) - math.Log1p(-p0))
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
