package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/probe"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// canaryGateCmd is the definition of canary-gate.
type canaryGateCmd struct {
	Task string `arg:"" optional:"" enum:"gate,calibrate" default:"gate" help:"gate, or calibrate: say what the baseline's past means for the gate (how clustered its errors are, how often it would have raised a false alarm, what it can see)."`

	Baseline []string `help:"Address of an instance of the running release (its /metrics), or with --probe its base URL. Repeatable." sep:"none" placeholder:"URL"`
	Canary   []string `help:"Address of an instance of the canary. Repeatable." sep:"none" placeholder:"URL"`

	Probe     bool        `help:"Send requests to both and count their failures, instead of reading metrics."`
	ProbePath []probePath `help:"With --probe: path to request, / if not given, and what is expected of the answer: /checkout status=200 contains=Total within=500ms. Also lacks=TEXT, json=FIELD=VALUE, method, header and body (docs/canary-sources.md). Repeatable; they take turns." sep:"none" placeholder:"PATH KEY=VALUE…"`
	ProbeRate float64     `default:"10" help:"With --probe: requests per second to each side."`

	prometheusFlags

	Host string `help:"Reach both from this host, ssh://USER@HOST: for a release that listens on its host's loopback." placeholder:"URL"`
	sshFlags
	reportFlags

	canaryPlanFlags
	canaryRunFlags
	canaryBakeFlags

	Replay      string  `help:"Judge a recorded report again." placeholder:"FILE"`
	Report      string  `help:"Write the JSON report to this file." placeholder:"FILE"`
	HTML        string  `name:"html" help:"Write the report as a web page to this file: one file, to be kept as an artifact." placeholder:"FILE"`
	Preview     bool    `help:"Say how long a verdict takes, and judge nothing: at the traffic that the addresses show in a few looks, or else at --preview-rps and --preview-errors."`
	PreviewRPS  float64 `name:"preview-rps" default:"100" help:"For --preview: requests per second of both together."`
	PreviewErrs float64 `name:"preview-errors" default:"0.1" help:"For --preview: the baseline's share of errors, in percent."`
}

var _ command = (*canaryGateCmd)(nil)

// probePath is a probe as text: read at once, so that a mistake is named with its
// place in the settings file.
type probePath struct{ probe.Request }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *probePath) UnmarshalText(text []byte) (err error) {
	p.Request, err = probe.ParseRequest(string(text))
	return err
}

func (c *canaryGateCmd) run(ctx context.Context, s *session) (*outcome, error) {
	o, err := c.answer(ctx, s)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		// Exit code 1 would be a fail, which nobody has proven.
		err = failure.New(failure.Inconclusive, "", "interrupted: there is no verdict")
	}
	return o, err
}

// answer is what was asked for: a verdict, a forecast, a calibration.
func (c *canaryGateCmd) answer(ctx context.Context, s *session) (*outcome, error) {
	if c.Replay != "" {
		return c.replay()
	}
	plan, err := c.plan()
	if err != nil {
		return nil, err
	}
	if c.Prometheus != "" {
		plan.StartWithin = min(5*time.Minute, plan.Deadline) // its own scrapes may be a minute apart
	}
	if err := plan.Check(); err != nil {
		return nil, err
	}
	if err := c.sameSides(); err != nil {
		return nil, err
	}
	if c.Task == "calibrate" {
		return c.calibrate(ctx, s, plan)
	}
	if c.Preview && c.Prometheus == "" && len(c.Baseline)+len(c.Canary) == 0 {
		return c.preview(plan)
	}
	src, closeSource, err := c.source(ctx, s)
	if err != nil {
		return nil, err
	}
	defer closeSource()
	if c.Bake {
		past, _, err := c.past(ctx, s, plan, src)
		if err != nil {
			return nil, err
		}
		if plan, src, err = canary.Bake(plan, src, past); err != nil {
			return nil, err
		}
	} else if err := c.lookBack(ctx, s, &plan, src); err != nil {
		return nil, err
	}
	if c.Preview {
		return c.previewOf(ctx, plan, src)
	}
	return c.watch(ctx, s, plan, src)
}

