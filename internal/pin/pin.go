// Package pin says whether everything that a build consumes is pinned: Python
// requirements, base images, actions and what Dockerfiles download. It resolves
// nothing, installs nothing and needs no network.
//
// Check lists the subjects of a tree with their state and the findings against
// them. A file that cannot be read becomes a finding; the run goes on. Each rule
// stands in a file of its own, named after it, and has a page in docs/rules.
package pin

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

// Config says what to look at and how to judge it. The zero value checks the
// whole tree by the default rules.
type Config struct {
	// Paths are files and folders of the tree; none means all of it. A file that
	// is named is read whatever its name and the ignores say.
	Paths []string
	// Files are the tree's files, as git lists them; nil means to walk the tree.
	Files []string
	// Partial says that Files are some of the tree's files only: an exception that
	// matches nothing may be about others.
	Partial bool
	// Ignore holds globs of further paths to skip, besides DefaultIgnore.
	Ignore []string
	// Severity changes rules: error, warning, note or off, by rule. Rules that
	// are off by default are turned on by it.
	Severity map[string]string
	// Exceptions let findings pass.
	Exceptions []Exception
	// Today is the day that exceptions end by; the zero time ends none.
	Today time.Time
	// FailOn is the least severity that makes the verdict fail: error (the
	// default), warning, or never.
	FailOn string
	// Getenv gives the values of ${VARIABLES} in requirements files; nil knows none.
	Getenv func(string) string
	// DefaultIndex is the simple URL of the default package index, which pipenv's
	// hash holds where a Pipfile names none; nil: such a lock cannot be told.
	DefaultIndex func() (string, error)
	// Source answers what the files do not tell; nil asks nobody. With Verify what
	// is pinned is compared with it, with Fix the findings get fixes from it.
	Source      Source
	Verify, Fix bool
	// Chosen is told how many files will be read, before they are; nil: nobody.
	Chosen func(files int)
	// MaxFileSize bounds a file, in bytes; 0 means 4 MiB.
	MaxFileSize int64
	// MaxFiles bounds how many files are read; 0 means 20,000.
	MaxFiles int
}

// Kind says what a subject is.
type Kind string

// The kinds of subjects.
const (
	Python Kind = "python"
	Image  Kind = "image"
	Action Kind = "action"
	Tool   Kind = "tool"
	Script Kind = "script"
)

// State says whether a subject's content is decided by what is written.
type State string

// The states of subjects.
const (
	Pinned   State = "pinned"
	Unpinned State = "unpinned"
	Local    State = "local"   // comes with the repository
	Unknown  State = "unknown" // the files do not tell
)

