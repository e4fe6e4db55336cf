package canary

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Source delivers what both cohorts did, as counts. The scrape and probe
// packages implement it.
type Source interface {
	// Sample returns what happened since the last successful call. The first
	// success is the origin and carries no counts. After an error nothing is
	// lost: the next success covers the longer time. An error that wraps a
	// [Problem] with Fatal set ends the run; every other one is retried.
	Sample(ctx context.Context) (Sample, error)
	// Aligned says whether both cohorts are always seen over the very same
	// window, so that the lag rule is not needed.
	Aligned() bool
}

// Sample is one window of both cohorts.
type Sample struct {
	// Origin is true for the first sample, which only sets the counters.
	Origin bool
	// Pending is true when the source looks more rarely than it is asked and has
	// nothing new yet: no tick, the next sample covers this time, too.
	Pending bool
	// Seconds is the time that a sample of a history covers.
	Seconds float64
	// Counts are by metric name; a metric that is missing here adds nothing.
	Counts map[string]seqtest.Counts
	// Latency holds the window's response times, where the source sees them.
	Latency *Latency
	// Gauges are readings that are no counts (memory, queue length), by metric
	// name: the mean over each side's instances in this window. They only advise.
	Gauges map[string]Gauge
	// Conditions are further judgements, such as alerting rules, made for each
	// side on its own.
	Conditions []Condition
	// Notes are sentences for people about this window: restarts, lost ticks.
	Notes []string
}

// Gauge is one reading of both sides, in the metric's own unit. A side that was
// not seen is NaN.
type Gauge struct {
	Baseline float64 `json:"baseline"`
	Canary   float64 `json:"canary"`
}

// Condition is a rule that somebody else wrote and that was asked of each side.
// One that holds for the canary and not for the baseline, in two windows in a
// row, fails the gate.
type Condition struct {
	Name     string `json:"name"`
	Canary   bool   `json:"canary"`
	Baseline bool   `json:"baseline"`
	// Why says what it saw, for people.
	Why string `json:"why,omitempty"`
}

// Historian is a source that can look back. The samples are the baseline's
// windows before the given time (zero: before the run), oldest first, with the
// canary's side empty. What lies too far back is left out without an error.
type Historian interface {
	History(ctx context.Context, before time.Time, length, window time.Duration) ([]Sample, error)
}

// Resumable is a source whose place can be kept in a file: with its state put
// back before the first sample, a new process goes on where another stopped, and
// the time between is one long window instead of a lost one.
type Resumable interface {
	State() (json.RawMessage, error)
	Resume(state json.RawMessage) error
}

// Latency counts responses by time. Counts have one more entry than BoundsMS:
// the last one is everything slower.
type Latency struct {
	BoundsMS []float64 `json:"bounds_ms"`
	Baseline []int64   `json:"baseline"`
	Canary   []int64   `json:"canary"`
}

// plus adds a window; bounds never change within a run.
func (l *Latency) plus(d *Latency) *Latency {
	if d == nil {
		return l
	}
	sum := &Latency{BoundsMS: d.BoundsMS, Baseline: make([]int64, len(d.Baseline)), Canary: make([]int64, len(d.Canary))}
	copy(sum.Baseline, d.Baseline)
	copy(sum.Canary, d.Canary)
	if l != nil && len(l.Baseline) == len(d.Baseline) && len(l.Canary) == len(d.Canary) {
		for i := range l.Baseline {
			sum.Baseline[i] += l.Baseline[i]
			sum.Canary[i] += l.Canary[i]
		}
	}
	return sum
}

// Problem is a named reason why a source could not deliver.
type Problem struct {
	// Kind is a stable word: down, timeout, tls, status, not-metrics, no-counter,
	// too-large, bad-value, several-processes, not-found.
	Kind string
	// Cohort is "baseline" or "canary", or empty when both are concerned.
	Cohort string
	// Where is the address, without credentials.
	Where string
	// Detail says what was seen and what to do, in lower case.
	Detail string
	// Fatal means that waiting cannot help and that any verdict would be wrong.
	Fatal bool
}

// Error returns cohort, address and detail.
func (p *Problem) Error() string {
	switch {
	case p.Cohort == "":
		return p.Detail
	case p.Where == "":
		return fmt.Sprintf("%s: %s", p.Cohort, p.Detail)
	default:
		return fmt.Sprintf("%s %s: %s", p.Cohort, p.Where, p.Detail)
	}
}
