package pin

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/actionslock"
)

// checker gathers the report of one run.
type checker struct {
	fsys     fs.FS
	cfg      Config
	subjects []Subject
	findings []finding.Finding
	known    map[string]int  // subjects by place
	said     map[string]bool // findings by place and rule
	paths    map[string]bool // what find has chosen
	lines    map[string]*finding.Lines
	ignores  []*ignoring         // comments in the files that were read
	seen     map[string]bool     // files whose comments were looked for
	actions  *actionslock.Lock   // nil without one
	readers  map[string][]string // the commands that read a requirements file
	linked   []source            // files that only a command tells to be requirements
}

func newChecker(fsys fs.FS, cfg Config) *checker {
	if cfg.MaxFileSize == 0 {
		cfg.MaxFileSize = 4 << 20
	}
	if cfg.MaxFiles == 0 {
		cfg.MaxFiles = 20000
	}
	return &checker{fsys: tree{fsys}, cfg: cfg, known: map[string]int{}, said: map[string]bool{}, lines: map[string]*finding.Lines{}, seen: map[string]bool{}}
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
	key := fmt.Sprint(r.ID, at, what.message)
	if sev == "" || c.said[key] {
		return
	}
	c.said[key] = true
	if by := c.readers[at.path]; len(by) > 0 {
		what.context = append(slices.Clone(what.context), by[:min(len(by), 3)]...)
	}
	c.findings = append(c.findings, finding.Finding{
		Rule: r.ID, Severity: sev, Path: at.path, Line: at.line, Column: at.col, EndLine: at.endLine, EndColumn: at.endCol,
		Message: what.message, Hint: what.hint, Context: what.context,
	})
}

// judge asks the rules about a subject. A complaint that makes it something other
// than pinned ends the questions: the rest would say the same in other words.
func judge[T any](c *checker, at place, s *Subject, rules []rule[T], subject T) {
	for _, r := range rules {
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

// add lists a subject. One that several commands read counts once, by its worst
// state.
func (c *checker) add(at place, s Subject) {
	s.Path, s.Line, s.Column = at.path, at.line, at.col
	key := fmt.Sprint(s.Kind, at, s.Name)
	if i, ok := c.known[key]; ok {
		if c.subjects[i].State == Pinned {
			c.subjects[i].State, c.subjects[i].By = s.State, s.By
		}
		return
	}
	c.known[key] = len(c.subjects)
	c.subjects = append(c.subjects, s)
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
