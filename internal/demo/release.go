package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/scrape"
	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/ledger"
	"github.com/fairlead-ci/fairlead/internal/pin"
	"github.com/fairlead-ci/fairlead/internal/promote"
)

// say prints one line of a release: what, how it went, the numbers.
func (c *chain) say(what, how, format string, args ...any) {
	fmt.Fprintf(c.Out, "  %-11s%-9s%s\n", what, how, fmt.Sprintf(format, args...))
}

// release takes one release through the chain.
func (c *chain) release(ctx context.Context, n int) error {
	begin := c.Now()
	title, commit, err := c.commit(ctx, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "\nrelease %d  %q\n", n, title)
	c.rep.Releases = append(c.rep.Releases, Release{Number: n, Title: title, Commit: commit, Took: map[string]float64{}})
	r := &c.rep.Releases[len(c.rep.Releases)-1]
	defer func() { r.Seconds = c.Now().Sub(begin).Seconds() }()
	for _, phase := range []struct {
		name string
		do   func(context.Context, *Release) error
	}{{"pins", c.pins}, {"image", c.build}, {"staging", c.stage}, {"production", c.produce}} {
		start := c.Now()
		err := phase.do(ctx, r)
		r.Took[phase.name] = c.Now().Sub(start).Seconds()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *chain) pins(ctx context.Context, _ *Release) error {
	c.Busy("checking pins")
	rep, err := pin.Check(ctx, os.DirFS(c.app), pin.Config{})
	if err != nil {
		return err
	}
	if rep.Verdict != finding.Pass {
		return fmt.Errorf("pin-check: %s", finding.Totals(rep.Findings, rep.Scope()))
	}
	c.say("pins", "ok", "%s", rep.Scope())
	return nil
}

// build assembles the image, tests inside it and publishes what passed.
func (c *chain) build(ctx context.Context, r *Release) error {
	start := c.Now()
	req := image.Request{
		Context: c.app, Base: "host", Image: c.image, Push: true, Tags: []string{fmt.Sprintf("release-%d", r.Number)}, Index: c.Index,
		Project: image.ProjectAuto, Revision: r.Commit,
		Test: &image.Test{Command: []string{"pytest", "-q", "-p", "no:cacheprovider"}, Requirements: "requirements-test.txt", Network: engine.NetworkNone},
	}
	res, err := image.Build(ctx, req, image.Deps{Registry: c.OCI, CacheDir: c.CacheDir, Now: c.Now, Getenv: c.Getenv,
		Engine:   func(context.Context, string) (engine.Engine, error) { return c.Engine, nil },
		Progress: func(format string, args ...any) { c.Busy(fmt.Sprintf(format, args...)) }})
	if err != nil {
		return err
	}
	if res.Verdict != finding.Pass {
		return fmt.Errorf("the tests failed inside the image:\n%s", res.Test.Tail)
	}
	r.Digest, r.Tests = res.Digest, summaryLine(res.Test.Tail)
	wheels, fresh, bytes := 0, 0, int64(0)
	for _, l := range res.Layers {
		wheels += len(l.Wheels)
		if !l.Reused {
			fresh, bytes = fresh+1, bytes+l.Size
		}
	}
	c.say("image", "ok", "%s with %s, %s, %s; %s new, %s", finding.Plural(len(res.Layers), "layer"), finding.Plural(wheels, "wheel"), megabytes(res.Size), res.Platforms[0].Platform, finding.Plural(fresh, "layer"), megabytes(bytes))
	c.say("tests", "ok", "%s inside the image; published as %s  (%.1f s)", r.Tests, ledger.Short(r.Digest), c.Now().Sub(start).Seconds())
	return nil
}

// summaryLine is pytest's "18 passed in 0.62s", without the time.
func summaryLine(tail string) string {
	lines := strings.Split(strings.TrimSpace(tail), "\n")
	last, _, _ := strings.Cut(strings.Trim(lines[len(lines)-1], "= "), " in ")
	return finding.Printable(last)
}

func megabytes(n int64) string {
	if n >= 1e6 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}

// stage promotes to staging and looks whether the release answers there.
func (c *chain) stage(ctx context.Context, r *Release) error {
	rep, err := c.promote(ctx, promote.ActionPromote, staging, "", r)
	if err != nil {
		return err
	}
	c.Busy("smoke test")
	if err := smoke(ctx, rep.URLs.Stable); err != nil {
		return fmt.Errorf("smoke test in staging: %w", err)
	}
	c.say("staging", "ok", "%s answers at %s  ledger #%d", ledger.Short(r.Digest), rep.URLs.Stable, rep.Seq)
	return nil
}

// smoke asks for the front page, its style sheet and a page with a name in it.
func smoke(ctx context.Context, base string) error {
	for path, want := range map[string]string{"/": "world", "/static/style.css": "font-family", "/greet/demo": "demo"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err != nil {
			return err
		}
		// A release with a bug fails now and then; three tries tell "broken" from that.
		var last error
		for range 3 {
			if last = get(req, want); last == nil {
				break
			}
		}
		if last != nil {
			return last
		}
	}
	return nil
}

func get(req *http.Request, want string) error {
	resp, err := client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		return fmt.Errorf("%s answered %s without %q", req.URL.Path, resp.Status, want)
	}
	return nil
}

