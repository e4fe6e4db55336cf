package pin

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/actionslock"
	"github.com/fairlead-ci/fairlead/internal/pin/command"
)

// checker gathers what is found in one file, or in all of them.
type checker struct {
	*run
	subjects []Subject
	findings []finding.Finding
	lines    map[string]*finding.Lines
	ignores  []*ignoring         // comments in the files that were read
	seen     map[string]bool     // files whose comments were looked for
	readers  map[string][]string // the commands that read a requirements file
	resolved []string            // requirements files that a command reads without --no-deps
	linked   []source            // files that only a command tells to be requirements
	python   *pythonFile         // what of a requirements file is needed to place it
	// what a Source may be asked, its answers, and whether one is missing
	asked      asked
	answers    *answers
	unanswered bool
}

// run is what all files of a run have in common; it does not change while they
// are checked.
type run struct {
	fsys    fs.FS
	cfg     Config
	paths   map[string]bool   // what choose has chosen
	poetry  bool              // a poetry.lock is among them
	actions *actionslock.Lock // nil without one
	shell   *command.Reader   // of this processor
	files   *sync.Map         // whether files are there, by name
}

func newChecker(fsys fs.FS, cfg Config) *checker {
	if cfg.MaxFileSize == 0 {
		cfg.MaxFileSize = 4 << 20
	}
	if cfg.MaxFiles == 0 {
		cfg.MaxFiles = 20000
	}
	return (&run{fsys: newTree(fsys), cfg: cfg, shell: &command.Reader{}, files: &sync.Map{}}).checker()
}

func (r *run) checker() *checker {
	return &checker{run: r, lines: map[string]*finding.Lines{}, seen: map[string]bool{}, readers: map[string][]string{}}
}

// severity is what a rule's findings weigh here; "" drops them.
func (c *checker) severity(r Rule, otherwise finding.Severity) finding.Severity {
	set, ok := c.cfg.Severity[r.ID]
	switch {
	case ok && set == "off", !ok && r.OptIn:
		return ""
	case ok:
		return finding.Severity(set)
	case otherwise != "":
		return otherwise
	}
	return r.Severity
}

// say adds a finding, once per rule and place.
func (c *checker) say(r Rule, at place, what complaint) {
	sev := c.severity(r, what.severity)
	if what.at != nil {
		at = *what.at
	}
	if sev == "" {
		return
	}
	f := finding.Finding{
		Rule: r.ID, Severity: sev, Path: at.path, Line: at.line, Column: at.col, EndLine: at.endLine, EndColumn: at.endCol,
		Message: what.message, Hint: what.hint, Context: what.context,
	}
	if n := len(c.findings); n == 0 || !sameFinding(c.findings[n-1], f) {
		c.findings = append(c.findings, f)
	}
}

// judge asks the rules about a subject. A complaint that makes it something other
// than pinned ends the questions: the rest would say the same in other words.
func judge[T any](c *checker, at place, s *Subject, rules []rule[T], subject T) {
	for _, r := range rules {
		if r.OptIn && c.cfg.Severity[r.ID] == "" {
			continue // it is asked for, or not at all
		}
		what := r.check(subject)
		if what == nil {
			continue
		}
		c.say(r.Rule, at, *what)
		if what.state != "" {
			s.State, s.By = what.state, what.by
		}
		if s.State != Pinned {
			return
		}
	}
}

// add lists a subject.
func (c *checker) add(at place, s Subject) {
	s.Path, s.Line, s.Column = at.path, at.line, at.col
	// What is kept is not to keep the whole file.
	s.Name, s.Ref = strings.Clone(s.Name), strings.Clone(s.Ref)
	if n := len(c.subjects); n == 0 || !c.subjects[n-1].merge(s) {
		c.subjects = append(c.subjects, s)
	}
}

// placeOf is a byte range of a file as lines and columns.
func placeOf(path string, l *finding.Lines, start, end int) place {
	p := place{path: path}
	p.line, p.col = l.Position(start)
	p.endLine, p.endCol = l.Position(max(start, end))
	return p
}

// quote shows untrusted text inside a message.
func quote(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:77], "") + "…"
	}
	return finding.PrintableLine(fmt.Sprintf("%q", s))
}

// shellWord is text that may stand in a command that a person copies, or "" if
// quoting it would need thought.
func shellWord(s string) string {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/+:@=", r)) {
			return ""
		}
	}
	if strings.HasPrefix(s, "-") {
		return ""
	}
	return s
}
