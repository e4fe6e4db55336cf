// Package demo runs the whole chain on one machine with the example
// application: pins, image, tests inside it, staging, canary, production; first
// with good releases, then with a bad one. Every part it runs is the real one;
// only the registry is embedded, on loopback.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/examples"
	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/promote"
	"github.com/fairlead-ci/fairlead/internal/promote/target"
	"github.com/fairlead-ci/fairlead/internal/python/index"
)

// Options is what the demo takes from the world.
type Options struct {
	Dir    string // an empty folder for everything it makes
	Index  index.Config
	Engine engine.Engine
	OCI    *oci.Client
	// CacheDir keeps downloaded wheels between runs; "" for none.
	CacheDir string
	Environ  []string
	Getenv   func(string) string
	Now      func() time.Time
	// Out gets the text as it comes; Busy what is being done now.
	Out  io.Writer
	Busy func(string)
	// Rate is the demo's load, requests per second and cohort; 0 means 150.
	Rate int
}

// Report is the demo document.
type Report struct {
	Schema       int                    `json:"schema"`
	Tool         string                 `json:"tool"`
	Verdict      finding.Verdict        `json:"verdict"`
	Parts        Parts                  `json:"parts"`
	Releases     []Release              `json:"releases"`
	Environments map[string]Environment `json:"environments"`
	Canary       []Gate                 `json:"canary"`
	Ledger       []ledger.Record        `json:"ledger"`
	Seconds      float64                `json:"seconds"`
}

// Parts are what the demo ran on.
type Parts struct {
	Registry   string `json:"registry"`
	Containers string `json:"containers"`
	Base       string `json:"base"`
	Ledger     string `json:"ledger"`
}

// Release is one release's way through the chain.
type Release struct {
	Number  int                `json:"number"`
	Title   string             `json:"title"`
	Commit  string             `json:"commit"`
	Digest  string             `json:"digest"`
	Tests   string             `json:"tests"`
	Outcome string             `json:"outcome"` // promoted or refused
	Seconds float64            `json:"seconds"`
	Took    map[string]float64 `json:"took"` // by phase
}

// Environment is what an environment runs at the end.
type Environment struct {
	Digest string `json:"digest"`
	Seq    int    `json:"seq"`
	URL    string `json:"url,omitempty"`
}

// Gate is one canary's judgement.
type Gate struct {
	Release int             `json:"release"`
	Verdict finding.Verdict `json:"verdict"`
	Reason  string          `json:"reason"`
	Seconds float64         `json:"decided_after_seconds"`
	Hurt    int64           `json:"hurt"`
}

const (
	service    = "hello"
	staging    = "staging"
	production = "production"
)

// chain is one run of the demo.
type chain struct {
	Options
	rep    *Report
	image  string // repository
	app    string // folder of the application's checkout
	ledger *ledger.Git
	ports  map[string]int
	envs   map[string]string // environment → file with its configuration
}

// Run runs the demo. Everything that it started is stopped when it returns.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Rate == 0 {
		o.Rate = 150
	}
	begin := o.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &chain{Options: o, rep: &Report{Schema: 1, Tool: "demo", Verdict: finding.Fail, Releases: []Release{}, Environments: map[string]Environment{}, Canary: []Gate{}, Ledger: []ledger.Record{}}}
	defer c.stopAll()
	if err := c.setUp(ctx); err != nil {
		return c.rep, err
	}
	defer func() { _ = c.ledger.Close() }()
	for n := 1; n <= 3; n++ {
		if err := c.release(ctx, n); err != nil {
			return c.rep, fmt.Errorf("release %d: %w", n, err)
		}
	}
	if err := c.collect(ctx); err != nil {
		return c.rep, err
	}
	c.rep.Seconds = o.Now().Sub(begin).Seconds()
	return c.rep, c.check()
}

