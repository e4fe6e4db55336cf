package seqtest

import "math"

// mixturePrice is what betting on a mixture instead of the truth costs, in nats.
const mixturePrice = 2 * math.Ln2

// Traffic is what a forecast needs to know: requests per second of each cohort.
type Traffic struct{ Canary, Baseline float64 }

// Forecast is the expected number of seconds until a test at a level rejects its
// null when the rates are really pA (canary) and pB (baseline). It is infinite
// when the rates lie in the null or there is no traffic.
func Forecast(side Side, null Null, level float64, tr Traffic, pA, pB float64) float64 {
	gain := Gain(side, null, tr, pA, pB)
	if !(gain > 0) {
		return math.Inf(1)
	}
	return (Threshold(level) + mixturePrice) / gain
}

// Gain is the evidence a second of traffic brings, in nats.
func Gain(side Side, null Null, tr Traffic, pA, pB float64) float64 {
	r := null.At(pB)
	if side == Fail && pA <= r || side == Pass && pA >= r || tr.Canary < 0 || tr.Baseline < 0 {
		return 0
	}
	pA, pB = clamp(pA), clamp(pB)
	t := border(tr.Canary, tr.Baseline, pA, pB, null)
	return tr.Canary*kl(pA, clamp(null.At(t))) + tr.Baseline*kl(pB, clamp(t))
}
