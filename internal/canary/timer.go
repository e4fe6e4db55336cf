package canary

import (
	"math"
	"slices"
	"time"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// timer is the tester of response times at all thresholds.
type timer struct {
	m     Metric
	lag   bool
	known []int64
	// test is built when enough of the baseline is known; what it was built from
	// is not judged.
	test   *seqtest.Latency
	state  seqtest.LatencyState
	bounds []float64
	sum    seqtest.Times
	// fails and oks are the evidence after the last look, at is the threshold that
	// tells most, by its place in the test's bounds: the one that speaks for a FAIL,
	// or else the one that is in a PASS's way; -1 for none.
	fails, oks float64
	at         int
	// usual are the baseline's looks before the run.
	usual [][]int64
	// block and least are those of the test.
	block, least int
}

// enoughKnown is the number of the baseline's responses from which thresholds are
// chosen.
const enoughKnown = 200

// Slow requests are counted in blocks of time that most stalls fit in, and a
// verdict waits for so many of the canary's as fill a minute, but not for more
// than eight.
const (
	blockTime   = 5 * time.Second
	blocksTime  = time.Minute
	leastBlocks = 4
	mostBlocks  = 8
)

func newTimer(m Metric, plan Plan, history History) *timer {
	every := max(plan.Interval, time.Millisecond)
	block := max(1, (blockTime+every-1)/every)
	least := min(mostBlocks, max(leastBlocks, blocksTime/(block*every)))
	return &timer{m: m, lag: plan.Lag == LagOn, known: slices.Clone(history.Times), usual: history.Slow, block: int(block), least: int(least), at: -1}
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
		x.usual = append(x.usual[:len(x.usual):len(x.usual)], t.Times.Baseline)
	}
	return true
}

func (x *timer) step(t *Tick) bool {
	if t.Times == nil || len(t.bounds) == 0 {
		return false
	}
	x.bounds = t.bounds
	x.sum = x.sum.Plus(t.Times.times())
	if x.test == nil {
		known, last := x.neighbour()
		if total(known) < enoughKnown || len(known) != len(t.Times.Baseline) {
			return x.learn(t)
		}
		x.begin(known, last)
	}
	x.state = x.test.Step(x.state, t.Times.times())
	x.fails = x.test.LnFail(x.state, x.m.Dispersion)
	x.at, x.oks = x.test.Furthest(x.state, x.m.Dispersion)
	if x.fails > 0 {
		x.at = x.test.Loudest(x.state, x.m.Dispersion)
	}
	return true
}

// neighbour is what is known of the baseline, without its last look: that one is
// left for the lag rule, as the first one's neighbour, and judged with it.
func (x *timer) neighbour() (known, last []int64) {
	n := len(x.usual)
	if n == 0 || !x.lag {
		return x.known, nil
	}
	known, last = slices.Clone(x.known), x.usual[n-1]
	for i, c := range last {
		if i < len(known) {
			known[i] = max(0, known[i]-c)
		}
	}
	return known, last
}

// begin chooses the thresholds by what is known of the baseline.
func (x *timer) begin(known, last []int64) {
	l := seqtest.NewLatency(known, x.m.Fail, x.m.Pass, x.lag)
	l.Block, l.Least, l.Paired = x.block, x.least, !x.lag
	var blocks [][]int64
	for b := range slices.Chunk(x.usual, x.block) {
		if len(b) == x.block {
			blocks = append(blocks, sumBuckets(b))
		}
	}
	l = l.Usual(blocks)
	x.test, x.state = &l, l.Prime(last)
}

func sumBuckets(ticks [][]int64) []int64 {
	sum := make([]int64, len(ticks[0]))
	for _, t := range ticks {
		for i, n := range t {
			if i < len(sum) {
				sum[i] += n
			}
		}
	}
	return sum
}

// typical is the bound that about one in twenty of the responses exceeds.
func typical(known []int64) int {
	best, off := 0, math.Inf(1)
	all := total(known)
	var sum int64
	for i, n := range known[:len(known)-1] {
		sum += n
		if d := math.Abs(float64(all-sum)/float64(max(1, all)) - .05); d < off {
			best, off = i, d
		}
	}
	return best
}

// divisor is that of the threshold that tells most.
func (x *timer) divisor() (float64, bool) {
	switch {
	case x.at < 0:
		return x.m.Dispersion, false
	case x.fails > 0:
		return x.test.Divisor(x.state, x.at, x.m.Dispersion), false
	}
	return x.test.PassDivisor(x.state, x.at, x.m.Dispersion), false
}

func (x *timer) lnFail() float64 { return x.fails }
func (x *timer) lnPass() float64 { return x.oks }

// shown is the index of the bound that tells most, or of the typical one.
func (x *timer) shown() int {
	if x.at >= 0 {
		return x.test.Bounds[x.at]
	}
	if n := total(x.known); n > 0 && len(x.known) > 1 {
		return typical(x.known)
	}
	return 0
}

func (x *timer) total() seqtest.Counts {
	if len(x.sum.Baseline) == 0 {
		return seqtest.Counts{}
	}
	return x.sum.Slower(x.shown())
}

func (x *timer) above() float64 {
	if len(x.bounds) == 0 {
		return 0
	}
	return x.bounds[min(x.shown(), len(x.bounds)-1)]
}

func (x *timer) interval() Interval { return Interval{} }
