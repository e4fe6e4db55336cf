package canary

import (
	"math"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// brokenBaseline is the share of bad requests above which a baseline is nothing
// to compare with: in a global outage every canary is "not worse".
const brokenBaseline = 0.5

// judge folds ticks into a verdict. It is pure: the same plan and ticks give the
// same answer, which is what makes a report replayable.
type judge struct {
	plan    Plan
	lag     bool
	metrics []metricState
	latency *Latency
	// judged is the time covered by judged ticks, for rates.
	judged float64
	last   float64
	// covered is when the last tick that was not skipped ended.
	covered float64
	verdict finding.Verdict
	at      float64
	ticks   int
	srm     float64
	held    string
}

// metricState is one metric's tests and where they stand.
type metricState struct {
	Metric
	failTest, passTest seqtest.Test
	failed, passed     seqtest.TestState
	ratio              seqtest.Ratio
	interval           seqtest.RatioState
	total              seqtest.Counts
}

func (m *metricState) lnFail() float64 { return m.failTest.LnE(m.failed) }
func (m *metricState) lnPass() float64 { return m.passTest.LnE(m.passed) }

// newJudge expects a checked plan whose lag is settled.
func newJudge(plan Plan) *judge {
	j := &judge{plan: plan, lag: plan.Lag == LagOn, verdict: finding.Inconclusive}
	for _, m := range plan.Metrics {
		s := metricState{
			Metric:   m,
			failTest: m.test(seqtest.Fail, j.lag),
			passTest: m.test(seqtest.Pass, j.lag),
		}
		s.ratio = seqtest.NewRatio(s.failTest, plan.Alpha)
		s.interval = s.ratio.Start()
		j.metrics = append(j.metrics, s)
	}
	return j
}

// decided says whether there is a verdict.
func (j *judge) decided() bool { return j.verdict != finding.Inconclusive }

// add judges one tick and fills in its evidence. Ticks that carry no counts only
// move the clock.
func (j *judge) add(t *Tick) {
	j.last = t.Seconds
	if t.State == TickSkipped || j.decided() {
		return
	}
	window := t.Seconds - j.covered
	j.covered = t.Seconds
	if t.State != TickJudged {
		return
	}
	j.judged += window
	j.ticks++
	t.Evidence, t.Total = map[string]Evidence{}, map[string]seqtest.Counts{}
	for i := range j.metrics {
		m := &j.metrics[i]
		c := t.Counts[m.Name]
		m.total = m.total.Plus(c)
		m.failed = m.failTest.Step(m.failed, c)
		m.passed = m.passTest.Step(m.passed, c)
		m.interval = m.ratio.Step(m.interval, c)
		t.Evidence[m.Name] = Evidence{LnEFail: m.lnFail(), LnEPass: m.lnPass()}
		t.Total[m.Name] = m.total
	}
	j.decide(t)
}

// decide follows the order of the design: sane data, then FAIL, then PASS.
func (j *judge) decide(t *Tick) {
	t.Why = j.hold()
	j.held = t.Why
	if t.Why != "" {
		return
	}
	if seqtest.Combine(j.blocking()) >= seqtest.Threshold(j.plan.Alpha) {
		j.verdict, j.at = finding.Fail, t.Seconds
		return
	}
	passed := t.Seconds >= j.plan.earliestPass().Seconds()
	for i := range j.metrics {
		m := &j.metrics[i]
		if m.Gate != Block {
			continue
		}
		if rate := m.total.Baseline.Rate(); rate > brokenBaseline {
			t.Why = "the baseline itself is broken (" + m.Name + " " + percent(rate) + "): nothing to compare with"
			j.held, passed = t.Why, false
		}
		passed = passed && m.lnPass() >= seqtest.Threshold(j.plan.Beta)
	}
	if passed {
		j.verdict, j.at = finding.Pass, t.Seconds
	}
}

// hold returns why no verdict may be given on the counts so far, or "".
func (j *judge) hold() string {
	for i := range j.metrics {
		m := &j.metrics[i]
		if m.Gate != Block {
			continue
		}
		switch c := m.total; {
		case c.Canary.N == 0 && c.Baseline.N == 0:
			return "no traffic on either side"
		case c.Canary.N == 0:
			return "the canary gets no traffic"
		case c.Baseline.N == 0:
			return "the baseline gets no traffic"
		}
	}
	if j.plan.Share > 0 {
		c := j.metrics[0].total
		j.srm = seqtest.SRM(c.Canary.N, c.Canary.N+c.Baseline.N, j.plan.Share)
		if j.srm >= seqtest.Threshold(seqtest.SRMLevel) {
			share := float64(c.Canary.N) / float64(c.Canary.N+c.Baseline.N)
			return "the canary gets " + percent(share) + " of the requests instead of " + percent(j.plan.Share) +
				": the cohorts are not comparable until the routing is understood"
		}
	}
	return ""
}

// blocking is the evidence of the metrics that decide.
func (j *judge) blocking() []seqtest.Evidence {
	var es []seqtest.Evidence
	for i := range j.metrics {
		if m := &j.metrics[i]; m.Gate == Block {
			es = append(es, seqtest.Evidence{LnE: m.lnFail(), Weight: m.Weight})
		}
	}
	return es
}

// named says which metrics can be named as the reason of a FAIL.
func (j *judge) named() map[string]bool {
	names := map[string]bool{}
	var blocking []string
	for i := range j.metrics {
		m := &j.metrics[i]
		if m.Gate == Block {
			blocking = append(blocking, m.Name)
		} else if m.lnFail() >= seqtest.Threshold(j.plan.Alpha) {
			names[m.Name] = true
		}
	}
	if j.verdict == finding.Fail {
		for _, i := range seqtest.Culprits(j.blocking(), j.plan.Alpha) {
			names[blocking[i]] = true
		}
	}
	return names
}

// metricReports are the answers per metric.
func (j *judge) metricReports() []MetricReport {
	named := j.named()
	var out []MetricReport
	for i := range j.metrics {
		m := &j.metrics[i]
		r := MetricReport{
			Name: m.Name, Gate: m.Gate, Verdict: finding.Inconclusive,
			LnEFail: m.lnFail(), LnEPass: m.lnPass(),
			EFail: capped(m.lnFail()), EPass: capped(m.lnPass()),
			Ratio:    Interval{Low: m.interval.Low},
			Baseline: m.total.Baseline, Canary: m.total.Canary,
		}
		if !math.IsInf(m.interval.High, 1) {
			r.Ratio.High = &m.interval.High
		}
		switch {
		case named[m.Name]:
			r.Verdict = finding.Fail
		case r.Canary.N > 0 && r.Baseline.N > 0 && r.LnEPass >= seqtest.Threshold(j.plan.Beta) && r.Baseline.Rate() <= brokenBaseline:
			r.Verdict = finding.Pass
		}
		r.Why = j.metricWhy(m, r)
		out = append(out, r)
	}
	return out
}

// hurt is how many requests failed beyond the baseline's share, over the metric
// that hurt most.
func (j *judge) hurt() int64 {
	worst := 0.0
	for i := range j.metrics {
		if m := &j.metrics[i]; m.Gate == Block && m.total.Baseline.N > 0 {
			c := m.total
			worst = math.Max(worst, float64(c.Canary.Bad)-float64(c.Canary.N)*c.Baseline.Rate())
		}
	}
	return int64(math.Round(worst))
}

// capped is e^ln, kept finite so that every JSON reader can hold it.
func capped(ln float64) float64 {
	const top = 1e300
	if ln >= math.Log(top) {
		return top
	}
	return math.Exp(ln)
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }
