package seqtest

import (
	"math"
	"slices"
)

// Ratio follows an interval for canary rate / baseline rate, by running the test
// for many ratios and keeping those it cannot reject. It holds at every moment
// at once: each end is wrong with a chance of at most Level, ever.
type Ratio struct {
	rhos         []float64
	lower, upper []Test
	threshold    float64
}

// RatioState is an interval after some ticks; the zero value is not usable, see
// [Ratio.Start]. Low is 0 and High infinite while nothing is known.
type RatioState struct {
	Low, High float64
	// lower are the tests of the last ratios, upper those of the first ones: what
	// lies outside the interval stays outside, and is not followed.
	lower, upper []TestState
}

// NewRatio builds the interval whose tests share the prior, dispersion and lag
// rule of like. With the FAIL test's level, the lower end exceeds the FAIL
// test's ratio exactly when that test (with delta = 0) rejects: its ratio is one
// of the grid's 33 log-spaced points in [1/16, 64].
func NewRatio(like Test, level float64) Ratio {
	rhos := []float64{like.Process.Null.Rho}
	const points, first, last = 33, -4.0, 6.0
	for i := range points {
		rhos = append(rhos, math.Exp2(first+(last-first)*float64(i)/(points-1)))
	}
	slices.Sort(rhos)
	r := Ratio{rhos: slices.Compact(rhos), threshold: Threshold(level)}
	for _, rho := range r.rhos {
		null := Null{Rho: rho}
		r.lower = append(r.lower, like.with(Fail, null))
		r.upper = append(r.upper, like.with(Pass, null))
	}
	return r
}

// with is the same test for another null.
func (t Test) with(side Side, null Null) Test {
	p := NewProcess(side, null)
	p.Prior, p.Dispersion = t.Process.Prior, t.Process.Dispersion
	return Test{Process: p, Lag: t.Lag}
}

// Start is the interval before any tick.
func (r Ratio) Start() RatioState {
	return RatioState{
		High:  math.Inf(1),
		lower: make([]TestState, len(r.rhos)),
		upper: make([]TestState, len(r.rhos)),
	}
}

// Step adds one tick. The interval only ever narrows.
func (r Ratio) Step(s RatioState, c Counts) RatioState { return r.StepTempered(s, c, 1, 1) }

// StepTempered is [Ratio.Step] with divisors for clustered errors: of the evidence
// for a FAIL, which raises the lower end, and of that for a PASS.
func (r Ratio) StepTempered(s RatioState, c Counts, fail, pass float64) RatioState {
	next := RatioState{Low: s.Low, High: s.High}
	for len(s.lower) > 0 && r.rhos[len(r.rhos)-len(s.lower)] <= s.Low {
		s.lower = s.lower[1:]
	}
	next.lower = slices.Clone(s.lower)
	for i := range next.lower {
		at := len(r.rhos) - len(next.lower) + i
		next.lower[i] = r.lower[at].Step(next.lower[i], c)
		if r.lower[at].reaches(next.lower[i], fail, r.threshold) {
			next.Low = max(next.Low, r.rhos[at])
		}
	}
	for len(s.upper) > 0 && r.rhos[len(s.upper)-1] >= s.High {
		s.upper = s.upper[:len(s.upper)-1]
	}
	next.upper = slices.Clone(s.upper)
	for i := range next.upper {
		next.upper[i] = r.upper[i].Step(next.upper[i], c)
		if r.upper[i].reaches(next.upper[i], pass, r.threshold) {
			next.High = min(next.High, r.rhos[i])
		}
	}
	return next
}
