package canary

import (
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Headline is the verdict with its time: "FAIL after 4 s".
func (rep Report) Headline() string {
	return strings.ToUpper(string(rep.Verdict)) + " " + after(rep.DecidedAfterSeconds, "at once")
}

// sentence is the reason of the verdict, for people.
func (rep *Report) sentence(j *judge, fatal string) string {
	if fatal != "" {
		return fatal
	}
	var parts []string
	switch rep.Verdict {
	case finding.Fail:
		for _, m := range rep.Metrics {
			if m.Gate == Block && m.Verdict == finding.Fail {
				parts = append(parts, failSentence(m)+clustered(m))
			}
		}
		if len(rep.Fired) > 0 {
			parts = append(parts, rep.firedWords())
			if len(parts) == 1 {
				return parts[0]
			}
		}
		if len(parts) == 0 {
			parts = append(parts, "the metrics together are worse than tolerated, none of them alone: "+rep.allCounts())
		}
		said, comma := strings.Join(parts, " · "), "; "
		if strings.Contains(said, comma) {
			comma = ", "
		}
		said += comma + "chance of a false alarm under " + percent(j.plan.Alpha)
		if j.plan.Bake {
			said += ", had nothing else changed"
		}
		return said + j.bakeWords()
	case finding.Pass:
		for _, m := range rep.Metrics {
			if m.Gate == Block && m.Seen {
				parts = append(parts, m.Why)
			}
		}
		return strings.Join(parts, " · ") + j.bakeWords()
	}
	return rep.undecided(j)
}

// failSentence is one culprit: counts first, then how much worse at least.
func failSentence(m MetricReport) string {
	s := m.counted() + " " + count(m.Canary.Bad) + " of " + count(m.Canary.N) +
		" against " + count(m.Baseline.Bad) + " of " + count(m.Baseline.N)
	if m.Ratio.Low >= 1.1 {
		s += "; at least " + atLeast(m.Ratio.Low) + "× worse"
	}
	return s
}

// allCounts lists the counts of every metric that decides.
func (rep *Report) allCounts() string {
	var parts []string
	for _, m := range rep.Metrics {
		if m.Gate == Block && m.Seen {
			parts = append(parts, bothCounts(m.counted(), m.Canary, m.Baseline))
		}
	}
	if len(parts) == 0 {
		return "nothing was counted"
	}
	return strings.Join(parts, " · ")
}

// label is the metric's name, with the threshold that its counts are for.
func (m MetricReport) label() string {
	if m.AboveMS > 0 {
		return m.Name + " > " + milliseconds(m.AboveMS)
	}
	return m.Name
}

// counted is the label before counts.
func (m MetricReport) counted() string {
	if m.AboveMS > 0 {
		return m.label() + ":"
	}
	return m.Name
}

// firedWords names the rules that hold for the canary alone.
func (rep *Report) firedWords() string {
	var parts []string
	for _, name := range rep.Fired {
		s := strconv.Quote(name)
		for _, c := range rep.Conditions {
			if c.Name == name && c.Why != "" {
				s += " (" + c.Why + ")"
			}
		}
		parts = append(parts, s)
	}
	if len(parts) == 1 {
		return "the alert " + parts[0] + " fires for the canary and not for the baseline"
	}
	return "the alerts " + strings.Join(parts, ", ") + " fire for the canary and not for the baseline"
}

func bothCounts(name string, canary, baseline seqtest.Cohort) string {
	return name + " " + count(canary.Bad) + " of " + count(canary.N) + " (canary) and " +
		count(baseline.Bad) + " of " + count(baseline.N) + " (baseline)"
}

// undecided says why there is no verdict: the most basic reason first.
func (rep *Report) undecided(j *judge) string {
	last := ""
	if n := len(rep.Problems); n > 0 {
		last = rep.Problems[n-1].Message
	}
	switch {
	case rep.Ended == EndedNoStart:
		return "the source never answered: " + last
	case rep.Ended == EndedInterrupted:
		return "interrupted; so far " + rep.soFar(j)
	case j.ticks == 0 && last != "":
		return "nothing could be counted: " + last
	case j.ticks == 0:
		return "nothing was counted before the deadline"
	case j.held != "":
		return j.held + "; so far " + rep.allCounts()
	}
	s := "not enough evidence either way by the deadline; " + rep.allCounts()
	if last != "" {
		s += "; " + last
	}
	return s
}

func (rep *Report) soFar(j *judge) string {
	if j.ticks == 0 {
		return "nothing was counted"
	}
	return rep.allCounts()
}

// metricWhy is one metric's sentence.
func (j *judge) metricWhy(m *metricState, r MetricReport) string {
	if g, ok := m.tester.(*reader); ok {
		return j.gaugeWhy(g, r)
	}
	if x, ok := m.tester.(*restarter); ok {
		return x.why()
	}
	both := bothCounts(r.counted(), r.Canary, r.Baseline)
	needed := odds(seqtest.Threshold(j.plan.Alpha))
	if m.decides() {
		needed = odds(j.failThreshold())
	}
	switch {
	case !r.Seen && m.IfSeen:
		return m.Name + ": the source does not show it"
	case r.Verdict == finding.Fail:
		s := failSentence(r) + "; evidence " + odds(r.LnEFail) + ", needed " + needed
		if m.Fail.Rho != 1 || m.Fail.Delta != 0 {
			s += "; tolerated " + nullWords(m.Fail)
		}
		return s + clustered(r)
	case r.Verdict == finding.Pass:
		where := ""
		if m.Kind == KindLatency {
			where = "at every threshold "
		}
		return both + "; " + where + m.passWords() + " (" + surely(j.plan.Beta) + ")" + clustered(r)
	case r.Canary.N == 0 || r.Baseline.N == 0:
		return both + "; no traffic to compare"
	}
	return both + "; evidence for fail " + odds(r.LnEFail) + " (needed " + needed +
		"), for pass " + odds(r.LnEPass) + " (needed " + odds(seqtest.Threshold(j.plan.Beta)) + ")" + clustered(r)
}

// passWords is what a PASS has proven, in the metric's direction.
func (m Metric) passWords() string {
	switch m.Direction {
	case Down:
		return "the baseline's is " + marginWords(m.Pass)
	case Either:
		return marginWords(m.Pass) + ", either way"
	}
	return marginWords(m.Pass)
}

// gaugeWhy is a gauge's sentence.
func (j *judge) gaugeWhy(g *reader, r MetricReport) string {
	if r.Gauge == nil && j.plan.Bake {
		return r.Name + ": the source does not show it both before and after the rollout"
	}
	if r.Gauge == nil {
		return r.Name + ": the source does not show it"
	}
	s := r.Name + " " + quantity(r.Gauge.Canary) + " (canary) and " + quantity(r.Gauge.Baseline) + " (baseline) on average"
	switch {
	case g.leak >= seqtest.Threshold(g.alpha) && j.plan.Bake:
		s += "; since the rollout it keeps growing against the time before: a leak, unless it is only warming up"
	case g.leak >= seqtest.Threshold(g.alpha):
		s += "; the canary's keeps growing against the baseline's: a leak, unless the baseline is older and done growing"
	case g.known && g.lower > 0:
		s += "; higher than tolerated"
	case !g.known:
		s += "; not enough readings to compare levels"
	default:
		s += "; no difference is proven"
	}
	return s
}

// clustered says that the evidence was divided. A fail that holds all the same need
// not speak of caution.
func clustered(r MetricReport) string {
	if r.Divisor <= 1 {
		return ""
	}
	switch {
	case r.Cautious && r.Verdict == finding.Fail:
		return ""
	case r.Cautious:
		return "; the evidence is divided by " + number(r.Divisor) + ", because so few looks could not tell errors in clusters from single ones"
	}
	what := "errors come"
	if r.AboveMS > 0 {
		what = "slow responses come"
	}
	return "; " + what + " in clusters, so the evidence is divided by " + number(r.Divisor)
}

// bakeWords say what a comparison with the time before can prove.
func (j *judge) bakeWords() string {
	if !j.plan.Bake {
		return ""
	}
	return "; compared with the time before the rollout, so that anything else that changed since counts, too"
}
