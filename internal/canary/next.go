package canary

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// next is what to do about a run without a verdict: one step, for the most basic
// of its reasons. A verdict needs none from here: what follows a fail is known to
// whoever runs the hooks.
func (rep *Report) next(j *judge, fatal string) []string {
	if rep.Verdict == finding.Pass {
		for _, p := range rep.Problems {
			if p.Cohort == "canary" && (p.Kind == "timeout" || p.Kind == "down") {
				return []string{"the canary did not answer" + times(p.Count) + ": requests that it did not take either are not in its counters; see what the load balancer says"}
			}
		}
	}
	if rep.Verdict != finding.Inconclusive {
		return nil
	}
	var last ProblemReport
	if n := len(rep.Problems); n > 0 {
		last = rep.Problems[n-1]
	}
	switch c := j.traffic(); {
	case rep.Ended == EndedInterrupted:
		return []string{"run it again; with --state FILE a run goes on with the evidence of the one before"}
	case last.Kind == "step" && fatal != "":
		return []string{"run the hook by hand to see what it says, and see where the traffic goes now"}
	case fatal != "", rep.Ended == EndedNoStart, j.ticks == 0:
		return last.next()
	case j.shares.held():
		return []string{"see how the router shares the requests out; if this is what the canary should get, say so with --share"}
	case j.held != "" && c.Canary.N == 0 && c.Baseline.N > 0:
		return []string{"see whether the router sends the canary anything; --probe sends requests of its own"}
	case j.held != "" && c.Canary.N == 0:
		return []string{"see whether the counter is the right one (--requests-metric); --probe sends requests of its own"}
	case j.held != "":
		return []string{"see what is wrong with the baseline first; then run it again"}
	case last.Kind != "" && last.Kind != "step":
		return last.next()
	case j.plan.passNeverComes():
		return []string{"give --margin more than 0: a canary that is just as good can never prove to be better"}
	}
	return []string{"decide by the numbers above, or run it again with a later --deadline or more traffic"}
}

// passNeverComes says that a metric that decides asks a canary to be better than
// its baseline before it passes.
func (p Plan) passNeverComes() bool {
	for _, m := range p.Metrics {
		if m.Gate == Block && m.Kind == KindCount && m.Pass.Rho <= 1 && m.Pass.Delta <= 0 && !m.IfSeen {
			return true
		}
	}
	return false
}

// next is what to do about a source that does not deliver; some messages say it
// themselves.
func (p ProblemReport) next() []string {
	at := "its address"
	if strings.HasPrefix(p.Where, "http://") || strings.HasPrefix(p.Where, "https://") {
		at = p.Where
	}
	switch p.Kind {
	case "down", "timeout", "not-found":
		return []string{"is it running, and does the machine of the gate reach it? Try there: curl -sS " + at}
	case "tls":
		return []string{"is it http or https? A certificate of your own authority: SSL_CERT_FILE=ca.pem, or --prometheus-ca"}
	case "status", "not-metrics", "too-large":
		return []string{"see what it answers: curl -sS " + at}
	case "no-counter", "bad-value":
		if p.Where == "" {
			return nil // the message names both sides' counters
		}
		return []string{"see what it counts (curl -sS " + at + "), and name the counter with --requests-metric, --bad-labels or --errors-metric"}
	}
	return nil
}

// held says whether the canary gets another share than it was given.
func (w *shareWatch) held() bool {
	_, _, ok := w.mismatch()
	return ok
}

// Opening says what a run is about to do.
func (p Plan) Opening() string {
	s := "a look every " + duration(p.Interval.Seconds()) + ", until there is a verdict or " + duration(p.Deadline.Seconds()) + " have passed"
	if p.passNeverComes() {
		s += "; a canary that is just as good does not pass: its margin is 0"
	}
	return s
}

// Forecast says how long a verdict takes at the traffic that a tick's judged
// counts show, or "" while that is not known.
func (p Plan) Forecast(t Tick, judged float64) string {
	for _, m := range p.Metrics {
		c := t.Total[m.Name]
		if m.Kind != KindCount || m.AboveMS > 0 || c.Canary.N == 0 || c.Baseline.N == 0 || judged <= 0 {
			continue
		}
		return Preview(p, Seen{
			Traffic:  seqtest.Traffic{Canary: float64(c.Canary.N) / judged, Baseline: float64(c.Baseline.N) / judged},
			BaseRate: c.Baseline.Rate(),
		}).Text
	}
	return ""
}