// watch runs the gate and writes what it was asked to write.
func (c *canaryGateCmd) watch(ctx context.Context, s *session, plan canary.Plan, src canary.Source) (*outcome, error) {
	deps := canary.Deps{Now: s.Now, Progress: progress(s, plan)}
	// A look leaves little behind of the pages it read: a few megabytes more of it
	// cost less than collecting it all the time.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	hooks, err := c.hooks(s)
	if err != nil {
		return nil, err
	}
	if len(plan.Steps) > 0 {
		deps.Advance = hooks.advance
	}
	if err := c.writable(); err != nil {
		return nil, err
	}
	state := c.state(s)
	if deps.From, err = state.load(s); err != nil {
		return nil, err
	}
	deps.Save = state.save()
	rep, err := canary.Run(ctx, plan, src, deps)
	if rep.Schema == 0 {
		return nil, err
	}
	clearLine(s)
	if rep.Ended == canary.EndedDecided {
		state.done()
	}
	if rep.Verdict == finding.Fail && (hooks.step != nil || hooks.fail != nil) {
		// What the hooks do takes its time, and their output needs its reason above it.
		s.logf("canary-gate: %s: %s; what was to be run after a fail is run", rep.Headline(), finding.Printable(rep.Reason))
	}
	undoing := hooks.after(context.WithoutCancel(ctx), &rep)
	if wrote := errors.Join(undoing, c.write(rep)); wrote != nil {
		err = wrote // worse news than an interruption
	}
	o := canaryOutcome(rep)
	o.report, o.headline = &c.reportFlags, rep.Headline()
	return o, err
}

// writable makes sure, before anything is watched, that what was asked for can be
// written in the end. The files are left as they are.
func (c *canaryGateCmd) writable() error {
	for _, x := range []struct{ flag, path string }{{"--report", c.Report}, {"--html", c.HTML}, {"--state", c.State}} {
		if x.path == "" {
			continue
		}
		info, missing := os.Stat(x.path)
		if missing == nil && !info.Mode().IsRegular() && !info.IsDir() {
			continue // whoever reads a pipe would take this for its end
		}
		f, err := os.OpenFile(x.path, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return failure.New(failure.Usage, "the folder must be there, and writable", "%s: %w", x.flag, err)
		}
		_ = f.Close()
		if missing != nil {
			_ = os.Remove(x.path)
		}
	}
	return nil
}

// write leaves the report in the files that were asked for.
func (c *canaryGateCmd) write(rep canary.Report) error {
	var err error
	if c.Report != "" {
		err = writeReport(c.Report, rep)
	}
	if c.HTML != "" {
		if werr := os.WriteFile(c.HTML, []byte(rep.HTML()), 0o644); werr != nil {
			err = errors.Join(err, failure.New(failure.Usage, "", "--html: %w", werr))
		}
	}
	return err
}

func (c *canaryGateCmd) replay() (*outcome, error) {
	old, err := readGateReport("--replay", c.Replay)
	if err != nil {
		return nil, err
	}
	rep, err := canary.Replay(old)
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("%s: %w", c.Replay, err))
	}
	return canaryOutcome(rep), c.write(rep)
}

func (c *canaryGateCmd) preview(plan canary.Plan) (*outcome, error) {
	half := c.PreviewRPS / 2
	tr := seqtest.Traffic{Baseline: half, Canary: half}
	if c.Share > 0 {
		tr = seqtest.Traffic{Baseline: c.PreviewRPS * (1 - c.Share), Canary: c.PreviewRPS * c.Share}
	}
	return previewed(canary.Preview(plan, canary.Seen{Traffic: tr, BaseRate: c.PreviewErrs / 100}))
}

// previewOf looks at the source twice, or at its history, and says how long a
// verdict takes at that traffic.
func (c *canaryGateCmd) previewOf(ctx context.Context, plan canary.Plan, src canary.Source) (*outcome, error) {
	seen, ok := plan.Seen()
	if !ok {
		var err error
		if seen, err = canary.Look(ctx, plan, src); err != nil {
			return nil, failure.Wrap(failure.Service, "give --preview-rps and --preview-errors without addresses to calculate only", fmt.Errorf("looking at the traffic: %w", err))
		}
	}
	return previewed(canary.Preview(plan, seen))
}

func previewed(f canary.Forecast) (*outcome, error) {
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
		o.annotations = []gha.Annotation{{Level: level, Title: "canary-gate: " + string(rep.Verdict), Message: finding.Printable(rep.Headline() + ": " + rep.Reason)}}
	}
	return o
}

func writeReport(path string, rep canary.Report) error {
	data, err := rep.JSON()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return failure.New(failure.Usage, "", "--report: %w", err)
	}
	return nil
}
