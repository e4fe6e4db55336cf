package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

// canaryPlanFlags say what is tolerated, and how sure to be.
type canaryPlanFlags struct {
	Interval    time.Duration `default:"5s" help:"Time between two looks."`
	WarmUp      time.Duration `default:"0s" help:"Watched, not judged; what the baseline does meanwhile counts as its history."`
	MinDuration time.Duration `default:"0s" help:"Earliest time of a pass."`
	Deadline    time.Duration `default:"15m" help:"When the gate gives up."`
	AtDeadline  string        `enum:"inconclusive,fail,pass" default:"inconclusive" help:"Verdict when the deadline comes without one."`
	Alpha       float64       `default:"0.01" help:"Chance of a false fail in the whole run."`
	Beta        float64       `default:"0.05" help:"Chance of a wrong pass."`
	Tolerate    float64       `default:"0" help:"Fail only when the canary's share of errors is proven to be more than this many percentage points above the baseline's."`
	Margin      float64       `default:"0.5" help:"Pass when it is proven to be less than this many percentage points above."`
	Metric      []metricSpec  `help:"A metric and what is wanted of it: its name, then gate=block, warn, observe or off; tolerate, margin (percentage points); tolerate-ratio, margin-ratio (factors); worse=up, down or either; above=500ms (counts slow responses); kind=gauge; weight. errors, latency, memory and restarts are there without it, the last three where the source shows them. Repeatable." sep:"none" placeholder:"NAME KEY=VALUE…"`
	Lag         string        `enum:"auto,on,off" default:"auto" help:"Whether evidence must survive a shift of the baseline by one look; auto is off for probes."`
	Share       float64       `default:"0" help:"The canary's intended share of the traffic, between 0 and 1; 0 if not known."`
	History     time.Duration `default:"1h" help:"How far to look back at the baseline before it begins, where the source can (Prometheus); 0 for not at all."`
	Horizon     bool          `help:"Need less evidence for a fail, by a threshold that holds for looks until the deadline only. Needs history and --share."`
}

// metricSpec is a line of --metric: read at once, so that a mistake is named with
// its place in the settings file.
type metricSpec string

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *metricSpec) UnmarshalText(text []byte) error {
	p := canary.DefaultPlan()
	err := p.SetMetric(string(text))
	// What a new name measures may be said by --gauge-metric.
	if err != nil && p.SetMetric(string(text)+" kind=gauge") != nil {
		return err
	}
	*m = metricSpec(text)
	return nil
}

// canaryRunFlags say what the gate moves, and what it remembers.
type canaryRunFlags struct {
	Step      []float64     `help:"Shares of the traffic, in percent, to give the canary one after the other through --step-hook, such as 5,25,50. A pass waits for the last." placeholder:"PERCENT"`
	StepEvery time.Duration `default:"2m" help:"Time from one step to the next, while nothing speaks against it."`
	StepHook  string        `help:"Program that gives the canary a share of the traffic: FAIRLEAD_WEIGHT (percent) is in its environment; 0 after a fail." placeholder:"COMMAND"`
	OnFail    string        `help:"Program to run after a fail, for example a rollback; FAIRLEAD_VERDICT and FAIRLEAD_REASON are in its environment." placeholder:"COMMAND"`
	HookLimit time.Duration `default:"5m" help:"Longest time for --step-hook and --on-fail."`
	State     string        `help:"File that keeps what is known, so that a cancelled job goes on where it stopped when it is run again." placeholder:"FILE"`
	StateKey  string        `help:"What the state is about, such as the canary's digest: a state about something else is not taken over. Inside Actions the workflow run if not given." placeholder:"TEXT"`
}