// Subject is one thing that a build consumes.
type Subject struct {
	Kind   Kind   `json:"kind"`
	Path   string `json:"path"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Name   string `json:"name"`
	Ref    string `json:"ref"` // as written
	State  State  `json:"state"`
	// By is what pins it: "hash", "version", "digest", "sha", …; "" if nothing.
	By string `json:"by"`
}

// JSONFields writes a subject's fields, as its struct's tags say.
func (s *Subject) JSONFields(out *finding.JSONFields) {
	out.String("kind", string(s.Kind))
	out.String("path", s.Path)
	out.Int("line", s.Line)
	out.Int("column", s.Column)
	out.String("name", s.Name)
	out.String("ref", s.Ref)
	out.String("state", string(s.State))
	out.String("by", s.By)
}

// Report is the answer; its JSON form is a stable contract (design.md).
type Report struct {
	Schema   int               `json:"schema"`
	Tool     string            `json:"tool"`
	Verdict  finding.Verdict   `json:"verdict"`
	Subjects []Subject         `json:"subjects"`
	Findings []finding.Finding `json:"findings"`
	// Excepted are the findings that exceptions let pass.
	Excepted []Excepted `json:"excepted,omitempty"`
}

// Check reads the tree and judges what it consumes. It fails only for a
// configuration it cannot follow and when ctx ends; all else is in the report.
func Check(ctx context.Context, fsys fs.FS, cfg Config) (Report, error) {
	if err := cfg.check(); err != nil {
		return Report{}, err
	}
	c := newChecker(fsys, cfg)
	files, err := c.choose()
	if err != nil {
		return Report{}, err
	}
	if cfg.Chosen != nil {
		cfg.Chosen(len(files))
	}
	c.openActionsLock(c.paths[actionsLockPath])
	var python, others []source
	for _, f := range files {
		switch f.kind {
		case kindRequirements, kindConstraints, kindManifest:
			python = append(python, f)
		default:
			others = append(others, f)
		}
	}
	for len(others) > 0 {
		answers, err := c.each(ctx, others, (*checker).file)
		if err != nil {
			return Report{}, err
		}
		c.join(answers)
		var more []source
		more, others = c.fresh()
		python = append(python, more...)
	}
	if err := c.requirementsFiles(ctx, python); err != nil {
		return Report{}, err
	}
	c.answers = newAnswers()
	c.incomplete(ctx)
	if cfg.Source != nil && cfg.Verify {
		c.verify(ctx)
	}
	rep := c.report()
	if cfg.Source != nil && cfg.Fix {
		c.fix(ctx, rep.Findings, rep.Excepted)
	}
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("checking pins: %w", err) // half of the answers are none
	}
	return rep, nil
}

// file checks one file that is no requirements file.
func (c *checker) file(f source) {
	switch f.kind {
	case kindWorkflow, kindAction:
		c.workflow(f)
	case kindDockerfile:
		c.dockerfile(f)
	case kindTemplate:
		c.template(f)
	case kindCompose:
		c.composefile(f)
	case kindDevcontainer:
		c.devcontainer(f)
	case kindLock:
		c.lockfile(f)
	case kindProject:
		c.project(f)
	case kindActionsLock: // read before all others
	}
}

func (cfg Config) check() error {
	if !slices.Contains([]string{"", "error", "warning", "never"}, cfg.FailOn) {
		return failure.New(failure.Usage, "", "fail-on is %q: it is error, warning or never", cfg.FailOn)
	}
	known := Rules()
	for id, s := range cfg.Severity {
		if !slices.ContainsFunc(known, func(r Rule) bool { return r.ID == id }) {
			return failure.New(failure.Usage, "docs/rules lists them", "there is no rule %q", id)
		}
		if !slices.Contains([]string{"error", "warning", "note", "off"}, s) {
			return failure.New(failure.Usage, "", "the severity of %s is %q: it is error, warning, note or off", id, s)
		}
	}
	return nil
}

// Scope is what was checked, for the summary line:
// "41 subjects (28 requirements, 4 images, 9 actions); 37 pinned".
func (r Report) Scope() string {
	nouns := []struct {
		kind Kind
		noun string
	}{{Python, "requirement"}, {Image, "image"}, {Action, "action"}, {Tool, "tool"}, {Script, "script"}}
	count := map[Kind]int{}
	states := map[State]int{}
	for _, s := range r.Subjects {
		count[s.Kind]++
		states[s.State]++
	}
	var parts []string
	for _, n := range nouns {
		if count[n.kind] > 0 {
			parts = append(parts, finding.Plural(count[n.kind], n.noun))
		}
	}
	out := finding.Plural(len(r.Subjects), "subject")
	if len(parts) > 0 {
		out += " (" + strings.Join(parts, ", ") + ")"
	}
	out += fmt.Sprintf("; %d pinned", states[Pinned])
	if n := states[Local]; n > 0 {
		out += fmt.Sprintf(", %d local", n)
	}
	if n := states[Unknown]; n > 0 {
		out += fmt.Sprintf(", %d unknown", n)
	}
	if n := len(r.Excepted); n > 0 {
		out += "; " + finding.Plural(n, "finding") + " excepted"
	}
	return out
}

// report puts the answer in its order.
func (c *checker) report() Report {
	c.order()
	c.context()
	excepted := c.policy()
	r := Report{Excepted: excepted, Schema: 1, Tool: "pin-check", Verdict: finding.Pass, Subjects: c.subjects, Findings: c.findings}
	if r.Subjects == nil {
		r.Subjects = []Subject{}
	}
	r.Findings = finding.List(r.Findings)
	finding.Sort(r.Findings) // the policy has added its own
	worst := finding.Error
	if c.cfg.FailOn == "warning" {
		worst = finding.Warning
	}
	for _, f := range r.Findings {
		if c.cfg.FailOn != "never" && f.Severity.Rank() <= worst.Rank() {
			r.Verdict = finding.Fail
		}
	}
	if c.unanswered && r.Verdict == finding.Pass {
		r.Verdict = finding.Inconclusive
	}
	return r
}
