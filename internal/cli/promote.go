package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/ledger"
	"github.com/fairlead-ci/fairlead/internal/promote"
	"github.com/fairlead-ci/fairlead/internal/promote/target"
)

// ledgerFlags say which ledger is meant; every command about environments has them.
type ledgerFlags struct {
	Ledger  string `help:"Git remote that keeps the ledger: a URL or path; this repository's origin if not given." placeholder:"REMOTE"`
	Service string `help:"Name of the service; the repository's name if not given." placeholder:"NAME"`
	Run     string `help:"Identifies this run across its jobs; GITHUB_RUN_ID if not given." placeholder:"ID"`
	Actor   string `help:"Who promotes, for the ledger; GITHUB_ACTOR or USER if not given." placeholder:"NAME"`
}

// targetFlags say what makes the environment run a digest.
type targetFlags struct {
	Target  string `help:"What makes the environment run the digest: container, command or tag; its host or command may follow: \"container ssh://USER@HOST\", \"command ./deploy.sh\"." placeholder:"TARGET"`
	Command string `help:"Target command: the program to run; it gets FAIRLEAD_IMAGE, FAIRLEAD_PREVIOUS, FAIRLEAD_SEQ, FAIRLEAD_PHASE and more in its environment." placeholder:"COMMAND"`
	Observe string `help:"Target command: a program that prints the digest that runs." placeholder:"COMMAND"`
	Host    string `help:"Target container: the machine, ssh://USER@HOST[:PORT][/SOCKET]; this one if not given." placeholder:"URL"`
	sshFlags
	Engine        string        `enum:"auto,podman,docker" default:"auto" help:"Target container: the engine."`
	Port          int           `default:"8000" help:"Target container: the port that the application listens on."`
	Publish       string        `help:"Target container: stable address that the running release gets, such as 127.0.0.1:8080." placeholder:"IP:PORT"`
	EnvFile       string        `help:"Target container: file with the environment's configuration, KEY=VALUE lines." placeholder:"FILE"`
	Health        string        `default:"/healthz" help:"Target container: path that answers 200 when the release is healthy." placeholder:"PATH"`
	HealthTimeout time.Duration `default:"60s" help:"Target container: how long a release may take to get healthy."`
	Grace         time.Duration `default:"10s" help:"Target container: how long a release may take to stop."`
	Switch        string        `help:"Target container: program that sends the traffic to FAIRLEAD_UPSTREAM (IP:PORT), for a proxy on the host." placeholder:"COMMAND"`
	Drain         time.Duration `default:"5s" help:"Target container: pause between the switch and the stop of the old release."`
	Timeout       time.Duration `default:"15m" help:"When a target's command or --switch is given up."`
}

// promoteCmd is the definition of promote.
type promoteCmd struct {
	Image string `arg:"" optional:"" help:"REPOSITORY@sha256:…, as build-image prints it."`
	To    string `help:"Environment to promote into." placeholder:"ENV"`
	From  string `help:"Environment that must run this digest already." placeholder:"ENV"`
	ledgerFlags
	targetFlags
	Canary     bool   `help:"Start the release beside the running one and stop there; promote again to finish, --abort to take it back."`
	Abort      bool   `help:"Take a canary, or a promotion that got stuck, back."`
	Bad        bool   `help:"With --abort: the release is bad and is not promoted here again."`
	AllowHeld  bool   `help:"Promote although the environment is held."`
	Order      int    `help:"Place of this build among its pipeline's, such as the run number: it does not replace a newer one." placeholder:"N"`
	AllowOlder bool   `help:"Promote a digest that ran here before and was replaced, or an older build."`
	Reason     string `help:"For the ledger." placeholder:"TEXT"`
	Commit     string `help:"Source revision, for the ledger; GITHUB_SHA if not given." placeholder:"SHA"`
	registryFlags
	Insecure []string `help:"Registry hosts to reach without TLS (loopback needs no naming)." placeholder:"HOST"`
	NoTags   bool     `help:"Do not move registry tags."`
	DryRun   bool     `help:"Read the gates and say what would be done."`
}