// plan is what the flags describe.
func (c *canaryGateCmd) plan() (canary.Plan, error) {
	p := canary.DefaultPlan()
	p.Interval, p.WarmUp, p.MinDuration, p.Deadline = c.Interval, c.WarmUp, c.MinDuration, c.Deadline
	p.Alpha, p.Beta, p.Lag, p.Share = c.Alpha, c.Beta, canary.Lag(c.Lag), c.Share
	p.Metrics[0].Fail.Delta, p.Metrics[0].Pass.Delta = c.Tolerate/100, c.Margin/100
	p.AtDeadline, p.Calibrate = finding.Verdict(c.AtDeadline), c.Horizon
	p.StartWithin = min(p.StartWithin, p.Deadline)
	for _, g := range c.GaugeMetric {
		// Memory is compared anyway, whatever reads it.
		name, _, ok := strings.Cut(g, "=")
		if ok && name != "" && !slices.ContainsFunc(p.Metrics, func(m canary.Metric) bool { return m.Name == name }) {
			m := canary.MemoryMetric()
			m.Name, m.IfSeen = name, false // asked for: that it is not there is told
			p.Metrics = append(p.Metrics, m)
		}
	}
	for _, spec := range c.Metric {
		if err := p.SetMetric(string(spec)); err != nil {
			return p, failure.Wrap(failure.Usage, "", fmt.Errorf("--metric: %w", err))
		}
	}
	for _, percent := range c.Step {
		p.Steps = append(p.Steps, percent/100)
	}
	if len(p.Steps) > 0 {
		p.StepEvery = c.StepEvery
		if c.StepHook == "" {
			return p, failure.New(failure.Usage, "--step-hook ./shift-traffic.sh", "--step needs a program that moves the traffic")
		}
	}
	return p, nil
}

// lookBack reads the baseline's history, where the source has one. A source that
// cannot be asked now may be later: that is no reason not to begin.
func (c *canaryGateCmd) lookBack(ctx context.Context, s *session, plan *canary.Plan, src canary.Source) error {
	past, ok := src.(canary.Historian)
	if !ok || c.History <= 0 {
		return ctx.Err()
	}
	samples, err := past.History(ctx, time.Time{}, c.History, plan.Interval)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.logf("canary-gate: no history: %s", finding.Printable(err.Error()))
		return nil
	}
	plan.History = canary.NewHistory(samples, plan.Interval.Seconds())
	if seen, ok := plan.Seen(); ok {
		s.logf("canary-gate: %s", canary.Preview(*plan, seen).Text)
	}
	return nil
}

// progress shows a tick as it is judged: one line on a terminal, rewritten. In a
// log, which keeps every line, it speaks once a minute.
func progress(s *session, plan canary.Plan) func(canary.Tick) {
	if s.format == "json" {
		return nil
	}
	live, forecast := canary.NewLive(plan), forecaster(s, plan)
	s.logf("canary-gate: %s", plan.Opening())
	if s.Terminal {
		return func(t canary.Tick) {
			forecast(t)
			fmt.Fprintf(s.Stderr, "\r\x1b[K%s", live.Line(t, s.width()))
		}
	}
	spoken := 0.0
	return func(t canary.Tick) {
		forecast(t)
		text := "canary-gate: " + live.Line(t, 400)
		if t.Seconds-spoken >= 60 {
			spoken = t.Seconds
			fmt.Fprintln(s.Stderr, text)
		}
	}
}

// forecaster says once how long a verdict takes at the traffic that there is, as
// soon as some looks have shown it, where the history has not said so before.
func forecaster(s *session, plan canary.Plan) func(canary.Tick) {
	_, said := plan.Seen()
	said = said || plan.Bake
	looks, begin := 0, 0.0
	return func(t canary.Tick) {
		if said {
			return
		}
		if t.State != canary.TickJudged {
			if looks == 0 {
				begin = t.Seconds
			}
			return
		}
		if looks++; looks < 6 {
			return
		}
		if text := plan.Forecast(t, t.Seconds-begin); text != "" {
			said = true
			clearLine(s)
			s.logf("canary-gate: %s", text)
		}
	}
}

// width is how long a line on the terminal may be.
func (s *session) width() int {
	if s.Width == nil {
		return 110
	}
	// A line that fills the last column is wrapped by some terminals.
	return max(20, s.Width()-1)
}

// clearLine takes the live line away, so that the answer begins on a fresh one.
func clearLine(s *session) {
	if s.Terminal && s.format != "json" {
		_, _ = io.WriteString(s.Stderr, "\r\x1b[K")
	}
}
