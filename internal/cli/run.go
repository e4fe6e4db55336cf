// Package cli defines the commands: one file each, with its inputs, one call
// into a tool and its printing. A command's struct is the single definition from
// which flags, INPUT_* variables, settings keys, action.yml files and reference
// tables come.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/fairlead-ci/fairlead/internal/config"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/gha"
	"github.com/fairlead-ci/fairlead/internal/version"
)

// Env is everything a command takes from the world around it.
type Env struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	// Terminal says whether Stderr is a terminal, for live progress.
	Terminal bool
	// Width is how many columns it has just now; nil for the usual.
	Width func() int
	Now   func() time.Time
}

// root is the whole grammar. The order is the order of the chain.
type root struct {
	Format   string           `enum:"auto,text,json,github,sarif" default:"auto" help:"What to print: text for people, json as one document on stdout, github with annotations and a job summary, sarif for code scanning (pin-check). auto is github inside Actions, else text." placeholder:"FORMAT"`
	Settings string           `help:"Folder whose pyproject.toml or fairlead.toml holds the settings; the one that the command works on if not given." placeholder:"FOLDER"`
	Version  kong.VersionFlag `help:"Print the version."`

	Check      checkCmd      `cmd:"" help:"Say whether a change is deployable: are its inputs pinned, can it be built?"`
	PinCheck   pinCheckCmd   `cmd:"" help:"Say whether every input of the build is pinned."`
	BuildImage buildImageCmd `cmd:"" help:"Turn a locked project into a reproducible OCI image."`
	Rebase     rebaseCmd     `cmd:"" help:"Put a finished image on another base, without building it again."`
	Cache      cacheCmd      `cmd:"" help:"Look after the cache that build-image keeps in the registry."`
	Junit      junitCmd      `cmd:"" help:"Merge test reports, such as those of shards, into one result."`
	Promote    promoteCmd    `cmd:"" help:"Move one digest into an environment."`
	Rollback   rollbackCmd   `cmd:"" help:"Return an environment to its previous good digest, and hold it there."`
	Hold       holdCmd       `cmd:"" help:"Stop automatic promotions into an environment."`
	Unhold     unholdCmd     `cmd:"" help:"Let automatic promotions into an environment again."`
	Ledger     ledgerCmd     `cmd:"" help:"Read the record of what runs where."`
	CanaryGate canaryGateCmd `cmd:"" help:"Compare a canary with its baseline while traffic flows."`
	Demo       demoCmd       `cmd:"" help:"Run the whole chain on this machine with an example app."`
}

// command is what every leaf of the grammar does.
type command interface {
	run(ctx context.Context, s *session) (*outcome, error)
}

// session is what a running command may use.
type session struct {
	Env
	format string // text, json, github or sarif
	gha    *gha.Runtime
	// resolver holds the settings file once a flag was looked up in it.
	resolver *resolver
}

// settings is the settings file that the command's flags were read from; nil
// where there is none.
func (s *session) settings() *config.File {
	if s.resolver == nil {
		return nil
	}
	return s.resolver.file
}

// logf prints a line for people beside the answer: on stderr, so that stdout
// holds one document and nothing else.
func (s *session) logf(format string, args ...any) {
	fmt.Fprintf(s.Stderr, format+"\n", args...)
}

// Run parses the arguments, runs the command and prints its answer. It returns
// the process's exit code (package failure).
func Run(ctx context.Context, env Env) int {
	if env.Now == nil {
		env.Now = time.Now
	}
	if ci := env.Getenv("CI"); env.Getenv("GITHUB_ACTIONS") == "true" || ci != "" && ci != "false" || env.Getenv("TERM") == "dumb" {
		env.Terminal = false // some runners give steps a terminal; what they show is a log
	}
	s := &session{Env: env, gha: gha.New(env.Getenv, env.Stdout), format: "text"}
	var grammar root
	exited := false
	settings := &resolver{getenv: env.Getenv}
	s.resolver = settings
	parser, err := kong.New(&grammar,
		kong.Name("fairlead"),
		kong.Description("Take a Python web application from commit to production.\n\nhttps://github.com/fairlead-ci/fairlead"),
		kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(int) { exited = true }),
		kong.Vars{"version": version.Version},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Resolvers(settings),
	)
	if err != nil {
		return int(s.fail("", err)) // a mistake in the grammar: tests catch it
	}
	if len(env.Args) == 0 {
		env.Args = []string{"--help"}
	}
	kctx, err := parser.Parse(env.Args)
	if exited {
		return 0 // --help and --version have printed
	}
	s.format = resolveFormat(grammar.Format, env.Getenv)
	if err != nil {
		return int(s.fail(toolOf(kctx, err), usage(err)))
	}
	tool := strings.Fields(kctx.Command())[0]
	if err := settings.positionals(kctx); err != nil {
		return int(s.fail(tool, usage(err)))
	}
	if s.format == "sarif" && !hasSARIF(tool) {
		return int(s.fail(tool, failure.New(failure.Usage, "use text, json or github", "--format sarif: %s has no findings in files", tool)))
	}
	cmd, ok := kctx.Selected().Target.Addr().Interface().(command)
	if !ok {
		return int(s.fail(tool, fmt.Errorf("%s is not runnable", kctx.Command())))
	}
	out, err := cmd.run(ctx, s)
	if out != nil && err == nil {
		s.report(context.WithoutCancel(ctx), tool, out)
	}
	if err != nil && errors.Is(err, context.Canceled) && ctx.Err() != nil {
		// What the command had to say about being cut short is in out, if anything.
		s.logf("%s: cancelled", tool)
	}
	return int(s.finish(tool, out, err))
}

func hasSARIF(tool string) bool { return tool == "pin-check" || tool == "check" }

func resolveFormat(f string, getenv func(string) string) string {
	switch {
	case f != "auto" && f != "":
		return f
	case getenv("GITHUB_ACTIONS") == "true":
		return "github"
	default:
		return "text"
	}
}

// usage gives kong's errors the exit code of wrong use.
func usage(err error) error {
	var file *fileError
	if errors.As(err, &file) {
		// Kong names the flag that it was about to look up, which has no part in it.
		return file.error
	}
	var p *kong.ParseError
	hint := ""
	if errors.As(err, &p) && p.Context != nil {
		if name := strings.TrimSpace(p.Context.Command()); name != "" {
			hint = "fairlead " + strings.Fields(name)[0] + " --help lists the inputs"
		} else {
			hint = "fairlead --help lists the commands"
		}
	}
	return failure.Wrap(failure.Usage, hint, err)
}

// toolOf names the command an error belongs to, if parsing came that far.
func toolOf(kctx *kong.Context, err error) string {
	var p *kong.ParseError
	if kctx == nil && errors.As(err, &p) {
		kctx = p.Context
	}
	if kctx != nil {
		if f := strings.Fields(kctx.Command()); len(f) > 0 {
			return f[0]
		}
	}
	return ""
}