var _ command = (*promoteCmd)(nil)

func (c *promoteCmd) run(ctx context.Context, s *session) (*outcome, error) {
	r := promote.Request{Action: promote.ActionPromote, Environment: c.To, From: c.From, Reason: c.Reason, AllowHeld: c.AllowHeld, AllowOlder: c.AllowOlder, Order: c.Order, DryRun: c.DryRun, Bad: c.Bad, Commit: c.Commit}
	switch {
	case c.Canary && c.Abort:
		return nil, failure.New(failure.Usage, "", "--canary and --abort exclude each other")
	case c.Canary:
		r.Action = promote.ActionCanary
	case c.Abort:
		r.Action = promote.ActionAbort
	}
	if c.To == "" {
		return nil, failure.New(failure.Usage, "--to ENVIRONMENT", "no environment is named")
	}
	if r.Commit == "" {
		r.Commit = s.Getenv("GITHUB_SHA")
	}
	if c.Image != "" || r.Action != promote.ActionAbort {
		var err error
		if r.Image, r.Digest, err = splitRef(c.Image); err != nil {
			return nil, err
		}
	}
	return operate(ctx, s, r, c.ledgerFlags, &c.targetFlags, &c.registryFlags, c.Insecure, !c.NoTags)
}

// rollbackCmd is the definition of rollback.
type rollbackCmd struct {
	Env string `help:"Environment to take back." placeholder:"ENV"`
	ledgerFlags
	targetFlags
	Reason string `help:"For the ledger and for those whose change is taken back." placeholder:"TEXT"`
	registryFlags
	Insecure []string `help:"Registry hosts to reach without TLS (loopback needs no naming)." placeholder:"HOST"`
	NoTags   bool     `help:"Do not move registry tags."`
	DryRun   bool     `help:"Say what would be done."`
}

func (c *rollbackCmd) run(ctx context.Context, s *session) (*outcome, error) {
	r := promote.Request{Action: promote.ActionRollback, Environment: c.Env, Reason: c.Reason, DryRun: c.DryRun}
	return operate(ctx, s, r, c.ledgerFlags, &c.targetFlags, &c.registryFlags, c.Insecure, !c.NoTags)
}

// holdCmd is the definition of hold.
type holdCmd struct {
	Env string `help:"Environment to hold." placeholder:"ENV"`
	ledgerFlags
	Reason string `help:"Why; required." placeholder:"TEXT"`
}

func (c *holdCmd) run(ctx context.Context, s *session) (*outcome, error) {
	return operate(ctx, s, promote.Request{Action: promote.ActionHold, Environment: c.Env, Reason: c.Reason}, c.ledgerFlags, nil, nil, nil, false)
}

// unholdCmd is the definition of unhold.
type unholdCmd struct {
	Env string `help:"Environment to release from its hold." placeholder:"ENV"`
	ledgerFlags
	Reason string `help:"Why; required." placeholder:"TEXT"`
}

func (c *unholdCmd) run(ctx context.Context, s *session) (*outcome, error) {
	return operate(ctx, s, promote.Request{Action: promote.ActionUnhold, Environment: c.Env, Reason: c.Reason}, c.ledgerFlags, nil, nil, nil, false)
}

