// Package gha is the contract with the GitHub Actions runner: workflow commands
// on stdout and the files a step writes (outputs, environment, state, summary).
// It is the only importer of go-githubactions, whose traps it closes: a fixed
// heredoc delimiter, panics when a file is missing, formatting of untrusted
// text, no size guard on the summary.
//
// Outside Actions every method does nothing and succeeds, so that a tool behaves
// the same on a laptop.
package gha

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	githubactions "github.com/sethvargo/go-githubactions"
)

// Runtime talks to the runner of one step.
type Runtime struct {
	getenv func(string) string
	out    io.Writer
	action *githubactions.Action
	// Token makes the random part of delimiters; tests replace it.
	token func() (string, error)
}

// New returns the runtime for an environment; out is the step's stdout.
func New(getenv func(string) string, out io.Writer) *Runtime {
	return &Runtime{
		getenv: getenv,
		out:    out,
		action: githubactions.New(githubactions.WithWriter(out), githubactions.WithGetenv(getenv)),
		token:  randomToken,
	}
}

func randomToken() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("making a random delimiter: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// Active says whether a runner listens.
func (r *Runtime) Active() bool { return r.getenv("GITHUB_ACTIONS") == "true" }

// Output sets a step output.
func (r *Runtime) Output(name, value string) error {
	return r.fileCommand("GITHUB_OUTPUT", name, value)
}

// Env sets an environment variable for later steps.
func (r *Runtime) Env(name, value string) error { return r.fileCommand("GITHUB_ENV", name, value) }

// State saves a value for the same action's post step.
func (r *Runtime) State(name, value string) error { return r.fileCommand("GITHUB_STATE", name, value) }

// ErrDelimiter says that a value holds the delimiter that was drawn for it. With
// 128 random bits this means that the random source is broken or the value was
// made by somebody who can read our memory: refused either way.
var ErrDelimiter = errors.New("value contains the random delimiter")

// fileCommand appends NAME<<DELIM, the value and DELIM to the file that the
// variable names, with a delimiter of its own (actions/runner,
// FileCommandManager.cs).
func (r *Runtime) fileCommand(variable, name, value string) error {
	if !r.Active() {
		return nil
	}
	path := r.getenv(variable)
	if path == "" {
		return fmt.Errorf("setting %q: the runner gave no %s file", name, variable)
	}
	if name == "" || strings.ContainsAny(name, "=<\r\n") {
		return fmt.Errorf("setting %q in %s: not a valid name", name, variable)
	}
	token, err := r.token()
	if err != nil {
		return err
	}
	delim := "fairlead_" + token
	if strings.Contains(value, delim) {
		return fmt.Errorf("setting %q in %s: %w", name, variable, ErrDelimiter)
	}
	return appendFile(path, name+"<<"+delim+"\n"+value+"\n"+delim+"\n")
}

// appendFile opens an existing file: the runner creates it, and a file that is
// missing means that nobody would read ours.
func appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("writing for the runner: %w", err)
	}
	if _, err := f.WriteString(text); err != nil {
		_ = f.Close()
		return fmt.Errorf("writing for the runner: %w", err)
	}
	return f.Close()
}

// Mask hides a value in all later output, line by line since the runner masks
// single lines. Empty and one-character lines are left alone: masking them would
// blank the log.
func (r *Runtime) Mask(value string) {
	if !r.Active() {
		return
	}
	for _, line := range strings.FieldsFunc(value, func(c rune) bool { return c == '\n' || c == '\r' }) {
		if len(strings.TrimSpace(line)) > 1 {
			r.action.AddMask(line)
		}
	}
}

// Group folds everything that f prints under a title in the log.
func (r *Runtime) Group(title string, f func()) {
	if !r.Active() {
		f()
		return
	}
	r.action.Group(oneLine(title))
	defer r.action.EndGroup()
	f()
}

// Foreign runs f while workflow commands are switched off: what a test run, a
// deployment script or a registry prints must not be taken for a command.
func (r *Runtime) Foreign(f func() error) error {
	if !r.Active() {
		return f()
	}
	token, err := r.token()
	if err != nil {
		return err
	}
	fmt.Fprintf(r.out, "::stop-commands::%s\n", token)
	// A newline first: the foreign text may have ended in the middle of a line.
	defer fmt.Fprintf(r.out, "\n::%s::\n", token)
	return f()
}

// oneLine keeps untrusted text inside its line of the log.
func oneLine(s string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}
