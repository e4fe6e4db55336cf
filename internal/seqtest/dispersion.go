package seqtest

import "math"

// Dispersion says how clustered a baseline's errors are.
type Dispersion struct {
	// Rate is the baseline's rate, with half an error added.
	Rate float64
	// Raw is the variance of the ticks over that of independent requests.
	Raw float64
	// Bound is the safe divisor D for the evidence, at least 1.
	Bound float64
	// Clustered is true when the history rejects independence at 1 %. Only then
	// is Bound worth its price; otherwise divide by 1.
	Clustered bool
}

// Divisor is what to divide the evidence by: Bound for clustered errors, else 1.
func (d Dispersion) Divisor() float64 {
	if d.Clustered {
		return d.Bound
	}
	return 1
}

// Disperse estimates the dispersion from the baseline's ticks before the canary
// started. Ticks without requests are left out; with fewer than two the answer
// is 1 and not clustered.
func Disperse(history []Cohort) Dispersion {
	var all Cohort
	ticks := 0
	for _, c := range history {
		if c.valid() && c.N > 0 {
			all, ticks = all.Plus(c), ticks+1
		}
	}
	d := Dispersion{Rate: (float64(all.Bad) + 0.5) / (float64(all.N) + 1), Raw: 1, Bound: 1}
	if ticks < 2 {
		return d
	}
	chi2, variance := 0.0, 0.0
	pq := d.Rate * (1 - d.Rate)
	for _, c := range history {
		if c.valid() && c.N > 0 {
			n := float64(c.N)
			diff := float64(c.Bad) - d.Rate*n
			chi2 += diff * diff / (pq * n)
			// The variance of one term: 2 for large counts, more for sparse ones.
			variance += 2 + math.Max(0, 1-6*pq)/(pq*n)
		}
	}
	df := float64(ticks - 1)
	d.Raw = chi2 / df
	d.Bound = math.Max(1, d.Raw*(1+2*math.Sqrt(2/df)))
	// Scale a chi-square to that mean and variance, so that a sparse history is
	// not called clustered for its single errors.
	scale := variance / (2 * float64(ticks))
	d.Clustered = chi2 > scale*chiSquare99(df/scale)
	return d
}

// chiSquare99 is the 99 % quantile of the chi-square distribution (Wilson and
// Hilferty's approximation, good to 1 % from one degree of freedom on).
func chiSquare99(df float64) float64 {
	const z = 2.3263478740408408
	h := 2 / (9 * df)
	return df * math.Pow(math.Max(0, 1-h+z*math.Sqrt(h)), 3)
}