// operate runs a request of any of the commands above.
func operate(ctx context.Context, s *session, r promote.Request, l ledgerFlags, t *targetFlags, auth *registryFlags, insecure []string, tags bool) (*outcome, error) {
	if r.Environment == "" {
		return nil, failure.New(failure.Usage, "--env ENVIRONMENT", "no environment is named")
	}
	git, err := l.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { _ = git.Close() }()
	r.Service, r.Run, r.Actor = l.service(ctx, s), l.run(s), l.actor(s)
	d := promote.Deps{Ledger: git, Now: s.Now, Progress: func(step string) { s.logf("%s: %s …", r.Action, step) }}
	if api, err := s.api(); err != nil {
		s.note(err)
	} else if api != nil {
		d.Ended = api.Ended
		if !r.DryRun {
			d.Recorder = recorder{s, api}
		}
	}
	if t != nil {
		if err := t.split(); err != nil {
			return nil, err
		}
		s.gha.Mask(t.SSHKey)
		keychain, err := auth.keychain(s, r.Image)
		if err != nil {
			return nil, err
		}
		reg := s.registry(insecure, keychain)
		if tags {
			d.Registry = reg
		}
		eng := &engines{s: s, want: t.Engine, host: t.Host, ssh: t.sshFlags, ports: true, reg: reg}
		defer func() { _ = eng.close() }()
		if d.Target, err = t.make(ctx, s, eng); err != nil {
			return nil, err
		}
	}
	rep, err := promote.Run(ctx, r, d)
	if rep == nil {
		return nil, err
	}
	for _, n := range rep.Notes {
		s.logf("note: %s", finding.Printable(n))
	}
	host := ""
	if t != nil {
		host = t.Host
	}
	return promoteOutcome(rep, host), err
}

func promoteOutcome(rep *promote.Report, host string) *outcome {
	o := &outcome{verdict: rep.Verdict, document: rep, text: rep.Text, summary: rep.Summary(), outputs: []pair{
		{"verdict", string(rep.Verdict)}, {"digest", rep.Digest}, {"previous", rep.Previous}, {"seq", strconv.Itoa(rep.Seq)}, {"run", rep.Run},
		{"host", host}, {"first", strconv.FormatBool(rep.First)}, {"url", rep.URLs.Stable}, {"baseline-url", rep.URLs.Baseline}, {"canary-url", rep.URLs.Canary},
	}}
	if rep.Refused != "" {
		o.annotations = []gha.Annotation{{Level: gha.LevelError, Title: fmt.Sprintf("%s %s refused", rep.Action, rep.Environment), Message: finding.Printable(rep.Refused + "\n" + rep.Hint)}}
	}
	return o
}

func firstOf(s ...string) string {
	for _, v := range s {
		if v != "" {
			return v
		}
	}
	return ""
}

func (l ledgerFlags) run(s *session) string { return firstOf(l.Run, s.Getenv("GITHUB_RUN_ID")) }
func (l ledgerFlags) actor(s *session) string {
	return firstOf(l.Actor, s.Getenv("GITHUB_ACTOR"), s.Getenv("USER"))
}

// service is the flag, the repository's name, or the folder's.
func (l ledgerFlags) service(ctx context.Context, s *session) string {
	if l.Service != "" {
		return l.Service
	}
	if _, name, ok := strings.Cut(s.Getenv("GITHUB_REPOSITORY"), "/"); ok {
		return strings.ToLower(name)
	}
	remote := strings.TrimSuffix(origin(ctx), "/")
	if u, err := url.Parse(remote); err == nil && u.Path != "" {
		remote = u.Path
	}
	_, after, ok := strings.Cut(remote, ":")
	if ok {
		remote = after
	}
	return strings.ToLower(strings.TrimSuffix(path.Base(remote), ".git"))
}

// origin is the remote of the repository that holds the current folder.
func origin(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "remote", "get-url", "origin").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (l ledgerFlags) open(ctx context.Context, s *session) (*ledger.Git, error) {
	remote := firstOf(l.Ledger, origin(ctx))
	if repo := s.Getenv("GITHUB_REPOSITORY"); remote == "" && repo != "" {
		// A job without a checkout: the ledger is the repository's own.
		remote = s.githubServer() + "/" + repo
	}
	if remote == "" {
		return nil, failure.New(failure.Usage, "--ledger REMOTE: a git URL or path", "no ledger is named, and this folder is in no repository with an origin")
	}
	if isDir(remote) { // git is run in a folder of its own
		if abs, err := filepath.Abs(remote); err == nil {
			remote = abs
		}
	}
	return ledger.OpenGit(ctx, ledger.GitOptions{Remote: remote, Environ: s.gitEnviron(os.Environ(), remote)})
}

