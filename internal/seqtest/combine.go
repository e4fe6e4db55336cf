package seqtest

import (
	"cmp"
	"math"
	"slices"
)

// Evidence is one metric's evidence in a joint test. Weights are relative and
// above 0.
type Evidence struct{ LnE, Weight float64 }

// Combine is the log of the weighted mean of the evidence: itself evidence
// against "no metric is worse", whatever the dependence between the metrics
// (Vovk, Wang 2021). The mean of nothing is ln 0.
func Combine(es []Evidence) float64 {
	terms, total := make([]float64, 0, len(es)), 0.0
	for _, e := range es {
		terms = append(terms, math.Log(e.Weight)+e.LnE)
		total += e.Weight
	}
	return logSumExp(terms) - math.Log(math.Max(total, math.SmallestNonzeroFloat64))
}

// Culprits returns the indexes of the metrics that can be named at a level, in
// order: those for which every subset of metrics that contains them is rejected
// (closed testing), so that naming them is as safe as the joint verdict.
func Culprits(es []Evidence, level float64) []int {
	order := make([]int, len(es))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(es[a].LnE, es[b].LnE) })

	var named []int
	for m := range es {
		// A weighted mean is smallest over the prefixes of the sorted others.
		subset := []Evidence{es[m]}
		least := Combine(subset)
		for _, i := range order {
			if i != m {
				subset = append(subset, es[i])
				least = math.Min(least, Combine(subset))
			}
		}
		if least >= Threshold(level) {
			named = append(named, m)
		}
	}
	return named
}
