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
	// divisor is what the evidence was divided by, 1 for nothing, and whether that is
	// for want of looks instead of clusters that were seen.
	divisor() (d float64, unknown bool)
}

// counter is the tester of a count.
type counter struct {
	m          Metric
	sides      []oneSide
	ratio      seqtest.Ratio
	inverted   seqtest.RatioState
	spread     seqtest.Spread
	jumps      seqtest.Jumps
	sum        seqtest.Counts
	fails, oks float64
	// failing and passing are the divisors of the two, unknown says that the first
	// is for want of looks.
	failing, passing float64
	unknown          bool
}

// oneSide is the tests of one direction.
type oneSide struct {
	fail, pass     seqtest.Test
	failed, passed seqtest.TestState
	swap           bool
}

func newCounter(m Metric, plan Plan, history []seqtest.Cohort) *counter {
	lag := plan.Lag == LagOn
	c := &counter{m: m, failing: m.Dispersion, passing: m.Dispersion, spread: seqtest.NewSpread(history)}
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
	c.jumps = c.jumps.Add(got.Canary)
	c.passing = math.Max(c.m.Dispersion, c.spread.Measure().Divisor())
	c.failing, c.unknown = seqtest.Doubt(c.spread, c.jumps)
	if c.failing <= c.m.Dispersion {
		c.failing, c.unknown = c.m.Dispersion, false
	}
	fails, passes := make([]float64, 0, 2), math.Inf(1)
	for i := range c.sides {
		s, x := &c.sides[i], got
		if s.swap {
			x = got.Swap()
		}
		s.failed, s.passed = s.fail.Step(s.failed, x), s.pass.Step(s.passed, x)
		fails = append(fails, s.fail.Tempered(s.failed, c.failing))
		passes = math.Min(passes, s.pass.Tempered(s.passed, c.passing))
	}
	var es []seqtest.Evidence
	for _, e := range fails {
		es = append(es, seqtest.Evidence{LnE: e, Weight: 1})
	}
	c.fails, c.oks = seqtest.Combine(es), passes
	c.inverted = c.ratio.StepTempered(c.inverted, got, c.failing, c.passing)
	return true
}

func (c *counter) lnFail() float64       { return c.fails }
func (c *counter) lnPass() float64       { return c.oks }
func (c *counter) total() seqtest.Counts { return c.sum }

// divisor is that of the side that there is evidence for.
func (c *counter) divisor() (float64, bool) {
	if c.fails > 0 || c.failing == c.passing {
		return c.failing, c.unknown
	}
	return c.passing, false
}

func (c *counter) above() float64 { return c.m.AboveMS }

func (c *counter) interval() Interval {
	i := Interval{Low: c.inverted.Low}
	if !math.IsInf(c.inverted.High, 1) {
		high := c.inverted.High
		i.High = &high
	}
	return i
}
