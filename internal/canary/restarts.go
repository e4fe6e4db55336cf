package canary

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Restarts is how often each side's processes were started anew while they were
// judged, over all its instances.
type Restarts struct {
	Baseline int64 `json:"baseline"`
	Canary   int64 `json:"canary"`
	// CrashLoop says that the canary's came one after the other.
	CrashLoop bool `json:"crash_loop,omitempty"`
}

// RestartsMetric is the default for restarts, where the source sees them: a warning
// when the canary's processes restart and the baseline's do not.
func RestartsMetric() Metric {
	m := ErrorsMetric()
	m.Name, m.Kind, m.Gate, m.IfSeen = "restarts", KindRestarts, Warn, true
	m.Pass = m.Fail
	return m
}

// restarter is the tester of restarts, which only advise: few as they are, they
// prove little, and nobody wants to miss them.
type restarter struct {
	m   Metric
	sum seqtest.Counts
	// most is the largest number of instances that were seen at a look, at is when
	// the canary's restarts were, in seconds.
	most int64
	at   []float64
}

const (
	// leastRestarts of the canary are worth a warning, when they are so many times
	// as frequent as the baseline's.
	leastRestarts = 3
	moreRestarts  = 3
	// loopWithin is the longest time, in seconds, that restarts of a crash loop are
	// apart: what waits longer before it starts again is not waiting for that.
	loopWithin = 300
	// mostRestarts bounds what is remembered.
	mostRestarts = 10000
)

func (x *restarter) learn(*Tick) bool { return false }

func (x *restarter) step(t *Tick) bool {
	c, ok := t.Counts[x.m.Name]
	if !ok {
		return false
	}
	x.sum = x.sum.Plus(c)
	x.most = max(x.most, c.Canary.N)
	for range min(c.Canary.Bad, mostRestarts-int64(len(x.at))) {
		x.at = append(x.at, t.Seconds)
	}
	return x.sum.Canary.Bad > 0 || x.sum.Baseline.Bad > 0
}

// worse says that the canary restarts, and much more often than the baseline.
func (x *restarter) worse() bool {
	a, b := x.sum.Canary, x.sum.Baseline
	return a.Bad >= leastRestarts && a.Rate() >= moreRestarts*b.Rate()
}

// loop says that it is the same instances again and again: more restarts than two
// for each, close together.
func (x *restarter) loop() bool {
	n := int(2*x.most) + 1
	return x.worse() && x.most > 0 && len(x.at) >= n && x.at[len(x.at)-1]-x.at[len(x.at)-n] <= float64(n-1)*loopWithin
}

// seen is what the report says, nil for no restart at all.
func (x *restarter) seen() *Restarts {
	if x.sum.Canary.Bad == 0 && x.sum.Baseline.Bad == 0 {
		return nil
	}
	return &Restarts{Baseline: x.sum.Baseline.Bad, Canary: x.sum.Canary.Bad, CrashLoop: x.loop()}
}

func (x *restarter) lnFail() float64          { return 0 }
func (x *restarter) lnPass() float64          { return 0 }
func (x *restarter) total() seqtest.Counts    { return x.sum }
func (x *restarter) above() float64           { return 0 }
func (x *restarter) interval() Interval       { return Interval{} }
func (x *restarter) divisor() (float64, bool) { return 1, false }

// why is the metric's sentence.
func (x *restarter) why() string {
	r := x.seen()
	if r == nil {
		return x.m.Name + ": the source shows none"
	}
	s := "the canary restarted " + often(r.Canary) + " and the baseline " + often(r.Baseline)
	if n := len(x.at); n > 1 {
		s += ", the canary's within " + duration(x.at[n-1]-x.at[0])
	}
	if r.CrashLoop {
		s += ": a crash loop"
	}
	return s
}

func often(n int64) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return count(n) + " times"
}

// crashing is the word on a crash loop that belongs to every verdict, or "".
func (rep *Report) crashing() string {
	for _, m := range rep.Metrics {
		if m.Restarts != nil && m.Restarts.CrashLoop && m.Verdict == finding.Fail {
			return "; " + m.Why
		}
	}
	return ""
}
