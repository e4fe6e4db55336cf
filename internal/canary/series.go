package canary

import (
	"math"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// curve is a metric over time, for charts: one point a judged tick, thinned.
type curve struct {
	name string
	gate Gate
	// seconds is when; fail and pass are the evidence as parts of what is needed;
	// canary and baseline the shares of bad requests of the stretch up to there, NaN
	// without requests; low and high the interval for the ratio, high infinite where
	// there is none.
	seconds, fail, pass, canary, baseline, low, high []float64
}

// curves are the metrics' curves with at most so many points each.
func (rep Report) curves(most int) []curve {
	var judged []Tick
	for _, t := range rep.Ticks {
		// A recorded run may go on after the verdict.
		if t.State == TickJudged && t.Evidence != nil {
			judged = append(judged, t)
		}
	}
	n := min(most, len(judged))
	var out []curve
	for _, m := range rep.shown() {
		if m.Gauge != nil || m.Restarts != nil || !m.Seen {
			continue
		}
		c := curve{name: m.label(), gate: m.Gate}
		from := 0
		for i := range n {
			to := (i + 1) * len(judged) / n
			var sum seqtest.Counts
			for _, t := range judged[from:to] {
				sum = sum.Plus(rep.countsOf(t, m))
			}
			last := judged[to-1]
			e := last.Evidence[m.Name]
			c.seconds = append(c.seconds, last.Seconds)
			c.fail = append(c.fail, e.LnEFail/rep.needed())
			c.pass = append(c.pass, e.LnEPass/seqtest.Threshold(rep.Plan.Beta))
			c.canary, c.baseline = append(c.canary, rateOf(sum.Canary)), append(c.baseline, rateOf(sum.Baseline))
			high := math.Inf(1)
			if e.High != nil {
				high = *e.High
			}
			c.low, c.high = append(c.low, e.Low), append(c.high, high)
			from = to
		}
		out = append(out, c)
	}
	return out
}

// needed is the evidence for FAIL, as a natural logarithm.
func (rep Report) needed() float64 {
	if rep.Plan.FailThreshold > 0 {
		return rep.Plan.FailThreshold
	}
	return seqtest.Threshold(rep.Plan.Alpha)
}

// countsOf are a tick's counts of a metric, at the threshold its report is for.
func (rep Report) countsOf(t Tick, m MetricReport) seqtest.Counts {
	if m.AboveMS == 0 {
		return t.Counts[m.Name]
	}
	if t.Times == nil || rep.Latency == nil || len(t.Times.Baseline) != len(rep.Latency.BoundsMS)+1 || len(t.Times.Canary) != len(t.Times.Baseline) {
		return seqtest.Counts{}
	}
	return t.Times.times().Slower(boundAt(rep.Latency.BoundsMS, m.AboveMS))
}

func rateOf(c seqtest.Cohort) float64 {
	if c.N == 0 {
		return math.NaN()
	}
	return c.Rate()
}

// quantile is a band for one quantile of each side's response times, in
// milliseconds; high is infinite beyond the last bound.
type quantile struct {
	P                                        float64
	CanaryLow, CanaryHigh, BaseLow, BaseHigh float64
}

// quantiles are bands that hold at all times together, at the plan's alpha.
func (rep Report) quantiles() []quantile {
	l := rep.Latency
	if l == nil || len(l.Baseline) != len(l.BoundsMS)+1 || len(l.Canary) != len(l.BoundsMS)+1 || total(l.Baseline) == 0 || total(l.Canary) == 0 {
		return nil
	}
	var out []quantile
	for _, p := range []float64{.5, .95, .99} {
		q := quantile{P: p}
		q.CanaryLow, q.CanaryHigh = seqtest.BandOf(l.BoundsMS, l.Canary, p, total(l.Canary), rep.Plan.Alpha)
		q.BaseLow, q.BaseHigh = seqtest.BandOf(l.BoundsMS, l.Baseline, p, total(l.Baseline), rep.Plan.Alpha)
		out = append(out, q)
	}
	return out
}

func total(xs []int64) int64 {
	var n int64
	for _, x := range xs {
		n += x
	}
	return n
}

// finite are the values that a chart can show.
func finite(xs ...[]float64) []float64 {
	var out []float64
	for _, l := range xs {
		for _, x := range l {
			if !math.IsNaN(x) && !math.IsInf(x, 0) {
				out = append(out, x)
			}
		}
	}
	slices.Sort(out)
	return out
}
