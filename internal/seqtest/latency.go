package seqtest

import (
	"cmp"
	"math"
	"slices"
)

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

// LatencyGrid is the mixture of a threshold's FAIL side. A slower median makes a
// few more requests slow; of what is rare there are soon several times as many,
// and less than that takes hours to see.
func LatencyGrid(exceedance float64) []Alternative {
	if exceedance < seldom {
		return alternatives(1.6, 1, 2.6, 4, 5, 1.5, 20, .3)
	}
	return alternatives(1.1, 1, 1.2, 1, 1.35, 1, 1.6, 1, 2, 1, 3, 1, 5, 1, 10, 1)
}

// Latency compares two streams of response times at several thresholds at once.
// FAIL is the weighted mean of the thresholds' evidence: evidence against "not
// slower at any threshold", whatever the dependence between them. PASS is their
// minimum: each threshold must be proven. The zero value has no thresholds.
//
// Slow requests come in clusters: a process that stops for a second makes all
// wait that arrive meanwhile. Each threshold's evidence is divided by how clustered
// either side's slow requests are (see [Disperse]), over blocks of time longer
// than most stalls, and nothing fails before the canary has shown enough of them:
// what stopped once is told from what is slow by its coming back.
type Latency struct {
	// Bounds are the indexes of the thresholds that are watched.
	Bounds []int
	// Block is the number of ticks in a block, 1 if not set, Least the number of
	// blocks of each side that a FAIL waits for, 8 if not set.
	Block, Least int
	// Paired says that both sides' ticks are of the same moments, as of probes that
	// are sent together. What slows both down at once is then no reason to doubt an
	// equal canary, and is left out of how clustered slow requests are for a PASS.
	Paired bool
	limits []limit
}

// limit is the tests of one threshold.
type limit struct {
	fail, pass, ratio Test
	// weight is its part of the bet that the canary is slower.
	weight float64
	// usual is the baseline's blocks before the run.
	usual Spread
}

// LatencyState is a latency test after some ticks. See [Latency.Start].
type LatencyState struct {
	limits []limitState
	// block is what the block under way has so far, in so many ticks.
	block Times
	ticks int
}

type limitState struct {
	fail, pass, ratio TestState
	// canary and baseline say how clustered each side's slow requests are.
	canary, baseline Spread
	pairs            pairs
	worse            spells
	// own and inherited are the divisors that follow, of a PASS and of a FAIL; blocks
	// is how many the side with fewer has.
	own, inherited           float64
	blocks, blocksOfBaseline int
}

// ratioWeight is the part of the PASS side's bet that goes without the margin's
// absolute part. A stall that both sides share is a surprise to a bet on few slow
// requests, and costs it much; a comparison of the two sides only, it helps. To be
// below the ratio is to be below ratio and absolute part together, so that the
// mean of both is evidence.
const ratioWeight = 0.3

// passBlocks are what a PASS waits for: a quarter of a minute without a pause says
// little about pauses.
const passBlocks = 4

// The shares of slower requests between which a threshold can tell anything, and
// the one below which it is about the tail.
const (
	rareExceedance  = 2e-4
	usualExceedance = 0.97
	seldom          = 0.02
)

