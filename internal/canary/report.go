package canary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Report is the canary-gate document. The verdict can be computed again from
// its plan and ticks: see [Replay].
type Report struct {
	Schema  int             `json:"schema"`
	Tool    string          `json:"tool"`
	Verdict finding.Verdict `json:"verdict"`
	// Reason is the verdict's sentence, without the verdict itself.
	Reason string `json:"reason"`
	// Ended says why the run stopped.
	Ended               Ended     `json:"ended"`
	Started             time.Time `json:"started"`
	DecidedAfterSeconds float64   `json:"decided_after_seconds"`
	// Hurt is how many requests failed beyond the baseline's share.
	Hurt    int64          `json:"hurt"`
	Metrics []MetricReport `json:"metrics"`
	Latency *Latency       `json:"latency,omitempty"`
	// Conditions are the rules that were asked of each side, with what they last
	// said; Fired names those that failed the gate.
	Conditions []Condition `json:"conditions,omitempty"`
	Fired      []string    `json:"fired,omitempty"`
	// Done is what the run's hooks did after the verdict, Next what is left to do.
	Done []string `json:"done,omitempty"`
	Next []string `json:"next,omitempty"`
	// Preview says how long a verdict takes at the traffic that was seen.
	Preview string `json:"preview,omitempty"`
	// Problems are what went wrong on the way, each with how often.
	Problems []ProblemReport `json:"problems,omitempty"`
	Notes    []string        `json:"notes,omitempty"`
	Plan     PlanReport      `json:"plan"`
	Ticks    []Tick          `json:"ticks"`
}

// Ended is why a run stopped.
type Ended string

// The reasons. Only EndedDecided comes with pass or fail.
const (
	EndedDecided     Ended = "decided"
	EndedDeadline    Ended = "deadline"
	EndedInterrupted Ended = "interrupted"
	EndedRefused     Ended = "refused"  // the source cannot be trusted
	EndedNoStart     Ended = "no_start" // the source never answered
)

// MetricReport is one metric's answer.
type MetricReport struct {
	Name    string          `json:"name"`
	Gate    Gate            `json:"gate"`
	Verdict finding.Verdict `json:"verdict"`
	// EFail and EPass are the evidence as numbers, capped at 1e300; LnEFail and
	// LnEPass are their natural logarithms, which are exact.
	EFail    float64        `json:"e_fail"`
	EPass    float64        `json:"e_pass"`
	LnEFail  float64        `json:"ln_e_fail"`
	LnEPass  float64        `json:"ln_e_pass"`
	Ratio    Interval       `json:"ratio"`
	Baseline seqtest.Cohort `json:"baseline"`
	Canary   seqtest.Cohort `json:"canary"`
	// AboveMS is the threshold of response times that the counts are for.
	AboveMS float64 `json:"above_ms,omitempty"`
	// Divisor is what the evidence was divided by because errors come in
	// clusters, where that is more than 1. Cautious says that this is not known
	// but assumed, for want of a history and of looks.
	Divisor  float64 `json:"divisor,omitempty"`
	Cautious bool    `json:"cautious,omitempty"`
	// Gauge is the mean readings of a gauge.
	Gauge *Gauge `json:"gauge,omitempty"`
	// Restarts are how often the processes were started anew.
	Restarts *Restarts `json:"restarts,omitempty"`
	// Seen is false for a metric that the source never delivered.
	Seen bool   `json:"seen"`
	Why  string `json:"why"`
}

// Interval is for canary rate / baseline rate: each end is wrong with a chance
// of at most the plan's alpha. High is nil while there is no upper end.
type Interval struct {
	Low  float64  `json:"low"`
	High *float64 `json:"high"`
}

// TickState says what became of a look at the source.
type TickState string

// The states of a tick.
const (
	TickOrigin  TickState = "origin"
	TickWarmUp  TickState = "warm_up"
	TickJudged  TickState = "judged"
	TickSkipped TickState = "skipped"
)

// Tick is one look at the source.
type Tick struct {
	// Seconds since the start of the run.
	Seconds float64   `json:"seconds"`
	State   TickState `json:"state"`
	// Counts are what was new, by metric, Times the response times in the buckets
	// of the report's latency; Evidence is what they add up to.
	Counts     map[string]seqtest.Counts `json:"counts,omitempty"`
	Times      *Times                    `json:"times,omitempty"`
	Gauges     map[string]Gauge          `json:"gauges,omitempty"`
	Conditions []Condition               `json:"conditions,omitempty"`
	Evidence   map[string]Evidence       `json:"evidence,omitempty"`
	// Share is the canary's share of the traffic that this tick was to have,
	// where there is one; none while a new one is taking effect.
	Share float64 `json:"share,omitempty"`
	// Why says why the tick was skipped or a verdict is held back.
	Why   string   `json:"why,omitempty"`
	Notes []string `json:"notes,omitempty"`
	// Total is the judged counts so far, for a live view.
	Total map[string]seqtest.Counts `json:"-"`

	// bounds are those of Times.
	bounds []float64
}

// Times are response times of one tick by bucket; the last one is everything
// slower.
type Times struct {
	Baseline []int64 `json:"baseline"`
	Canary   []int64 `json:"canary"`
}

