// Package draw makes the random numbers that simulations of traffic need: exact
// Poisson counts at any mean, fast. The generator is the caller's, so that a
// seed decides everything.
package draw

import (
	"math"
	"math/rand/v2"
)

// Poisson is a count with the given mean, which is 0 at least. Small means are
// multiplied out; large ones use the transformed rejection of Hörmann (PTRS, "The
// transformed rejection method for generating Poisson random variables", 1993).
func Poisson(r *rand.Rand, mean float64) int64 {
	switch {
	case !(mean > 0):
		return 0
	case mean < 12:
		k, limit := int64(0), math.Exp(-mean)
		for p := r.Float64(); p > limit; p *= r.Float64() {
			k++
		}
		return k
	}
	root, ln := math.Sqrt(mean), math.Log(mean)
	b := 0.931 + 2.53*root
	a := -0.059 + 0.02483*b
	invAlpha := 1.1239 + 1.1328/(b-3.4)
	vr := 0.9277 - 3.6224/(b-2)
	for {
		u, v := r.Float64()-0.5, r.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= vr {
			return int64(k)
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		lg, _ := math.Lgamma(k + 1)
		if math.Log(v)+math.Log(invAlpha)-math.Log(a/(us*us)+b) <= k*ln-mean-lg {
			return int64(k)
		}
	}
}

// Requests is one tick of one side: Poisson arrivals with the given mean, each
// bad with probability p. It returns all of them and the bad ones.
func Requests(r *rand.Rand, mean, p float64) (n, bad int64) {
	bad = Poisson(r, mean*p)
	return bad + Poisson(r, mean*(1-p)), bad
}
