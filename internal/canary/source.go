package canary

import (
	"context"
	"fmt"

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
	// Counts are by metric name; a metric that is missing here adds nothing.
	Counts map[string]seqtest.Counts
	// Latency holds the window's response times, where the source sees them.
	Latency *Latency
	// Notes are sentences for people about this window: restarts, lost ticks.
	Notes []string
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
	// Kind is a stable word: down, timeout, status, not-metrics, no-counter,
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