// client keeps no connections: a server that is told to stop waits for idle ones.
func client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
}

// produce promotes to production: through a canary, if something runs there.
func (c *chain) produce(ctx context.Context, r *Release) error {
	rep, err := c.promote(ctx, promote.ActionCanary, production, staging, r)
	if err != nil {
		return err
	}
	if !rep.First {
		pass, err := c.gate(ctx, r, rep)
		if err != nil {
			return err
		}
		if !pass {
			back, err := c.promote(ctx, promote.ActionAbort, production, "", r)
			if err != nil {
				return err
			}
			r.Outcome = "refused"
			c.say("production", "kept", "still %s; the canary is gone  ledger #%d", ledger.Short(back.Previous), back.Seq)
			return nil
		}
	}
	done, err := c.promote(ctx, promote.ActionPromote, production, staging, r)
	if err != nil {
		return err
	}
	r.Outcome = "promoted"
	if rep.First {
		c.say("production", "ok", "first release: nothing to compare with  ledger #%d", done.Seq)
		return nil
	}
	c.say("production", "ok", "%s, before %s  ledger #%d", ledger.Short(r.Digest), ledger.Short(done.Previous), done.Seq)
	return nil
}

// gate compares the canary with the running release under the demo's own load.
func (c *chain) gate(ctx context.Context, r *Release, rep *promote.Report) (bool, error) {
	src, err := scrape.New(scrape.Config{Baseline: []string{rep.URLs.Baseline}, Canary: []string{rep.URLs.Canary}})
	if err != nil {
		return false, err
	}
	l := startLoad(ctx, rep.URLs.Baseline, rep.URLs.Canary, c.Rate, []string{"/", "/greet/you", "/basket"})
	defer l.Stop()
	plan := canary.DefaultPlan()
	// The demo's third release has errors and nothing else to find, and a machine
	// that runs everything at once makes poor response times.
	plan.Metrics = []canary.Metric{canary.ErrorsMetric()}
	plan.Interval, plan.MinDuration, plan.Deadline = time.Second, 6*time.Second, 90*time.Second
	start := c.Now()
	got, err := canary.Run(ctx, plan, src, canary.Deps{Now: c.Now, Progress: func(canary.Tick) {
		c.Busy(fmt.Sprintf("canary: %d requests sent to each release in %.0f s", l.sent[1].Load(), c.Now().Sub(start).Seconds()))
	}})
	if err != nil {
		return false, err
	}
	c.rep.Canary = append(c.rep.Canary, Gate{Release: r.Number, Verdict: got.Verdict, Reason: got.Reason, Seconds: got.DecidedAfterSeconds, Hurt: got.Hurt})
	c.say("canary", strings.ToUpper(string(got.Verdict)), "%s", got.Reason)
	if got.Verdict == finding.Inconclusive {
		return false, fmt.Errorf("the canary gave no verdict: %s", got.Reason)
	}
	return got.Verdict == finding.Pass, nil
}

// collect reads the end from where it is recorded: ledger and targets.
func (c *chain) collect(ctx context.Context) error {
	for _, env := range []string{staging, production} {
		head, ok, err := c.ledger.Head(ctx, service, env)
		if err != nil || !ok {
			return fmt.Errorf("reading the ledger of %s: %w", env, err)
		}
		obs, err := c.target(env).Observe(ctx, service, env)
		if err != nil {
			return err
		}
		if obs.Digest != head.Running.Digest {
			return fmt.Errorf("%s runs %s, its ledger says %s", env, obs.Digest, head.Running.Digest)
		}
		c.rep.Environments[env] = Environment{Digest: obs.Digest, Seq: head.Running.Seq, URL: obs.URL}
		log, err := c.ledger.Log(ctx, service, env, 0)
		if err != nil {
			return err
		}
		c.rep.Ledger = append(c.rep.Ledger, log...)
	}
	return nil
}

// check says whether the chain did what the demo promises.
func (c *chain) check() error {
	r := c.rep.Releases
	switch {
	case r[1].Outcome != "promoted":
		return fmt.Errorf("release 2 is good and was %s", r[1].Outcome)
	case r[2].Outcome != "refused":
		return fmt.Errorf("release 3 is bad and was %s", r[2].Outcome)
	case c.rep.Environments[production].Digest != r[1].Digest:
		return fmt.Errorf("production does not run release 2")
	}
	c.rep.Verdict = finding.Pass
	return nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("no port number in %v", l.Addr())
	}
	return addr.Port, nil
}
