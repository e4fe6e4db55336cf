package seqtest

import "math"

// MinBatches is the number of batch means from which a gauge may be looked at:
// the bound is asymptotic and worth nothing before.
const MinBatches = 8

// GaugeBound is half the width of a one-sided confidence sequence for a mean: the
// true mean lies above (mean of t batches) - GaugeBound with a chance of 1-alpha
// at all times together. s is the batches' standard deviation, best the number
// of batches at which the bound is tightest (Waudby-Smith and others, arXiv
// 2103.06476). It is asymptotic: gauges advise and do not decide.
func GaugeBound(t int, s float64, best int, alpha float64) float64 {
	if t < 1 || best < 1 || !(s >= 0) {
		return math.Inf(1)
	}
	l := -2 * math.Log(2*alpha)
	r2 := (l + math.Log1p(l)) / float64(best)
	n := float64(t)
	return s * math.Sqrt(2*(n*r2+1)/(n*n*r2)*math.Log(1+math.Sqrt(n*r2+1)/(2*alpha)))
}

// BatchMeans cuts a series into batches of a size and returns their means; what
// is left over is dropped. Successive readings of a gauge resemble each other,
// and only means over longer stretches are nearly independent.
func BatchMeans(xs []float64, size int) []float64 {
	var out []float64
	for size > 0 && len(xs) >= size {
		sum := 0.0
		for _, x := range xs[:size] {
			sum += x
		}
		out = append(out, sum/float64(size))
		xs = xs[size:]
	}
	return out
}

// AutocorrelationTime is the integrated autocorrelation time of a series, in
// readings: 1 for independent ones. The sum stops at the first lag beyond five
// times itself (Sokal's window), or where the series has no more to say.
func AutocorrelationTime(xs []float64) float64 {
	n := len(xs)
	mean, _ := moments(xs)
	variance := 0.0
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	if n < 4 || variance <= 0 || math.IsNaN(variance) {
		return 1
	}
	tau := 1.0
	for lag := 1; lag < n/2 && float64(lag) < 5*tau; lag++ {
		c := 0.0
		for i := lag; i < n; i++ {
			c += (xs[i] - mean) * (xs[i-lag] - mean)
		}
		tau += 2 * c / variance
	}
	return math.Max(1, tau)
}

// GaugeExcess compares two readings' series: the lower end of a confidence
// sequence for canary - (rho × baseline + delta), over batches of the given
// number of readings. Above 0 the canary is higher than tolerated. ok is false
// before there are enough batches.
func GaugeExcess(baseline, canary []float64, null Null, batch, best int, alpha float64) (lower float64, ok bool) {
	n := min(len(baseline), len(canary))
	diff := make([]float64, 0, n)
	for i := range n {
		if d := canary[i] - null.At(baseline[i]); !math.IsNaN(d) && !math.IsInf(d, 0) {
			diff = append(diff, d)
		}
	}
	means := BatchMeans(diff, batch)
	if len(means) < MinBatches {
		return math.Inf(-1), false
	}
	m, s := moments(means)
	return m - GaugeBound(len(means), s, best, alpha), true
}

// moments are the mean and the standard deviation (n-1).
func moments(xs []float64) (mean, sd float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= math.Max(1, float64(len(xs)))
	for _, x := range xs {
		sd += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sd / math.Max(1, float64(len(xs)-1)))
}

// GrowthLnE is the log evidence that a series grows: its steps go up more often
// than down. Steps of a series that does not grow are as likely to go either way,
// and the steps of noise around a level even tend to turn back, which only makes
// the evidence smaller.
func GrowthLnE(xs []float64) float64 {
	ups := []float64{0.7, 0.9}
	terms := make([]float64, len(ups))
	for i := 1; i < len(xs); i++ {
		for k, p := range ups {
			switch {
			case xs[i] > xs[i-1]:
				terms[k] += math.Log(2 * p)
			case xs[i] < xs[i-1]:
				terms[k] += math.Log(2 * (1 - p))
			}
		}
	}
	return logSumExp(terms) - math.Log(float64(len(terms)))
}
