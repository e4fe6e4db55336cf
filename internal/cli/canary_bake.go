package cli

import (
	"context"
	"os"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

// canaryBakeFlags say what the time before is.
type canaryBakeFlags struct {
	Bake      bool   `help:"Compare the time after a rollout with the time before, until the deadline: --canary, or --canary-labels, is what runs now; the time before is in --before, or in Prometheus. Together with --on-fail, an alert that rolls back."`
	Before    string `help:"For --bake and calibrate: a report of canary-gate; what it saw of its baseline is the time before." placeholder:"FILE"`
	RolledOut string `help:"For --bake with --prometheus: when the rollout was, such as 2026-11-20T12:00:00Z; now if not given." placeholder:"TIME"`
}

// sameSides settles what a bake and a calibration look at: one release, so that
// its labels need to be given once.
func (c *canaryGateCmd) sameSides() error {
	switch {
	case c.Bake && c.Task == "calibrate":
		return failure.New(failure.Usage, "leave one of them out", "--bake and calibrate exclude each other")
	case c.Bake && c.Probe:
		return failure.New(failure.Usage, "use its /metrics or Prometheus", "--bake needs the time before, and probes have none")
	case c.Bake && c.State != "":
		return failure.New(failure.Usage, "leave one of them out", "--bake and --state exclude each other")
	case c.Bake && len(c.Step) > 0:
		return failure.New(failure.Usage, "leave one of them out", "--bake and --step exclude each other: after a rollout no traffic is moved")
	case c.Bake && len(c.AlertRule) > 0:
		return failure.New(failure.Usage, "leave --alert-rule out: an alert about a release that runs alone comes from Prometheus itself", "--bake and --alert-rule exclude each other: a rule is asked of two releases side by side")
	case c.Bake && len(c.Baseline) > 0:
		return failure.New(failure.Usage, "leave --baseline out, and give --before", "the baseline of a bake is the time before")
	case (c.Bake || c.Task == "calibrate") && c.Prometheus == "" && c.Before == "":
		return failure.New(failure.Usage, "--before report.json, or --prometheus URL", "there is no time before to look at")
	}
	if c.Bake && c.BaselineLabels == "" {
		c.BaselineLabels = c.CanaryLabels
	}
	return nil
}

// past is the time before and the seconds that a look covers, where it does not
// say so itself.
func (c *canaryGateCmd) past(ctx context.Context, s *session, plan canary.Plan, src canary.Source) ([]canary.Sample, float64, error) {
	if c.Before != "" {
		rep, err := readGateReport("--before", c.Before)
		if err != nil {
			return nil, 0, err
		}
		return canary.Before(rep, false), rep.Plan.IntervalSeconds, nil
	}
	historian, ok := src.(canary.Historian)
	if !ok {
		return nil, 0, failure.New(failure.Usage, "--before report.json, or --prometheus URL", "the source cannot look back")
	}
	var at time.Time
	if c.RolledOut != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, c.RolledOut); err != nil {
			return nil, 0, failure.New(failure.Usage, "for example 2026-11-20T12:00:00Z", "--rolled-out %q is not a time", c.RolledOut)
		}
	}
	if now := s.Now(); at.After(now.Add(time.Minute)) {
		return nil, 0, failure.New(failure.Usage, "is the clock of this machine, or the time's zone, wrong?", "--rolled-out %s lies in the future; it is %s", c.RolledOut, now.UTC().Format(time.RFC3339))
	}
	samples, err := historian.History(ctx, at, c.History, plan.Interval)
	if err != nil {
		return nil, 0, failure.Wrap(failure.Service, "", err)
	}
	if len(samples) == 0 {
		return nil, 0, failure.New(failure.Usage, "are the labels and the counter's name right? A first release has no time before", "the server has nothing of {%s} in the %s before the rollout",
			firstOf(c.BaselineLabels, c.CanaryLabels), c.History)
	}
	return samples, plan.Interval.Seconds(), nil
}

// calibrate answers from the baseline's past.
func (c *canaryGateCmd) calibrate(ctx context.Context, s *session, plan canary.Plan) (*outcome, error) {
	var src canary.Source
	if c.Before == "" {
		if c.CanaryLabels == "" { // nobody needs a canary to calibrate
			c.CanaryLabels = c.BaselineLabels
		}
		c.Bake = true
		opened, end, err := c.source(ctx, s)
		if err != nil {
			return nil, err
		}
		defer end()
		src = opened
	}
	samples, window, err := c.past(ctx, s, plan, src)
	if err != nil {
		return nil, err
	}
	cal := canary.Calibrate(plan, samples, window)
	if len(cal.Metrics) == 0 {
		return &outcome{verdict: finding.Inconclusive, document: cal, text: cal.Text}, nil
	}
	return &outcome{verdict: finding.Pass, document: cal, text: cal.Text}, nil
}

// readGateReport reads a report of canary-gate from a file.
func readGateReport(flag, path string) (canary.Report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return canary.Report{}, failure.New(failure.Usage, "", "%s: %w", flag, err)
	}
	rep, err := canary.ParseReport(data)
	if err != nil {
		return canary.Report{}, failure.New(failure.Usage, "", "%s %s: %w", flag, path, err)
	}
	return rep, nil
}
