package canary

import (
	"cmp"
	"slices"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Lag says whether evidence must survive a shift of the baseline by one tick.
type Lag string

// The three settings. LagAuto is off for sources that see both cohorts over the
// very same requests (our own probes) and on for everything else.
const (
	LagAuto Lag = "auto"
	LagOn   Lag = "on"
	LagOff  Lag = "off"
)

// Plan says what to compare and how sure to be. Start from [DefaultPlan].
type Plan struct {
	Metrics []Metric
	// Alpha is the chance of a false FAIL in a whole run, Beta of a wrong PASS
	// per metric.
	Alpha, Beta float64
	// Interval is the time between two looks at the source.
	Interval time.Duration
	// WarmUp is watched but not judged; the counters at its end are the origin.
	WarmUp time.Duration
	// MinDuration is the earliest time of a PASS; it is raised to the warm-up
	// plus two intervals.
	MinDuration time.Duration
	// Deadline ends the run without a verdict.
	Deadline time.Duration
	// StartWithin ends a run whose source has never answered.
	StartWithin time.Duration
	// Lag is the defence against misaligned scrapes.
	Lag Lag
	// Share is the canary's intended share of the traffic, between 0 and 1, or 0
	// when it is not known. A real share that differs holds the verdict.
	Share float64
	// Steps are the shares of traffic that the canary is to get one after the
	// other, StepEvery apart, through [Deps.Advance]. Evidence is carried over; a
	// PASS waits for the last step.
	Steps     []float64
	StepEvery time.Duration
	// AtDeadline is the verdict when the deadline comes without one.
	AtDeadline finding.Verdict
	// Calibrate uses a threshold for FAIL that holds for looks until the deadline
	// instead of for ever, where the history says what traffic to expect.
	Calibrate bool
	// History is what the baseline did before the run, if the source can tell.
	History History
	// Bake compares the time after a rollout with the time before, not two
	// releases side by side.
	Bake bool

	// threshold is that of FAIL, as a natural logarithm; 0 for the plain one.
	threshold float64
}

// History is the baseline before the run: ticks of bad requests by metric, and
// response times.
type History struct {
	Ticks    map[string][]seqtest.Cohort `json:"ticks,omitempty"`
	BoundsMS []float64                   `json:"bounds_ms,omitempty"`
	Times    []int64                     `json:"times,omitempty"`
	// Slow are the response times tick by tick.
	Slow [][]int64 `json:"slow,omitempty"`
	// Seconds is the time that it covers.
	Seconds float64 `json:"seconds,omitempty"`
}

// NewHistory gathers a source's look back over windows of the given seconds, where
// the samples do not say theirs.
func NewHistory(samples []Sample, window float64) History {
	h := History{Ticks: map[string][]seqtest.Cohort{}}
	for _, s := range samples {
		h.Seconds += cmp.Or(s.Seconds, window)
		for name, c := range s.Counts {
			if c.Check() == nil {
				h.Ticks[name] = append(h.Ticks[name], c.Baseline)
			}
		}
		if l := s.Latency; l != nil && len(l.Baseline) == len(l.BoundsMS)+1 {
			if h.Times == nil {
				h.BoundsMS, h.Times = l.BoundsMS, make([]int64, len(l.Baseline))
			}
			if slices.Equal(h.BoundsMS, l.BoundsMS) {
				for i, n := range l.Baseline {
					h.Times[i] += n
				}
				h.Slow = append(h.Slow, l.Baseline)
			}
		}
	}
	return h
}

// DefaultPlan judges failed requests, response times where the source sees them,
// and warns about memory and restarts: a look every 5 seconds, 1 % false alarms,
// 5 % wrong passes, a quarter of an hour at most.
func DefaultPlan() Plan {
	return Plan{
		Metrics:     []Metric{ErrorsMetric(), LatencyMetric(), MemoryMetric(), RestartsMetric()},
		Alpha:       0.01,
		Beta:        0.05,
		Interval:    5 * time.Second,
		Deadline:    15 * time.Minute,
		StartWithin: time.Minute,
		Lag:         LagAuto,
		AtDeadline:  finding.Inconclusive,
	}
}

// Check returns a usage error that names what is wrong with the plan.
func (p Plan) Check() error {
	usage := func(hint, format string, args ...any) error {
		return failure.New(failure.Usage, hint, format, args...)
	}
	switch {
	case len(p.Metrics) == 0:
		return usage("keep at least one metric", "the plan has no metric")
	case !(p.Alpha > 0 && p.Alpha < 0.5), !(p.Beta > 0 && p.Beta < 0.5):
		return usage("1 % is 0.01", "alpha %v and beta %v must lie between 0 and 0.5", p.Alpha, p.Beta)
	case p.Interval <= 0:
		return usage("2s to 5s suits a direct scrape", "interval %v must be above 0", p.Interval)
	case p.WarmUp < 0, p.MinDuration < 0, p.StartWithin < 0:
		return usage("use 0 for none", "warm-up, minimum duration and start limit must not be negative")
	case p.Deadline < p.earliestPass():
		return usage("raise the deadline, or shorten interval, warm-up or minimum duration",
			"deadline %v is before the earliest possible pass, %v", p.Deadline, p.earliestPass())
	case p.Lag != LagAuto && p.Lag != LagOn && p.Lag != LagOff:
		return usage("use auto, on or off", "lag %q is not known", p.Lag)
	case !(p.Share >= 0 && p.Share < 1):
		return usage("10 % is 0.1; 0 means not known", "share %v must lie between 0 and 1", p.Share)
	case p.AtDeadline != "" && p.AtDeadline != finding.Pass && p.AtDeadline != finding.Fail && p.AtDeadline != finding.Inconclusive:
		return usage("use inconclusive, fail or pass", "verdict %q at the deadline is not known", p.AtDeadline)
	case len(p.Steps) > 0 && p.StepEvery <= 0:
		return usage("for example 2m", "steps of traffic need a time between them")
	case len(p.Steps) > 0 && p.earliestPass() > p.Deadline:
		return usage("raise the deadline, or shorten the steps", "%d steps of %v do not fit before the deadline %v", len(p.Steps), p.StepEvery, p.Deadline)
	}
	for i, s := range p.Steps {
		if !(s > 0 && s <= 1) || i > 0 && s <= p.Steps[i-1] {
			return usage("for example 5,25,50", "traffic step %v: steps are shares that rise, above 0 and at most 100 %%", s)
		}
	}
	if p.threshold != 0 && !(p.threshold >= 1 && p.threshold <= seqtest.Threshold(p.Alpha)+1e-9) {
		return usage("", "a threshold of %v cannot be", p.threshold)
	}
	if len(p.Metrics) > maxMetrics {
		return usage("four that decide are plenty", "the plan has %d metrics; at most %d", len(p.Metrics), maxMetrics)
	}
	seen, blocking := map[string]bool{}, false
	for _, m := range p.Metrics {
		if m.Name == "" || seen[m.Name] {
			return usage("give every metric its own name", "metric name %q is empty or used twice", m.Name)
		}
		seen[m.Name] = true
		if err := m.check(); err != nil {
			return usage("", "metric %q: %w", m.Name, err)
		}
		blocking = blocking || m.Gate == Block && !m.IfSeen
	}
	if !blocking {
		return usage("set the gate of one metric to block", "no metric blocks, so nothing could be decided")
	}
	return nil
}

// earliestPass is the time before which no PASS is given.
func (p Plan) earliestPass() time.Duration {
	last := time.Duration(max(0, len(p.Steps)-1)) * p.StepEvery
	return max(p.MinDuration, p.WarmUp+last+2*p.Interval)
}

// maxMetrics bounds what one run follows.
const maxMetrics = 64

// failThreshold is the evidence, as a natural logarithm, that means FAIL.
func (p Plan) failThreshold() float64 {
	if p.threshold > 0 {
		return p.threshold
	}
	return seqtest.Threshold(p.Alpha)
}
