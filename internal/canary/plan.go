package canary

import (
	"fmt"
	"math"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Gate says what a metric's verdict is good for.
type Gate string

// The three gates: Block decides, Warn is shown with a warning, Observe is shown.
const (
	Block   Gate = "block"
	Warn    Gate = "warn"
	Observe Gate = "observe"
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

// Errors is the name of the metric every source delivers: failed requests.
const Errors = "errors"

// Metric is one count of bad requests and what is tolerated of it.
type Metric struct {
	Name string `json:"name"`
	Gate Gate   `json:"gate"`
	// Fail is tolerated: FAIL needs proof that the canary is worse than that.
	Fail seqtest.Null `json:"fail"`
	// Pass is the margin: PASS needs proof that the canary is better than that.
	// It lies at or above Fail.
	Pass seqtest.Null `json:"pass"`
	// Weight is the share of the false-alarm budget, relative to other metrics.
	Weight float64 `json:"weight"`
	// Prior is what is believed of the baseline before the first tick.
	Prior seqtest.Prior `json:"prior"`
	// Dispersion divides the evidence, for errors that come in clusters; 1 for
	// independent ones.
	Dispersion float64 `json:"dispersion"`
}

// ErrorsMetric is the default metric: no tolerance for FAIL, and PASS when the
// canary is proven less than half a percentage point worse.
func ErrorsMetric() Metric {
	return Metric{
		Name: Errors, Gate: Block,
		Fail: seqtest.Null{Rho: 1}, Pass: seqtest.Null{Rho: 1, Delta: 0.005},
		Weight: 1, Prior: seqtest.DefaultPrior(), Dispersion: 1,
	}
}

// WithHistory sets the prior and the dispersion from the baseline's ticks before
// the canary started. Ten minutes or more are worth having; the dispersion is
// applied only where the history rejects independence.
func (m Metric) WithHistory(history []seqtest.Cohort) Metric {
	var all seqtest.Cohort
	for _, c := range history {
		all = all.Plus(c)
	}
	if all.N == 0 {
		return m
	}
	d := seqtest.Disperse(history)
	// More weight would let a stale history outvote what is seen now.
	const most = 2000
	m.Prior = seqtest.Prior{Rate: d.Rate, Weight: math.Min(float64(all.N), most)}
	m.Dispersion = d.Divisor()
	return m
}

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
}

// DefaultPlan judges failed requests: a look every 5 seconds, 1 % false alarms,
// 5 % wrong passes, a quarter of an hour at most.
func DefaultPlan() Plan {
	return Plan{
		Metrics:     []Metric{ErrorsMetric()},
		Alpha:       0.01,
		Beta:        0.05,
		Interval:    5 * time.Second,
		Deadline:    15 * time.Minute,
		StartWithin: time.Minute,
		Lag:         LagAuto,
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
		blocking = blocking || m.Gate == Block
	}
	if !blocking {
		return usage("set the gate of one metric to block", "no metric blocks, so nothing could be decided")
	}
	return nil
}

func (m Metric) check() error {
	if m.Gate != Block && m.Gate != Warn && m.Gate != Observe {
		return fmt.Errorf("gate %q is not known: use block, warn or observe", m.Gate)
	}
	if !(m.Weight > 0) || math.IsInf(m.Weight, 1) {
		return fmt.Errorf("weight %v must be above 0", m.Weight)
	}
	if err := m.test(seqtest.Fail, false).Process.Check(); err != nil {
		return fmt.Errorf("tolerance: %w", err)
	}
	if err := m.test(seqtest.Pass, false).Process.Check(); err != nil {
		return fmt.Errorf("margin: %w", err)
	}
	// Between a lower margin and the tolerance both could be rejected.
	if m.Pass.Delta < m.Fail.Delta || m.Pass.At(1) < m.Fail.At(1) {
		return fmt.Errorf("the margin for pass (%s) must not lie below the tolerance for fail (%s)",
			nullWords(m.Pass), nullWords(m.Fail))
	}
	return nil
}

// test is the metric's sequential test of one side.
func (m Metric) test(side seqtest.Side, lag bool) seqtest.Test {
	null := m.Fail
	if side == seqtest.Pass {
		null = m.Pass
	}
	p := seqtest.NewProcess(side, null)
	p.Prior, p.Dispersion = m.Prior, m.Dispersion
	return seqtest.Test{Process: p, Lag: lag}
}

// earliestPass is the time before which no PASS is given.
func (p Plan) earliestPass() time.Duration {
	return max(p.MinDuration, p.WarmUp+2*p.Interval)
}