// NewLatency chooses the thresholds by what is known of the baseline, buckets of
// earlier ticks that must not be judged again, and uses them as the prior. Of the
// thresholds that the baseline hardly ever exceeds the lowest is kept: a canary
// that starts to exceed it is the news.
func NewLatency(known []int64, fail, pass Null, lag bool) Latency {
	var l Latency
	rare := false
	for i := range max(0, len(known)-1) {
		c := slower(known, i)
		p := (float64(c.Bad) + 0.5) / (float64(c.N) + 1)
		if p >= usualExceedance || p <= rareExceedance && rare {
			continue
		}
		rare = p <= rareExceedance
		prior := Prior{Rate: clamp(p), Weight: math.Max(1, math.Min(float64(c.N), priorWeight(p)))}
		f, g := NewProcess(Fail, fail), NewProcess(Pass, pass)
		f.Grid, g.Grid = LatencyGrid(p), append(alternatives(1, 3, 0.8, 1), Alternative{Odds: 1, Weight: 1, Between: 0.25})
		f.Prior, g.Prior = prior, prior
		x := limit{fail: Test{f, lag}, pass: Test{g, lag}, weight: 1}
		g.Null.Delta = 0
		x.ratio = Test{g, lag}
		// A slower median is seen within minutes anyway; a slower tail takes long, and
		// is what the bet is about.
		if p < seldom && !rare {
			x.weight = 10
		}
		l.Bounds, l.limits = append(l.Bounds, i), append(l.limits, x)
	}
	return l
}

// priorWeight is what a history is worth at most, in requests: a stale one must
// not outvote what is seen, but ten slow requests of it may count.
func priorWeight(p float64) float64 { return math.Max(2000, 10/p) }

// Usual tells the test how clustered the baseline's slow requests were: blocks of
// time before the run, as buckets, oldest first.
func (l Latency) Usual(blocks [][]int64) Latency {
	limits := make([]limit, len(l.limits))
	for k, x := range l.limits {
		for _, b := range blocks {
			if l.Bounds[k] < len(b)-1 {
				x.usual = x.usual.know(slower(b, l.Bounds[k]))
			}
		}
		limits[k] = x
	}
	l.limits = limits
	return l
}

// Prime is the start of a test that knows the baseline's tick just before the
// first one; see [Test.Prime].
func (l Latency) Prime(baseline []int64) LatencyState {
	s := l.Start()
	for k, x := range l.limits {
		if i := l.Bounds[k]; i < len(baseline)-1 {
			c := slower(baseline, i)
			s.limits[k].fail, s.limits[k].pass, s.limits[k].ratio = x.fail.Prime(c), x.pass.Prime(c), x.ratio.Prime(c)
		}
	}
	return s
}

// Start is the state before any tick.
func (l Latency) Start() LatencyState {
	s := LatencyState{limits: make([]limitState, len(l.limits))}
	for k, x := range l.limits {
		s.limits[k].baseline = x.usual
	}
	l.measure(s)
	return s
}

// Step adds one tick. Ticks with other bounds than the first are ignored.
func (l Latency) Step(s LatencyState, t Times) LatencyState {
	next := LatencyState{limits: slices.Clone(s.limits), block: s.block.Plus(t), ticks: s.ticks + 1}
	whole, longest := next.ticks >= l.Block, cmp.Or(l.Least, leastTicks)*3/4
	for k, i := range l.Bounds {
		if i >= len(t.Baseline)-1 || len(t.Canary) != len(t.Baseline) {
			continue
		}
		x, y, c := l.limits[k], &next.limits[k], t.Slower(i)
		y.fail, y.pass = x.fail.Step(y.fail, c), x.pass.Step(y.pass, c)
		if x.pass.Process.Null.Delta > 0 {
			y.ratio = x.ratio.Step(y.ratio, c)
		}
		if whole {
			b := next.block.Slower(i)
			y.baseline, y.canary, y.pairs = y.baseline.Add(b), y.canary.Add(b.Swap()), y.pairs.add(b)
			y.worse = y.worse.add(b.Canary, x.fail.Process.Null.At(y.baseline.seen.all.Rate()), longest)
		}
	}
	if whole {
		next.block, next.ticks = Times{}, 0
	}
	l.measure(next)
	return next
}

// Plus adds two disjoint ticks; one of other buckets replaces what was there.
func (t Times) Plus(u Times) Times {
	return Times{Baseline: addBuckets(t.Baseline, u.Baseline), Canary: addBuckets(t.Canary, u.Canary)}
}

func addBuckets(a, b []int64) []int64 {
	sum := slices.Clone(b)
	if len(a) == len(b) {
		for i, n := range a {
			sum[i] += n
		}
	}
	return sum
}