// setUp makes the registry, the ledger's remote, the configuration of both
// environments and the application's repository.
func (c *chain) setUp(ctx context.Context) error {
	c.Busy("starting the registry")
	blobs := filepath.Join(c.Dir, "registry")
	if err := os.Mkdir(blobs, 0o700); err != nil {
		return err
	}
	reg, err := registry.Start(ctx, registry.Options{Dir: blobs})
	if err != nil {
		return err
	}
	c.image = reg.Addr + "/" + service
	c.app = filepath.Join(c.Dir, "app")
	remote := filepath.Join(c.Dir, "ledger.git")
	for _, args := range [][]string{{"init", "-q", "--bare", remote}, {"init", "-q", "--initial-branch=main", c.app}} {
		if _, err := c.git(ctx, c.Dir, args...); err != nil {
			return err
		}
	}
	if c.ledger, err = ledger.OpenGit(ctx, ledger.GitOptions{Remote: remote, Environ: c.Environ}); err != nil {
		return err
	}
	c.ports, c.envs = map[string]int{}, map[string]string{}
	for _, env := range []string{staging, production} {
		if c.ports[env], err = freePort(ctx); err != nil {
			return err
		}
		c.envs[env] = filepath.Join(c.Dir, env+".env")
		// What differs between environments is configuration, and only that.
		text := fmt.Sprintf("SECRET_KEY=for the demo's %s only\nWEB_CONCURRENCY=2\nWEB_THREADS=4\nLOG_LEVEL=WARNING\n", env)
		if err := os.WriteFile(c.envs[env], []byte(text), 0o600); err != nil {
			return err
		}
	}
	c.rep.Parts = Parts{Registry: reg.Addr + " (embedded)", Containers: c.Engine.Name(), Base: "this machine's CPython", Ledger: "git, " + remote}
	fmt.Fprintf(c.Out, "parts: registry %s · containers: %s · base: %s · ledger: git\n", c.rep.Parts.Registry, c.rep.Parts.Containers, c.rep.Parts.Base)
	return nil
}

// git runs git for the application's repository.
func (c *chain) git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(withoutGit(c.Environ), "GIT_AUTHOR_NAME=demo", "GIT_AUTHOR_EMAIL=demo@localhost", "GIT_COMMITTER_NAME=demo", "GIT_COMMITTER_EMAIL=demo@localhost",
		// The same commits in every run, and so the same digests.
		"GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", failure.New(failure.Usage, "is git installed?", "git %s: %w\n%s", args[0], err, strings.TrimSpace(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

func withoutGit(environ []string) []string {
	var out []string
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "GIT_") {
			out = append(out, kv)
		}
	}
	return out
}

// commit makes the release's sources the checkout, and a commit of them.
func (c *chain) commit(ctx context.Context, n int) (title, revision string, err error) {
	tree, title, err := examples.Release(n)
	if err != nil {
		return "", "", err
	}
	old, err := os.ReadDir(c.app)
	if err != nil {
		return "", "", err
	}
	for _, e := range old {
		if e.Name() != ".git" {
			if err := os.RemoveAll(filepath.Join(c.app, e.Name())); err != nil {
				return "", "", err
			}
		}
	}
	if err := os.CopyFS(c.app, tree); err != nil {
		return "", "", err
	}
	for _, args := range [][]string{{"add", "-A"}, {"commit", "-q", "-m", title}} {
		if _, err := c.git(ctx, c.app, args...); err != nil {
			return "", "", err
		}
	}
	revision, err = c.git(ctx, c.app, "rev-parse", "HEAD")
	return title, revision, err
}

// target makes releases run in an environment.
func (c *chain) target(env string) promote.Target {
	return &target.Container{Engine: c.Engine, Port: 8000, Publish: &engine.Port{HostIP: "127.0.0.1", Host: c.ports[env]}, EnvFile: c.envs[env],
		Health: "/healthz", Timeout: 30 * time.Second, Grace: 5 * time.Second, HTTP: client(), Sleep: clock.Sleep}
}

// promote runs one promotion and insists on its success.
func (c *chain) promote(ctx context.Context, action promote.Action, env, from string, r *Release) (*promote.Report, error) {
	c.Busy(string(action) + " " + env)
	rep, err := promote.Run(ctx, promote.Request{
		Action: action, Service: service, Environment: env, From: from, Image: c.image, Digest: r.Digest, Commit: r.Commit,
		Run: fmt.Sprintf("demo-%d", r.Number), Actor: "demo", Bad: action == promote.ActionAbort, Reason: reason(action),
	}, promote.Deps{Ledger: c.ledger, Registry: c.OCI, Target: c.target(env), Now: c.Now})
	if err != nil {
		return rep, err
	}
	if rep.Refused != "" {
		return rep, fmt.Errorf("promotion into %s was refused: %s", env, rep.Refused)
	}
	return rep, nil
}

func reason(a promote.Action) string {
	if a == promote.ActionAbort {
		return "the canary failed"
	}
	return ""
}

// stopAll stops what the demo left running, also after Ctrl-C.
func (c *chain) stopAll() {
	if c.image == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c.Busy("cleaning up")
	var errs []error
	for _, env := range []string{staging, production} {
		t, ok := c.target(env).(*target.Container)
		if ok {
			errs = append(errs, t.Remove(ctx, service, env))
		}
	}
	for _, r := range c.rep.Releases {
		if r.Digest != "" {
			errs = append(errs, c.Engine.RemoveImage(ctx, c.image+"@"+r.Digest))
		}
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintf(c.Out, "cleaning up: %v\n", err)
	}
	c.Busy("")
}
