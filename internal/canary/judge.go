package canary

import (
	"math"
	"slices"
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
	metrics []metricState
	// bounds are those of the response times, from the first tick that has any.
	bounds  []float64
	latency *Latency
	// judged is the time covered by judged ticks, for rates.
	judged float64
	last   float64
	// covered is when the last tick that was not skipped ended.
	covered    float64
	verdict    finding.Verdict
	at         float64
	ticks      int
	shares     shareWatch
	held       string
	conditions []Condition
	// firing counts the judged ticks in a row for which a condition holds for the
	// canary alone.
	firing map[string]int
	fired  []string
}

// metricState is one metric's tests and where they stand.
type metricState struct {
	Metric
	tester
	seen bool
}

// counts says whether the metric takes part in the verdict.
func (m *metricState) decides() bool { return m.Gate == Block && (m.seen || !m.IfSeen) }

// newJudge expects a checked plan whose lag is settled.
func newJudge(plan Plan) *judge {
	j := &judge{plan: plan, verdict: finding.Inconclusive, firing: map[string]int{}, bounds: plan.History.BoundsMS}
	for _, m := range plan.Metrics {
		history := plan.History.Ticks[m.Name]
		// The last tick is left for the lag rule, as the first one's neighbour.
		s := metricState{Metric: m.WithHistory(history[:max(0, len(history)-1)])}
		// The history stays with the tester, which measures the spread anew as the
		// run goes on.
		s.Dispersion = m.Dispersion
		switch m.Kind {
		case KindLatency:
			s.tester = newTimer(s.Metric, plan, plan.History)
		case KindGauge:
			s.tester = newReader(s.Metric, plan)
		case KindRestarts:
			s.tester = &restarter{m: s.Metric}
		default:
			s.tester = newCounter(s.Metric, plan, history)
		}
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
	t.bounds = j.bounds
	if t.Times != nil && (len(t.Times.Baseline) != len(j.bounds)+1 || len(t.Times.Canary) != len(j.bounds)+1) {
		t.Times = nil
	}
	if t.State == TickWarmUp {
		for i := range j.metrics {
			j.metrics[i].seen = j.metrics[i].learn(t) || j.metrics[i].seen
		}
		return
	}
	if t.State != TickJudged {
		return
	}
	j.judged += window
	j.ticks++
	t.Evidence, t.Total = map[string]Evidence{}, map[string]seqtest.Counts{}
	for i := range j.metrics {
		m := &j.metrics[i]
		if !m.step(t) {
			if _, ok := t.Counts[m.Name]; !ok && m.IfSeen && !m.seen {
				continue
			}
		} else {
			m.seen = true
		}
		if m.Kind == KindRestarts {
			continue // no evidence, only a word
		}
		iv := m.interval()
		t.Evidence[m.Name] = Evidence{LnEFail: m.lnFail(), LnEPass: m.lnPass(), Low: iv.Low, High: iv.High}
		t.Total[m.Name] = m.total()
	}
	for i := range j.metrics {
		if c, ok := t.Counts[j.metrics[i].Name]; ok && j.metrics[i].Kind == KindCount {
			j.shares.add(t.Share, c)
			break
		}
	}
	j.ask(t.Conditions)
	j.decide(t)
}

// ask follows the conditions: one that holds for the canary alone, in two ticks
// in a row, fails the gate. One tick could be the edge of what happened to both.
func (j *judge) ask(cs []Condition) {
	for _, c := range cs {
		i := slices.IndexFunc(j.conditions, func(x Condition) bool { return x.Name == c.Name })
		if i < 0 {
			if len(j.conditions) >= maxConditions {
				continue
			}
			j.conditions = append(j.conditions, c)
		} else {
			j.conditions[i] = c
		}
		if !c.Canary || c.Baseline {
			j.firing[c.Name] = 0
			continue
		}
		if j.firing[c.Name]++; j.firing[c.Name] >= 2 && !slices.Contains(j.fired, c.Name) {
			j.fired = append(j.fired, c.Name)
		}
	}
}

// maxConditions bounds what a source may ask.
const maxConditions = 1000

// decide follows the order of the design: sane data, then FAIL, then PASS.
func (j *judge) decide(t *Tick) {
	var judgeable bool
	t.Why, judgeable = j.hold()
	j.held = t.Why
	if judgeable && (len(j.fired) > 0 || seqtest.Combine(j.blocking()) >= j.failThreshold()) {
		j.verdict, j.at, t.Why, j.held = finding.Fail, t.Seconds, "", ""
		return
	}
	if t.Why != "" {
		return
	}
	passed := t.Seconds >= j.plan.earliestPass().Seconds() && (len(j.plan.Steps) == 0 || t.Share == j.plan.Steps[len(j.plan.Steps)-1])
	for i := range j.metrics {
		m := &j.metrics[i]
		if !m.decides() {
			continue
		}
		if m.broken() {
			t.Why = "the baseline itself is broken (" + m.Name + " " + percent(m.total().Baseline.Rate()) + "): nothing to compare with"
			j.held, passed = t.Why, false
		}
		passed = passed && m.lnPass() >= seqtest.Threshold(j.plan.Beta)
	}
	if passed {
		j.verdict, j.at = finding.Pass, t.Seconds
	}
}

// broken says that the baseline is nothing to compare with. That most responses
// are slower than a threshold, or most orders are not refunded, is no fault.
func (m *metricState) broken() bool {
	return m.Kind == KindCount && m.AboveMS == 0 && m.Direction == Up && m.total().Baseline.Rate() > brokenBaseline
}

// hold returns why no verdict may be given on the counts so far, or "". A FAIL
// may be given all the same when one metric has traffic on both sides: a canary
// that answers nothing but errors has no response times to wait for.
func (j *judge) hold() (why string, fail bool) {
	if share, want, ok := j.shares.mismatch(); ok {
		return "the canary gets " + percent(share) + " of the requests instead of " + percent(want) +
			": the cohorts are not comparable until the routing is understood", false
	}
	for i := range j.metrics {
		m := &j.metrics[i]
		if !m.decides() {
			continue
		}
		silent := ""
		switch c := m.total(); {
		case c.Canary.N == 0 && c.Baseline.N == 0:
			silent = "no traffic on either side" + m.which()
		case c.Canary.N == 0:
			silent = "the canary gets no traffic" + m.which()
		case c.Baseline.N == 0:
			silent = "the baseline gets no traffic" + m.which()
		default:
			fail = true
		}
		if why == "" {
			why = silent
		}
	}
	return why, fail
}

// which names the metric without traffic, unless it is the obvious one.
func (m *metricState) which() string {
	if m.Name != Errors {
		return " (" + m.Name + ")"
	}
	return ""
}

// blocking is the evidence of the metrics that decide.
func (j *judge) blocking() []seqtest.Evidence {
	var es []seqtest.Evidence
	for i := range j.metrics {
		if m := &j.metrics[i]; m.decides() {
			es = append(es, seqtest.Evidence{LnE: m.lnFail(), Weight: m.Weight})
		}
	}
	return es
}

// failThreshold is the evidence that means FAIL: the calibrated one only while
// nothing shows errors in clusters, which it was not made for.
func (j *judge) failThreshold() float64 {
	for i := range j.metrics {
		m := &j.metrics[i]
		if d, _ := m.divisor(); m.decides() && d > 1 {
			return seqtest.Threshold(j.plan.Alpha)
		}
	}
	return j.plan.failThreshold()
}

// named says which metrics can be named as the reason of a FAIL.
func (j *judge) named() map[string]bool {
	names := map[string]bool{}
	var blocking []string
	for i := range j.metrics {
		m := &j.metrics[i]
		if x, ok := m.tester.(*restarter); ok && x.worse() {
			names[m.Name] = true
		}
		if m.decides() {
			blocking = append(blocking, m.Name)
		} else if m.lnFail() >= seqtest.Threshold(j.plan.Alpha) {
			names[m.Name] = true
		}
	}
	if j.verdict == finding.Fail {
		for _, i := range seqtest.Culprits(j.blocking(), math.Exp(-j.failThreshold())) {
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
		total := m.total()
		r := MetricReport{
			Name: m.Name, Gate: m.Gate, Verdict: finding.Inconclusive, Seen: m.seen,
			LnEFail: m.lnFail(), LnEPass: m.lnPass(),
			EFail: capped(m.lnFail()), EPass: capped(m.lnPass()),
			Ratio:    m.interval(),
			Baseline: total.Baseline, Canary: total.Canary, AboveMS: m.above(),
		}
		if d, unknown := m.divisor(); d > 1 {
			r.Divisor, r.Cautious = d, unknown
		}
		if g, ok := m.tester.(*reader); ok && m.seen {
			canary, baseline := g.levels()
			r.Gauge = &Gauge{Baseline: baseline, Canary: canary}
		}
		if x, ok := m.tester.(*restarter); ok {
			r.Restarts = x.seen()
		}
		switch {
		case named[m.Name]:
			r.Verdict = finding.Fail
		case r.Canary.N > 0 && r.Baseline.N > 0 && r.LnEPass >= seqtest.Threshold(j.plan.Beta) && !m.broken():
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
		if m := &j.metrics[i]; m.decides() && m.Kind == KindCount && m.Direction == Up && m.total().Baseline.N > 0 {
			c := m.total()
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