func (t *Times) times() seqtest.Times { return seqtest.Times{Baseline: t.Baseline, Canary: t.Canary} }

// Evidence is a metric's evidence after a tick, as natural logarithms.
type Evidence struct {
	LnEFail float64 `json:"ln_e_fail"`
	LnEPass float64 `json:"ln_e_pass"`
	// Low and High are the interval for the ratio, where there is one.
	Low  float64  `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
}

// MarshalJSON writes six digits, which charts do not need more of: evidence is
// computed again from the counts.
func (e Evidence) MarshalJSON() ([]byte, error) {
	out := appendShort([]byte(`{"ln_e_fail":`), e.LnEFail)
	out = appendShort(append(out, `,"ln_e_pass":`...), e.LnEPass)
	if e.Low != 0 {
		out = appendShort(append(out, `,"low":`...), e.Low)
	}
	if e.High != nil {
		out = appendShort(append(out, `,"high":`...), *e.High)
	}
	return append(out, '}'), nil
}

func appendShort(out []byte, x float64) []byte { return strconv.AppendFloat(out, x, 'g', 6, 64) }

// JSON is the report as a document for people, too: a tick stands on one line.
func (rep Report) JSON() ([]byte, error) {
	ticks := rep.Ticks
	rep.Ticks = nil
	data, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(data, []byte("null\n}")))
	b.WriteString("[")
	for i, t := range ticks {
		line, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		b.WriteString(map[bool]string{true: "\n    ", false: ",\n    "}[i == 0])
		b.Write(line)
	}
	b.WriteString("\n  ]\n}\n")
	return b.Bytes(), nil
}

// ProblemReport is a problem and how often it happened.
type ProblemReport struct {
	Kind    string `json:"kind"`
	Cohort  string `json:"cohort,omitempty"`
	Where   string `json:"where,omitempty"`
	Message string `json:"message"`
	Count   int    `json:"count"`
}

// PlanReport is the plan as it was applied: durations in seconds, lag settled.
type PlanReport struct {
	Metrics            []Metric `json:"metrics"`
	Alpha              float64  `json:"alpha"`
	Beta               float64  `json:"beta"`
	IntervalSeconds    float64  `json:"interval_seconds"`
	WarmUpSeconds      float64  `json:"warm_up_seconds"`
	MinDurationSeconds float64  `json:"min_duration_seconds"`
	DeadlineSeconds    float64  `json:"deadline_seconds"`
	StartWithinSeconds float64  `json:"start_within_seconds"`
	Lag                Lag      `json:"lag"`
	Share              float64  `json:"share,omitempty"`

	Steps            []float64       `json:"steps,omitempty"`
	StepEverySeconds float64         `json:"step_every_seconds,omitempty"`
	AtDeadline       finding.Verdict `json:"at_deadline,omitempty"`
	Calibrate        bool            `json:"calibrate,omitempty"`
	// FailThreshold is the evidence needed for FAIL, as a natural logarithm,
	// where it is not the plain ln(1/alpha).
	FailThreshold float64  `json:"fail_threshold,omitempty"`
	History       *History `json:"history,omitempty"`
	Bake          bool     `json:"bake,omitempty"`
}

func (p Plan) report() PlanReport {
	out := PlanReport{
		Steps: p.Steps, StepEverySeconds: p.StepEvery.Seconds(), AtDeadline: p.AtDeadline,
		Calibrate: p.Calibrate, FailThreshold: p.threshold, Bake: p.Bake,
		Metrics: p.Metrics, Alpha: p.Alpha, Beta: p.Beta,
		IntervalSeconds: p.Interval.Seconds(), WarmUpSeconds: p.WarmUp.Seconds(),
		MinDurationSeconds: p.MinDuration.Seconds(), DeadlineSeconds: p.Deadline.Seconds(),
		StartWithinSeconds: p.StartWithin.Seconds(), Lag: p.Lag, Share: p.Share,
	}
	if len(p.History.Ticks) > 0 || len(p.History.Times) > 0 {
		out.History = &p.History
	}
	return out
}

// Plan turns the recorded plan back into one that can be applied.
func (r PlanReport) Plan() Plan {
	p := Plan{
		Steps: r.Steps, StepEvery: seconds(r.StepEverySeconds), AtDeadline: r.AtDeadline,
		Calibrate: r.Calibrate, threshold: r.FailThreshold, Bake: r.Bake,
		Metrics: r.Metrics, Alpha: r.Alpha, Beta: r.Beta,
		Interval: seconds(r.IntervalSeconds), WarmUp: seconds(r.WarmUpSeconds),
		MinDuration: seconds(r.MinDurationSeconds), Deadline: seconds(r.DeadlineSeconds),
		StartWithin: seconds(r.StartWithinSeconds), Lag: r.Lag, Share: r.Share,
	}
	if r.History != nil {
		p.History = *r.History
	}
	return p
}

// ParseReport reads a canary-gate document.
func ParseReport(data []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return Report{}, fmt.Errorf("reading canary-gate report: %w", err)
	}
	if r.Schema != 1 || r.Tool != "canary-gate" {
		return Report{}, fmt.Errorf("reading canary-gate report: schema %d of tool %q is not known", r.Schema, r.Tool)
	}
	return r, nil
}