// split takes "container ssh://USER@HOST" and "command ./deploy.sh" apart: one
// string names a target where there is room for one only, as in an input of a
// reusable workflow.
func (t *targetFlags) split() error {
	kind, rest, _ := strings.Cut(strings.TrimSpace(t.Target), " ")
	rest = strings.TrimSpace(rest)
	t.Target = kind
	field, flag := &t.Host, "--host"
	switch {
	case rest == "":
		return nil
	case kind == "command":
		field, flag = &t.Command, "--command"
	case kind != "container":
		return failure.New(failure.Usage, "", "target %q takes nothing after its name, not %q", kind, rest)
	}
	if *field != "" && *field != rest {
		return failure.New(failure.Usage, "leave one of them out", "target says %q, and %s says %q", rest, flag, *field)
	}
	*field = rest
	return nil
}

// make builds the target that the flags describe.
func (t *targetFlags) make(ctx context.Context, s *session, eng *engines) (promote.Target, error) {
	switch t.Target {
	case "tag":
		return target.Tag{}, nil
	case "command":
		argv, err := words("command", t.Command)
		if err != nil || len(argv) == 0 {
			return nil, failure.New(failure.Usage, "--command \"./deploy.sh\"", "target command: no command is given")
		}
		observe, err := words("observe", t.Observe)
		if err != nil {
			return nil, err
		}
		return &target.Command{Argv: argv, ObserveArgv: observe, Environ: os.Environ(), Timeout: t.Timeout, Output: s.Stderr}, nil
	case "container":
	default:
		return nil, failure.New(failure.Usage, "--target container, command or tag", "no target is named")
	}
	e, err := eng.get(ctx, "")
	if err != nil {
		return nil, err
	}
	return t.container(s, e)
}

func (t *targetFlags) container(s *session, e engine.Engine) (*target.Container, error) {
	c := &target.Container{Engine: e, Remote: t.Host != "", Port: t.Port, EnvFile: t.EnvFile, Health: t.Health, Timeout: t.HealthTimeout,
		Grace: t.Grace, Drain: t.Drain, HTTP: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}, Sleep: clock.Sleep}
	if t.EnvFile != "" {
		if _, err := os.Stat(t.EnvFile); err != nil {
			return nil, failure.New(failure.Usage, "", "--env-file: %w", err)
		}
	}
	if t.Publish != "" {
		ip, port, ok := strings.Cut(t.Publish, ":")
		if !ok {
			ip, port = "127.0.0.1", t.Publish
		}
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return nil, failure.New(failure.Usage, "", "--publish %q is not IP:PORT", t.Publish)
		}
		c.Publish = &engine.Port{HostIP: ip, Host: n}
	}
	argv, err := words("switch", t.Switch)
	if err != nil {
		return nil, err
	}
	if len(argv) > 0 {
		// Its output is foreign, and it may hang: it is run as a target's command is.
		hook := &target.Command{Argv: argv, Environ: os.Environ(), Timeout: t.Timeout, Output: s.Stderr}
		c.Switch = func(ctx context.Context, r promote.Release, upstream string) error {
			phase := "promote"
			if r.Rollback {
				phase = "rollback"
			}
			return hook.Do(ctx, []string{"FAIRLEAD_UPSTREAM=" + upstream, "FAIRLEAD_SERVICE=" + r.Service, "FAIRLEAD_ENVIRONMENT=" + r.Environment,
				"FAIRLEAD_DIGEST=" + r.Digest, "FAIRLEAD_SEQ=" + strconv.Itoa(r.Seq), "FAIRLEAD_PHASE=" + phase})
		}
	}
	return c, nil
}
