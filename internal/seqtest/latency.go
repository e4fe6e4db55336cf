package seqtest

import "math"

// Times is one tick of response times as counts: one entry per bucket, the last
// one for everything slower than the last bound. Both sides have the same
// bounds.
type Times struct {
	Baseline []int64
	Canary   []int64
}

// slower turns buckets into counts of requests above bound i.
func slower(buckets []int64, i int) Cohort {
	var c Cohort
	for k, n := range buckets {
		c.N += n
		if k > i {
			c.Bad += n
		}
	}
	return c
}

// Slower is the tick's count of requests above bound i, which is what a
// threshold for a service level needs.
func (t Times) Slower(i int) Counts {
	return Counts{Baseline: slower(t.Baseline, i), Canary: slower(t.Canary, i)}
}

// LatencyGrid is the mixture of each threshold's FAIL side: a slower tail is
// often only a little more frequent.
func LatencyGrid() []Alternative {
	var grid []Alternative
	for _, g := range []float64{1.1, 1.2, 1.35, 1.6, 2, 3, 5, 10} {
		grid = append(grid, Alternative{g, 1})
	}
	return grid
}

// Latency compares two streams of response times at several thresholds at once.
// FAIL is the mean of the thresholds' evidence: evidence against "not slower at
// any threshold", whatever the dependence between them. PASS is their minimum:
// each threshold must be proven. The zero value has no thresholds.
type Latency struct {
	// Bounds are the indexes of the thresholds that are watched.
	Bounds     []int
	fail, pass []Test
	// ratio are PASS tests without the margin's absolute part, where it has one.
	ratio []Test
}

// LatencyState is a latency test after some ticks. See [Latency.Start].
type LatencyState struct{ fail, pass, ratio []TestState }

// ratioWeight is the part of the PASS side's bet that goes without the margin's
// absolute part. A stall that both sides share is a surprise to a bet on few slow
// requests, and costs it much; a comparison of the two sides only, it helps. To be
// below the ratio is to be below ratio and absolute part together, so that the
// mean of both is evidence.
const ratioWeight = 0.3

// The shares of slower requests between which a threshold can tell anything.
const (
	rareExceedance  = 2e-4
	usualExceedance = 0.97
)

// NewLatency chooses the thresholds by what is known of the baseline, buckets of
// earlier ticks that must not be judged again, and uses them as the prior. Of the
// thresholds that the baseline hardly ever exceeds the lowest is kept: a canary
// that starts to exceed it is the news.
func NewLatency(known []int64, fail, pass Null, lag bool) Latency {
	var l Latency
	const most = 2000 // as for a rate: a stale history must not outvote what is seen
	rare := false
	for i := range max(0, len(known)-1) {
		c := slower(known, i)
		p := (float64(c.Bad) + 0.5) / (float64(c.N) + 1)
		if p >= usualExceedance || p <= rareExceedance && rare {
			continue
		}
		rare = p <= rareExceedance
		prior := Prior{Rate: clamp(p), Weight: math.Max(1, math.Min(float64(c.N), most))}
		f, g := NewProcess(Fail, fail), NewProcess(Pass, pass)
		f.Grid, g.Grid = LatencyGrid(), []Alternative{{1, 3}, {0.8, 1}}
		f.Prior, g.Prior = prior, prior
		l.Bounds = append(l.Bounds, i)
		l.fail, l.pass = append(l.fail, Test{f, lag}), append(l.pass, Test{g, lag})
		if pass.Delta > 0 {
			g.Null.Delta = 0
			l.ratio = append(l.ratio, Test{g, lag})
		}
	}
	return l
}

// Start is the state before any tick.
func (l Latency) Start() LatencyState {
	return LatencyState{fail: make([]TestState, len(l.fail)), pass: make([]TestState, len(l.pass)), ratio: make([]TestState, len(l.ratio))}
}

// Step adds one tick. Ticks with other bounds than the first are ignored.
func (l Latency) Step(s LatencyState, t Times) LatencyState {
	next := l.Start()
	for k, i := range l.Bounds {
		next.fail[k], next.pass[k] = s.fail[k], s.pass[k]
		if len(l.ratio) > 0 {
			next.ratio[k] = s.ratio[k]
		}
		if i < len(t.Baseline)-1 && len(t.Canary) == len(t.Baseline) {
			c := t.Slower(i)
			next.fail[k] = l.fail[k].Step(s.fail[k], c)
			next.pass[k] = l.pass[k].Step(s.pass[k], c)
			if len(l.ratio) > 0 {
				next.ratio[k] = l.ratio[k].Step(s.ratio[k], c)
			}
		}
	}
	return next
}

// LnFail is the evidence against "not slower at any threshold", with a divisor
// for clustered requests (1 for none).
func (l Latency) LnFail(s LatencyState, divisor float64) float64 {
	if len(l.fail) == 0 {
		return 0
	}
	terms := make([]float64, len(l.fail))
	for k, t := range l.fail {
		terms[k] = t.Tempered(s.fail[k], divisor)
	}
	return logSumExp(terms) - math.Log(float64(len(terms)))
}

// LnPass is the evidence of the threshold that is furthest from a PASS.
func (l Latency) LnPass(s LatencyState, divisor float64) float64 {
	if len(l.pass) == 0 {
		return 0
	}
	least := math.Inf(1)
	for k, t := range l.pass {
		e := t.Tempered(s.pass[k], divisor)
		if len(l.ratio) > 0 {
			e = logSumExp([]float64{math.Log(1-ratioWeight) + e, math.Log(ratioWeight) + l.ratio[k].Tempered(s.ratio[k], divisor)})
		}
		least = math.Min(least, e)
	}
	return least
}

// Loudest is the index of the bound with the most evidence for FAIL, or -1.
func (l Latency) Loudest(s LatencyState) int {
	best, top := -1, math.Inf(-1)
	for k, t := range l.fail {
		if e := t.LnE(s.fail[k]); e > top {
			best, top = l.Bounds[k], e
		}
	}
	return best
}
