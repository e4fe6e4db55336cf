package canary

import (
	"fmt"
	"math"

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

// Kind is what a metric measures.
type Kind string

// The kinds. A count is bad requests of all requests, and the only kind a source
// must deliver. KindLatency compares response times at all thresholds that the
// source sees. KindGauge compares readings; it only advises.
const (
	KindCount   Kind = ""
	KindLatency Kind = "latency"
	KindGauge   Kind = "gauge"
	// KindRestarts counts new processes; it only advises.
	KindRestarts Kind = "restarts"
)

// Direction is the change that is bad.
type Direction string

// The directions: more of it (the default), less of it, or any change, which
// shares the budget between both.
const (
	Up     Direction = ""
	Down   Direction = "down"
	Either Direction = "either"
)

// The names of the default metrics: failed requests, which every source
// delivers, and response times.
const (
	Errors       = "errors"
	ResponseTime = "latency"
)

// Metric is one thing that is compared, and what is tolerated of it.
type Metric struct {
	Name      string    `json:"name"`
	Kind      Kind      `json:"kind,omitempty"`
	Gate      Gate      `json:"gate"`
	Direction Direction `json:"direction,omitempty"`
	// AboveMS makes a count of the source's response times: those slower than so
	// many milliseconds, or than the next bound that the source sees.
	AboveMS float64 `json:"above_ms,omitempty"`
	// IfSeen leaves the metric out of the verdict when the source never delivers it.
	IfSeen bool `json:"if_seen,omitempty"`
	// Fail is tolerated: FAIL needs proof that the canary is worse than that.
	Fail seqtest.Null `json:"fail"`
	// Pass is the margin: PASS needs proof that the canary is better than that.
	// It lies at or above Fail.
	Pass seqtest.Null `json:"pass"`
	// Weight is the share of the false-alarm budget, relative to other metrics.
	Weight float64 `json:"weight"`
	// Prior is what is believed of the baseline before the first tick.
	Prior seqtest.Prior `json:"prior"`
	// Dispersion divides the evidence at least, for errors that come in clusters;
	// 1 for independent ones. What the history and the run themselves show may
	// raise it.
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

// LatencyMetric is the default for response times, where the source sees them:
// at every threshold, up to a fifth more slow requests is tolerated (responses
// about 5 % slower), and PASS needs less than half more plus half a point.
func LatencyMetric() Metric {
	m := ErrorsMetric()
	m.Name, m.Kind, m.IfSeen = ResponseTime, KindLatency, true
	m.Fail, m.Pass = seqtest.Null{Rho: 1.2}, seqtest.Null{Rho: 1.5, Delta: 0.005}
	return m
}

// MemoryMetric is the default for memory, where the source sees it: a warning when
// it keeps growing against the baseline's, or is a fifth above it for long.
func MemoryMetric() Metric {
	m := ErrorsMetric()
	m.Name, m.Kind, m.Gate, m.IfSeen = "memory", KindGauge, Warn, true
	m.Fail = seqtest.Null{Rho: 1.2}
	m.Pass = m.Fail
	return m
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
	m.Prior = seqtest.HistoryPrior(all)
	m.Dispersion = math.Max(m.Dispersion, seqtest.Disperse(history).Divisor())
	return m
}

func (m Metric) check() error {
	switch {
	case m.Gate != Block && m.Gate != Warn && m.Gate != Observe:
		return fmt.Errorf("gate %q is not known: use block, warn or observe", m.Gate)
	case m.Kind != KindCount && m.Kind != KindLatency && m.Kind != KindGauge && m.Kind != KindRestarts:
		return fmt.Errorf("kind %q is not known: use latency, gauge or nothing", m.Kind)
	case m.Kind == KindGauge && m.Gate == Block:
		return fmt.Errorf("readings resemble the ones before, so that a gauge can warn or be observed, not block")
	case m.Direction != Up && m.Direction != Down && m.Direction != Either:
		return fmt.Errorf("direction %q is not known: use up, down or either", m.Direction)
	case m.Kind == KindRestarts && m.Gate == Block:
		return fmt.Errorf("restarts are too few to decide: they can warn or be observed, not block")
	case m.Kind != KindCount && m.Direction != Up && m.Kind != KindGauge:
		return fmt.Errorf("response times and restarts are judged upwards only")
	case m.AboveMS < 0 || math.IsNaN(m.AboveMS) || m.AboveMS > 0 && m.Kind != KindCount:
		return fmt.Errorf("a threshold of %v ms belongs to a count and must be above 0", m.AboveMS)
	case !(m.Weight > 0) || math.IsInf(m.Weight, 1):
		return fmt.Errorf("weight %v must be above 0", m.Weight)
	case m.Kind == KindGauge:
		if !(m.Fail.Rho > 0) || math.IsInf(m.Fail.Rho, 1) || math.IsNaN(m.Fail.Delta) || math.IsInf(m.Fail.Delta, 0) {
			return fmt.Errorf("tolerance %v × the baseline %+v cannot be", m.Fail.Rho, m.Fail.Delta)
		}
		return nil
	}
	for what, n := range map[string]seqtest.Null{"tolerance": m.Fail, "margin": m.Pass} {
		if math.Abs(n.Delta) > 1 {
			return fmt.Errorf("a %s of %s percentage points: there are 100 at most", what, number(n.Delta*100))
		}
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

// test is the metric's sequential test of one side. Evidence is kept undivided:
// the dispersion is applied when it is asked for.
func (m Metric) test(side seqtest.Side, lag bool) seqtest.Test {
	null := m.Fail
	if side == seqtest.Pass {
		null = m.Pass
	}
	p := seqtest.NewProcess(side, null)
	p.Prior = m.Prior
	return seqtest.Test{Process: p, Lag: lag}
}
