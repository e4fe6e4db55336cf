package draw

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestPoisson compares the draws with the distribution, cell by cell.
func TestPoisson(t *testing.T) {
	for _, mean := range []float64{0.05, 3, 11.9, 12.1, 40, 900} {
		r := rand.New(rand.NewPCG(1, 2))
		const draws = 100000
		seen := map[int64]float64{}
		sum, squares := 0.0, 0.0
		for range draws {
			k := Poisson(r, mean)
			seen[k]++
			sum += float64(k)
			squares += float64(k) * float64(k)
		}
		m := sum / draws
		if math.Abs(m-mean) > 5*math.Sqrt(mean/draws) {
			t.Errorf("mean %v: drawn %v", mean, m)
		}
		if v := squares/draws - m*m; math.Abs(v/mean-1) > 0.03 {
			t.Errorf("mean %v: variance %v", mean, v)
		}
		chi2, cells, rest := 0.0, 0, 1.0
		for k := int64(0); float64(k) < mean+12*math.Sqrt(mean)+20; k++ {
			lg, _ := math.Lgamma(float64(k) + 1)
			p := math.Exp(float64(k)*math.Log(mean) - mean - lg)
			if want := p * draws; want >= 10 {
				chi2 += (seen[k] - want) * (seen[k] - want) / want
				cells++
				rest -= p
			}
		}
		df := float64(cells)
		if chi2 > df+4*math.Sqrt(2*df)+4 {
			t.Errorf("mean %v: chi-square %v over %d cells", mean, chi2, cells)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, mean := range []float64{0, -1, math.NaN()} {
		if k := Poisson(r, mean); k != 0 {
			t.Errorf("Poisson(%v) = %d", mean, k)
		}
	}
}
