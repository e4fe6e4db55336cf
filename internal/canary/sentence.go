package canary

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Headline is the verdict with its time: "FAIL after 4 s".
func (rep Report) Headline() string {
	return strings.ToUpper(string(rep.Verdict)) + " after " + duration(rep.DecidedAfterSeconds)
}

// sentence is the reason of the verdict, for people.
func (rep *Report) sentence(j *judge, fatal string) string {
	if fatal != "" {
		return fatal
	}
	var parts []string
	switch rep.Verdict {
	case finding.Fail:
		for i, m := range rep.Metrics {
			if m.Gate == Block && m.Verdict == finding.Fail {
				parts = append(parts, failSentence(m)+j.metrics[i].clustered())
			}
		}
		if len(parts) == 0 {
			parts = append(parts, "the metrics together are worse than tolerated, none of them alone: "+rep.allCounts())
		}
		said, comma := strings.Join(parts, " · "), "; "
		if strings.Contains(said, comma) {
			comma = ", "
		}
		return said + comma + "chance of a false alarm under " + percent(j.plan.Alpha)
	case finding.Pass:
		for _, m := range rep.Metrics {
			if m.Gate == Block {
				parts = append(parts, m.Why)
			}
		}
		return strings.Join(parts, " · ")
	}
	return rep.undecided(j)
}

// failSentence is one culprit: counts first, then how much worse at least.
func failSentence(m MetricReport) string {
	s := m.Name + " " + count(m.Canary.Bad) + " of " + count(m.Canary.N) +
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
		if m.Gate == Block {
			parts = append(parts, bothCounts(m.Name, m.Canary, m.Baseline))
		}
	}
	return strings.Join(parts, " · ")
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
	both := bothCounts(m.Name, r.Canary, r.Baseline)
	switch {
	case r.Verdict == finding.Fail:
		s := failSentence(r) + "; evidence " + odds(r.LnEFail) + ", needed " + odds(seqtest.Threshold(j.plan.Alpha))
		if m.Fail.Rho != 1 || m.Fail.Delta != 0 {
			s += "; tolerated " + nullWords(m.Fail)
		}
		return s + m.clustered()
	case r.Verdict == finding.Pass:
		return both + "; " + marginWords(m.Pass) + " (" + surely(j.plan.Beta) + ")" + m.clustered()
	case r.Canary.N == 0 || r.Baseline.N == 0:
		return both + "; no traffic to compare"
	}
	return both + "; evidence for fail " + odds(r.LnEFail) + " (needed " + odds(seqtest.Threshold(j.plan.Alpha)) +
		"), for pass " + odds(r.LnEPass) + " (needed " + odds(seqtest.Threshold(j.plan.Beta)) + ")" + m.clustered()
}

// clustered says that the evidence was divided.
func (m *metricState) clustered() string {
	if m.Dispersion <= 1 {
		return ""
	}
	return "; past errors came in clusters, so the evidence is divided by " + number(m.Dispersion)
}
