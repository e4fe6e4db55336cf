package canary

import (
	"math"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// tester follows one metric. Evidence is in natural logarithms.
type tester interface {
	// step takes a judged tick; learn one of the warm-up. Both say whether the
	// tick had anything for this metric.
	step(t *Tick) bool
	learn(t *Tick) bool
	lnFail() float64
	lnPass() float64
	// total is what was judged: of response times, at the threshold that tells
	// most, which above names.
	total() seqtest.Counts
	above() float64
	interval() Interval
	// divisor is what the evidence was divided by, 1 for nothing.
	divisor() float64
}

// counter is the tester of a count.
type counter struct {
	m          Metric
	sides      []oneSide
	ratio      seqtest.Ratio
	inverted   seqtest.RatioState
	spread     seqtest.Spread
	sum        seqtest.Counts
	d          float64
	fails, oks float64
}

// oneSide is the tests of one direction.
type oneSide struct {
	fail, pass     seqtest.Test
	failed, passed seqtest.TestState
	swap           bool
}

func newCounter(m Metric, plan Plan, history []seqtest.Cohort) *counter {
	lag := plan.Lag == LagOn
	c := &counter{m: m, d: m.Dispersion, spread: seqtest.Spread{History: history}}
	for _, swap := range []bool{false, true} {
		if swap && m.Direction == Up || !swap && m.Direction == Down {
			continue
		}
		c.sides = append(c.sides, oneSide{fail: m.test(seqtest.Fail, lag), pass: m.test(seqtest.Pass, lag), swap: swap})
	}
	if n := len(history); n > 0 {
		c.prime(history[n-1])
	}
	c.ratio = seqtest.NewRatio(c.sides[0].fail, plan.Alpha)
	c.inverted = c.ratio.Start()
	return c
}

// counts are the tick's, from the source's counters or its response times.
func (c *counter) counts(t *Tick) (seqtest.Counts, bool) {
	if c.m.AboveMS > 0 {
		if t.Times == nil || len(t.bounds) == 0 {
			return seqtest.Counts{}, false
		}
		return t.Times.times().Slower(boundAt(t.bounds, c.m.AboveMS)), true
	}
	got, ok := t.Counts[c.m.Name]
	return got, ok
}

// boundAt is the index of the first bound that is not below a threshold, or else
// of the last.
func boundAt(bounds []float64, ms float64) int {
	i, _ := slices.BinarySearch(bounds, ms)
	return min(i, len(bounds)-1)
}

// prime tells the tests the baseline's tick before the first judged one.
func (c *counter) prime(b seqtest.Cohort) {
	for i := range c.sides {
		if s := &c.sides[i]; !s.swap {
			s.failed, s.passed = s.fail.Prime(b), s.pass.Prime(b)
		}
	}
}

func (c *counter) learn(t *Tick) bool {
	got, ok := c.counts(t)
	if ok {
		c.prime(got.Baseline)
		c.spread = c.spread.Add(seqtest.Counts{Baseline: got.Baseline})
	}
	return ok
}

func (c *counter) step(t *Tick) bool {
	got, ok := c.counts(t)
	if !ok {
		return false
	}
	c.sum = c.sum.Plus(got)
	c.spread = c.spread.Add(got)
	c.d = math.Max(c.m.Dispersion, c.spread.Measure().Divisor())
	fails, passes := make([]float64, 0, 2), math.Inf(1)
	for i := range c.sides {
		s, x := &c.sides[i], got
		if s.swap {
			x = got.Swap()
		}
		s.failed, s.passed = s.fail.Step(s.failed, x), s.pass.Step(s.passed, x)
		fails = append(fails, s.fail.Tempered(s.failed, c.d))
		passes = math.Min(passes, s.pass.Tempered(s.passed, c.d))
	}
	var es []seqtest.Evidence
	for _, e := range fails {
		es = append(es, seqtest.Evidence{LnE: e, Weight: 1})
	}
	c.fails, c.oks = seqtest.Combine(es), passes
	c.inverted = c.ratio.StepTempered(c.inverted, got, c.d)
	return true
}

func (c *counter) lnFail() float64       { return c.fails }
func (c *counter) lnPass() float64       { return c.oks }
func (c *counter) total() seqtest.Counts { return c.sum }
func (c *counter) divisor() float64      { return c.d }

func (c *counter) above() float64 { return c.m.AboveMS }

func (c *counter) interval() Interval {
	i := Interval{Low: c.inverted.Low}
	if !math.IsInf(c.inverted.High, 1) {
		high := c.inverted.High
		i.High = &high
	}
	return i
}

// timer is the tester of response times at all thresholds.
type timer struct {
	m     Metric
	lag   bool
	known []int64
	// test is built when enough of the baseline is known; what it was built from
	// is not judged.
	test   *seqtest.Latency
	state  seqtest.LatencyState
	spread seqtest.Spread
	bounds []float64
	sum    seqtest.Times
	// wide is the bound whose exceedance shows how clustered slow requests are.
	wide int
}

// enoughKnown is the number of the baseline's responses from which thresholds are
// chosen.
const enoughKnown = 200

func newTimer(m Metric, plan Plan, history []int64) *timer {
	return &timer{m: m, lag: plan.Lag == LagOn, known: slices.Clone(history)}
}

func (x *timer) learn(t *Tick) bool {
	if t.Times == nil || len(t.bounds) == 0 {
		return false
	}
	if x.bounds == nil {
		x.bounds = t.bounds
	}
	if x.known == nil {
		x.known = make([]int64, len(t.Times.Baseline))
	}
	if len(x.known) == len(t.Times.Baseline) {
		for i, n := range t.Times.Baseline {
			x.known[i] += n
		}
	}
	return true
}

func (x *timer) step(t *Tick) bool {
	if t.Times == nil || len(t.bounds) == 0 {
		return false
	}
	x.bounds = t.bounds
	x.sum = addTimes(x.sum, t.Times.times())
	if x.test == nil {
		var known int64
		for _, n := range x.known {
			known += n
		}
		if known < enoughKnown || len(x.known) != len(t.Times.Baseline) {
			return x.learn(t)
		}
		l := seqtest.NewLatency(x.known, x.m.Fail, x.m.Pass, x.lag)
		x.test, x.state, x.wide = &l, l.Start(), x.typical(known)
	}
	times := t.Times.times()
	x.state = x.test.Step(x.state, times)
	x.spread = x.spread.Add(times.Slower(x.wide))
	return true
}

// typical is the bound that about one in twenty of the baseline's responses
// exceeds.
func (x *timer) typical(known int64) int {
	best, off := 0, math.Inf(1)
	var sum int64
	for i, n := range x.known[:len(x.known)-1] {
		sum += n
		if d := math.Abs(float64(known-sum)/float64(known) - .05); d < off {
			best, off = i, d
		}
	}
	return best
}

func (x *timer) divisor() float64 { return math.Max(x.m.Dispersion, x.spread.Measure().Divisor()) }

func (x *timer) lnFail() float64 {
	if x.test == nil {
		return 0
	}
	return x.test.LnFail(x.state, x.divisor())
}

func (x *timer) lnPass() float64 {
	if x.test == nil {
		return 0
	}
	return x.test.LnPass(x.state, x.divisor())
}

// loudest is the bound that tells most.
func (x *timer) loudest() int {
	if x.test != nil {
		if i := x.test.Loudest(x.state); i >= 0 {
			return i
		}
	}
	return max(0, min(x.wide, len(x.bounds)-1))
}

func (x *timer) total() seqtest.Counts {
	if len(x.sum.Baseline) == 0 {
		return seqtest.Counts{}
	}
	return x.sum.Slower(x.loudest())
}

func (x *timer) above() float64 {
	if len(x.bounds) == 0 {
		return 0
	}
	return x.bounds[x.loudest()]
}

func (x *timer) interval() Interval { return Interval{} }

func addTimes(a, b seqtest.Times) seqtest.Times {
	if len(a.Baseline) != len(b.Baseline) || len(a.Canary) != len(b.Canary) {
		return seqtest.Times{Baseline: slices.Clone(b.Baseline), Canary: slices.Clone(b.Canary)}
	}
	for i := range b.Baseline {
		a.Baseline[i] += b.Baseline[i]
	}
	for i := range b.Canary {
		a.Canary[i] += b.Canary[i]
	}
	return a
}
