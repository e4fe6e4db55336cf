package canary

import (
	"math"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// reader is the tester of a gauge. Successive readings resemble each other, so
// that only means over long stretches may be compared, and never to decide; a
// canary that keeps growing against its baseline is told sooner.
type reader struct {
	m                Metric
	alpha            float64
	every            float64 // seconds between two looks that are planned
	baseline, canary []float64
	at               []float64 // when they were read, in seconds
	lower            float64
	known            bool
	leak             float64
}

// gaugeBatch is the shortest stretch, in seconds, whose mean is one reading, and
// leakBatch that of the test for growth.
const (
	gaugeBatch = 300
	leakBatch  = 30
	// leakGrowth is the part of the baseline's level that the canary must have
	// gained for its growth to be worth a word.
	leakGrowth = 0.05
)

func newReader(m Metric, plan Plan) *reader {
	return &reader{m: m, alpha: plan.Alpha, every: math.Max(plan.Interval.Seconds(), 1e-3), lower: math.Inf(-1)}
}

func (r *reader) learn(t *Tick) bool {
	_, ok := t.Gauges[r.m.Name]
	return ok
}

func (r *reader) step(t *Tick) bool {
	g, ok := t.Gauges[r.m.Name]
	if !ok {
		return false
	}
	if math.IsNaN(g.Baseline) || math.IsNaN(g.Canary) {
		return true
	}
	a, b := g.Canary, g.Baseline
	if r.m.Direction == Down {
		a, b = b, a
	}
	r.canary, r.baseline, r.at = append(r.canary, a), append(r.baseline, b), append(r.at, t.Seconds)
	size := int(math.Max(math.Ceil(gaugeBatch/r.spacing()), math.Ceil(10*seqtest.AutocorrelationTime(r.baseline))))
	if lower, ok := seqtest.GaugeExcess(r.baseline, r.canary, r.m.Fail, size, 10, r.alpha); ok {
		r.lower, r.known = lower, true
	}
	r.grow()
	return true
}

// spacing is how far apart the readings are: the median, since a source that is
// scraped less often than it is asked has nothing new at many a look, and one that
// stops for a while leaves a gap.
func (r *reader) spacing() float64 {
	if len(r.at) < 3 {
		return r.every
	}
	gaps := make([]float64, len(r.at)-1)
	for i := range gaps {
		gaps[i] = r.at[i+1] - r.at[i]
	}
	slices.Sort(gaps)
	return math.Max(gaps[len(gaps)/2], 1e-3)
}

// grow keeps the evidence for a canary that grows against the baseline.
func (r *reader) grow() {
	diff := make([]float64, len(r.canary))
	for i := range diff {
		diff[i] = r.canary[i] - r.baseline[i]
	}
	means := seqtest.BatchMeans(diff, int(math.Max(1, math.Ceil(leakBatch/r.spacing()))))
	r.leak = 0
	if n := len(means); n > 1 && means[n-1]-means[0] > leakGrowth*math.Abs(r.baseline[0]) {
		r.leak = seqtest.GrowthLnE(means)
	}
}

// worse says that the gauge is above what is tolerated, or keeps growing.
func (r *reader) worse() bool {
	return r.known && r.lower > 0 || r.leak >= seqtest.Threshold(r.alpha)
}

func (r *reader) lnFail() float64 {
	if r.worse() {
		return math.Max(r.leak, seqtest.Threshold(r.alpha))
	}
	return r.leak
}

func (r *reader) lnPass() float64          { return 0 }
func (r *reader) total() seqtest.Counts    { return seqtest.Counts{} }
func (r *reader) above() float64           { return 0 }
func (r *reader) interval() Interval       { return Interval{} }
func (r *reader) divisor() (float64, bool) { return 1, false }

// levels are the mean readings of both sides.
func (r *reader) levels() (canary, baseline float64) {
	n := len(r.canary)
	if n == 0 {
		return 0, 0
	}
	return seqtest.BatchMeans(r.canary, n)[0], seqtest.BatchMeans(r.baseline, n)[0]
}
