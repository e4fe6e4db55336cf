package main

import (
	"math"
	"slices"
)

// mannWhitney is the z-score of canary - mu against baseline, tie-corrected, with
// the continuity correction of one half. It falls as mu rises.
func mannWhitney(canary, baseline []float64, mu float64) float64 {
	type value struct {
		x      float64
		canary bool
	}
	all := make([]value, 0, len(canary)+len(baseline))
	for _, x := range canary {
		all = append(all, value{x - mu, true})
	}
	for _, x := range baseline {
		all = append(all, value{x, false})
	}
	slices.SortFunc(all, func(a, b value) int {
		switch {
		case a.x < b.x:
			return -1
		case a.x > b.x:
			return 1
		}
		return 0
	})
	nA, nB := float64(len(canary)), float64(len(baseline))
	ranks, ties := 0.0, 0.0
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].x == all[i].x {
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		for _, v := range all[i:j] {
			if v.canary {
				ranks += float64(i+j+1) / 2
			}
		}
		i = j
	}
	n := nA + nB
	sd := math.Sqrt(nA * nB / 12 * (n + 1 - ties/(n*(n-1))))
	d := ranks - nA*(nA+1)/2 - nA*nB/2
	if sd == 0 {
		return 0
	}
	switch {
	case d > 0:
		d -= .5
	case d < 0:
		d += .5
	}
	return d / sd
}

// kayentaHigh is the rule of Kayenta's NetflixACAJudge, with what is fixed in its
// code: confidence 0.98, and a tolerance of a quarter of the estimated shift.
func kayentaHigh(canary, baseline []float64) bool {
	const z99, tolerance = 2.3263478740408408, 0.25
	meanA, meanB := mean(canary), mean(baseline)
	if meanA < meanB || meanB == 0 && meanA == 0 {
		return false
	}
	// The lower end can be above zero only if no shift at all is rejected.
	if mannWhitney(canary, baseline, 0) < z99-.5 {
		return false
	}
	lo, hi := slices.Min(canary)-slices.Max(baseline), slices.Max(canary)-slices.Min(baseline)
	root := func(target float64) float64 {
		a, b := lo, hi
		for range 40 {
			m := (a + b) / 2
			if mannWhitney(canary, baseline, m) > target {
				a = m
			} else {
				b = m
			}
		}
		return (a + b) / 2
	}
	return root(z99) > tolerance*math.Abs(root(0))
}

func mean(xs []float64) float64 {
	s := 0.0
	for _, x := range xs {
		s += x
	}
	return s / float64(len(xs))
}