// measure works out how clustered each threshold's slow requests are, whichever
// side's are more, in a state that nobody else has yet.
func (l Latency) measure(s LatencyState) {
	var a, b thinned
	for k := range s.limits {
		y, under := &s.limits[k], s.block.Slower(l.Bounds[k])
		canary, baseline := y.canary.now(under.Swap()), y.baseline.now(under)
		y.own = math.Max(canary.seen.dispersion().Divisor(), baseline.seen.dispersion().Divisor())
		y.inherited = math.Max(a.divisor(canary), b.divisor(baseline))
		y.blocks, y.blocksOfBaseline = min(canary.seen.ticks, baseline.seen.ticks), baseline.seen.ticks
	}
}

// Divisor is what the evidence for a FAIL at a threshold, by its place in Bounds,
// is divided by: how clustered either side's slow requests are, and at least floor.
func (l Latency) Divisor(s LatencyState, k int, floor float64) float64 {
	return math.Max(floor, s.limits[k].inherited)
}

// PassDivisor is that of the evidence for a PASS; see [Latency.Paired].
func (l Latency) PassDivisor(s LatencyState, k int, floor float64) float64 {
	d := s.limits[k].own
	if l.Paired {
		d = math.Min(d, s.limits[k].pairs.add(s.block.Slower(l.Bounds[k])).divisor())
	}
	return math.Max(floor, d)
}

// lnFail is one threshold's evidence for a FAIL. Where slow requests come in spells
// the canary's two worst do not count.
func (l Latency) lnFail(s LatencyState, k int, floor float64) float64 {
	y := s.limits[k]
	if y.blocks < cmp.Or(l.Least, leastTicks) {
		return 0
	}
	e := l.limits[k].fail.Tempered(y.fail, math.Max(floor, y.inherited))
	if y.inherited > 1 && e > 0 {
		e *= y.worse.rest()
	}
	return e
}

// LnFail is the evidence against "not slower at any threshold", with a least
// divisor for clustered requests (1 for none). There is none before both sides'
// first blocks; see [Latency.Least].
func (l Latency) LnFail(s LatencyState, floor float64) float64 {
	if len(l.limits) == 0 {
		return 0
	}
	terms, total := make([]float64, 0, len(l.limits)), 0.0
	for k, x := range l.limits {
		total += x.weight
		terms = append(terms, math.Log(x.weight)+l.lnFail(s, k, floor))
	}
	return logSumExp(terms) - math.Log(total)
}

// LnPass is the evidence of the threshold that is furthest from a PASS.
func (l Latency) LnPass(s LatencyState, floor float64) float64 {
	_, e := l.Furthest(s, floor)
	return e
}

// Furthest is the place in Bounds of the threshold that is furthest from a PASS,
// or -1 where none is watched, and its evidence.
func (l Latency) Furthest(s LatencyState, floor float64) (int, float64) {
	at, least := -1, 0.0
	for k, x := range l.limits {
		y, d := s.limits[k], l.PassDivisor(s, k, floor)
		if y.blocksOfBaseline < passBlocks {
			return k, 0
		}
		e := x.pass.Tempered(y.pass, d)
		if x.pass.Process.Null.Delta > 0 {
			e = logSumExp([]float64{math.Log(1-ratioWeight) + e, math.Log(ratioWeight) + x.ratio.Tempered(y.ratio, d)})
		}
		if at < 0 || e < least {
			at, least = k, e
		}
	}
	return at, least
}

// Loudest is the place in Bounds of the threshold with the most evidence for
// FAIL, or -1 where none is watched.
func (l Latency) Loudest(s LatencyState, floor float64) int {
	best, top := -1, math.Inf(-1)
	for k := range l.limits {
		if e := l.lnFail(s, k, floor); e > top {
			best, top = k, e
		}
	}
	return best
}
