package seqtest

import "math"

// SRMLevel is the level at which a sample ratio mismatch is called.
const SRMLevel = 1e-3

// srmPrior is the concentration K of the beta mixture around the share.
const srmPrior = 100

// SRM is the log evidence that the canary does not get the share of traffic it
// was given: canary requests of total, share in (0, 1). Two-sided and valid at
// every moment (beta-binomial mixture; Lindon, Malek). Impossible input is no
// evidence.
func SRM(canary, total int64, share float64) float64 {
	if canary < 0 || total < canary || total == 0 || !(share > 0 && share < 1) {
		return 0
	}
	c, rest := float64(canary), float64(total-canary)
	a, b := srmPrior*share, srmPrior*(1-share)
	return lnBeta(a+c, b+rest) - lnBeta(a, b) - c*math.Log(share) - rest*math.Log1p(-share)
}

func lnBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	ls, _ := math.Lgamma(a + b)
	return la + lb - ls
}
