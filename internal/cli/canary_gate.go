package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// canaryGateCmd is the definition of canary-gate.
type canaryGateCmd struct {
	Baseline []string `help:"Address of an instance of the running release (its /metrics), or with --probe its base URL. Repeatable." sep:"none" placeholder:"URL"`
	Canary   []string `help:"Address of an instance of the canary. Repeatable." sep:"none" placeholder:"URL"`

	Probe     bool     `help:"Send requests to both and count their failures, instead of reading metrics."`
	ProbePath []string `help:"With --probe: path to request; / if not given. Repeatable." sep:"none" placeholder:"PATH"`
	ProbeRate float64  `default:"10" help:"With --probe: requests per second to each side."`

	prometheusFlags

	Host string `help:"Reach both from this host, ssh://USER@HOST: for a release that listens on its host's loopback." placeholder:"URL"`
	sshFlags
	reportFlags

	Interval    time.Duration `default:"5s" help:"Time between two looks."`
	WarmUp      time.Duration `default:"0s" help:"Watched, not judged."`
	MinDuration time.Duration `default:"0s" help:"Earliest time of a pass."`
	Deadline    time.Duration `default:"15m" help:"When the gate gives up."`
	AtDeadline  string        `enum:"inconclusive,fail,pass" default:"inconclusive" help:"Verdict when the deadline comes without one."`
	Alpha       float64       `default:"0.01" help:"Chance of a false fail in the whole run."`
	Beta        float64       `default:"0.05" help:"Chance of a wrong pass."`
	Tolerate    float64       `default:"0" help:"Fail only when the canary's share of errors is proven to be more than this many percentage points above the baseline's."`
	Margin      float64       `default:"0.5" help:"Pass when it is proven to be less than this many percentage points above."`
	Lag         string        `enum:"auto,on,off" default:"auto" help:"Whether evidence must survive a shift of the baseline by one look; auto is off for probes."`
	Share       float64       `default:"0" help:"The canary's intended share of the traffic, between 0 and 1; 0 if not known."`

	Replay      string  `help:"Judge a recorded report again." placeholder:"FILE"`
	Report      string  `help:"Write the JSON report to this file." placeholder:"FILE"`
	Preview     bool    `help:"Say how long a verdict takes at --preview-rps and --preview-errors, and watch nothing."`
	PreviewRPS  float64 `name:"preview-rps" default:"100" help:"For --preview: requests per second of both together."`
	PreviewErrs float64 `name:"preview-errors" default:"0.1" help:"For --preview: the baseline's share of errors, in percent."`
}

var _ command = (*canaryGateCmd)(nil)

func (c *canaryGateCmd) plan() canary.Plan {
	p := canary.DefaultPlan()
	p.Interval, p.WarmUp, p.MinDuration, p.Deadline = c.Interval, c.WarmUp, c.MinDuration, c.Deadline
	p.Alpha, p.Beta, p.Lag, p.Share = c.Alpha, c.Beta, canary.Lag(c.Lag), c.Share
	p.Metrics[0].Fail.Delta, p.Metrics[0].Pass.Delta = c.Tolerate/100, c.Margin/100
	if c.Prometheus != "" {
		p.StartWithin = 5 * time.Minute // its own scrapes may be a minute apart
	}
	p.StartWithin = min(p.StartWithin, p.Deadline)
	return p
}

func (c *canaryGateCmd) run(ctx context.Context, s *session) (*outcome, error) {
	if c.Replay != "" {
		return c.replay()
	}
	plan := c.plan()
	if err := plan.Check(); err != nil {
		return nil, err
	}
	if c.Preview {
		return c.preview(plan)
	}
	src, closeSource, err := c.source(ctx, s)
	if err != nil {
		return nil, err
	}
	defer closeSource()
	rep, err := canary.Run(ctx, plan, src, canary.Deps{Now: s.Now, Progress: progress(s)})
	if rep.Schema == 0 {
		return nil, err
	}
	if rep.Ended == canary.EndedDeadline && c.AtDeadline != "inconclusive" {
		rep.Verdict = finding.Verdict(c.AtDeadline)
		rep.Notes = append(rep.Notes, "the verdict is the policy for the deadline (--at-deadline "+c.AtDeadline+"), not the numbers'")
	}
	if c.Report != "" {
		if werr := writeReport(c.Report, rep); werr != nil {
			err = errors.Join(err, werr)
		}
	}
	o := canaryOutcome(rep)
	o.report, o.headline = &c.reportFlags, rep.Headline()
	return o, err
}

// progress shows a tick as it is judged: one line on a terminal, rewritten, and
// nothing in logs.
func progress(s *session) func(canary.Tick) {
	if !s.Terminal || s.format == "json" {
		return nil
	}
	begin := s.Now()
	return func(canary.Tick) {
		fmt.Fprintf(s.Stderr, "\r\x1b[Kcanary-gate: watching since %s", s.Now().Sub(begin).Round(time.Second))
	}
}

func (c *canaryGateCmd) replay() (*outcome, error) {
	data, err := os.ReadFile(c.Replay)
	if err != nil {
		return nil, failure.New(failure.Usage, "", "--replay: %w", err)
	}
	old, err := canary.ParseReport(data)
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("%s: %w", c.Replay, err))
	}
	rep, err := canary.Replay(old)
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("%s: %w", c.Replay, err))
	}
	return canaryOutcome(rep), nil
}

func (c *canaryGateCmd) preview(plan canary.Plan) (*outcome, error) {
	half := c.PreviewRPS / 2
	tr := seqtest.Traffic{Baseline: half, Canary: half}
	if c.Share > 0 {
		tr = seqtest.Traffic{Baseline: c.PreviewRPS * (1 - c.Share), Canary: c.PreviewRPS * c.Share}
	}
	f := canary.Preview(plan, canary.Seen{Traffic: tr, BaseRate: c.PreviewErrs / 100})
	doc := map[string]any{"schema": 1, "tool": "canary-gate", "preview": f.Text, "blind": f.Blind}
	return &outcome{verdict: finding.Pass, document: doc, text: line(f.Text), summary: f.Text}, nil
}

func canaryOutcome(rep canary.Report) *outcome {
	o := &outcome{verdict: rep.Verdict, document: rep, text: rep.Text, summary: rep.Summary(), outputs: []pair{
		{"verdict", string(rep.Verdict)}, {"reason", rep.Reason}, {"decided-after-seconds", fmt.Sprint(rep.DecidedAfterSeconds)},
	}}
	if rep.Verdict != finding.Pass {
		level := gha.LevelError
		if rep.Verdict == finding.Inconclusive {
			level = gha.LevelWarning
		}
		o.annotations = []gha.Annotation{{Level: level, Title: "canary-gate: " + string(rep.Verdict), Message: finding.Printable(rep.Headline())}}
	}
	return o
}

func writeReport(path string, rep canary.Report) error {
	data, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return failure.New(failure.Usage, "", "--report: %w", err)
	}
	return nil
}
