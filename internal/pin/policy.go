package pin

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

// Exception lets findings pass, for a reason. Every condition that is set must
// hold.
type Exception struct {
	// Rule is a rule's name or a glob of such: "python/*".
	Rule string
	// Path is a glob of the finding's file, with ** for any folders.
	Path string
	// Subject is a glob of what the finding is about, as written there: an
	// action, an image, a requirement's name.
	Subject string
	// Owner is that of an action or image: "actions" for actions/checkout.
	Owner string
	// Reason says why; without one an exception is refused.
	Reason string
	// Expires ends it; the zero time never does.
	Expires time.Time
	// At is where it stands, as path and line; inline ones know theirs.
	At place
}

// Excepted is a finding that an exception lets pass.
type Excepted struct {
	Finding finding.Finding `json:"finding"`
	Reason  string          `json:"reason"`
	By      string          `json:"by"` // where the exception stands
}

// NewException reads what a settings file says. path and line are where.
func NewException(table map[string]any, file string, line int) (Exception, error) {
	e := Exception{At: place{path: file, line: line, col: 1}}
	refuse := func(format string, args ...any) (Exception, error) {
		return e, failure.New(failure.Usage, `for example { rule = "python/no-hash", path = "tools/**", reason = "why", expires = "2027-01-31" }`,
			"%s:%d: exception: "+format, append([]any{file, line}, args...)...)
	}
	for key, v := range table {
		text, isText := v.(string)
		target := map[string]*string{"rule": &e.Rule, "path": &e.Path, "subject": &e.Subject, "owner": &e.Owner, "reason": &e.Reason}[key]
		switch {
		case key == "expires":
			var err error
			if e.Expires, err = time.Parse(time.DateOnly, strings.TrimSuffix(fmt.Sprint(v), "T00:00:00Z")); err != nil {
				return refuse("expires is %v, which is no date", v)
			}
		case target == nil:
			return refuse("unknown key %q", key)
		case !isText:
			return refuse("%s is not a string", key)
		default:
			*target = text
		}
	}
	switch {
	case strings.TrimSpace(e.Reason) == "":
		return refuse("it has no reason")
	case e.Rule == "" && e.Path == "" && e.Subject == "" && e.Owner == "":
		return refuse("it names neither rule, path, subject nor owner, and would let everything pass")
	}
	for _, glob := range []string{e.Rule, e.Path, e.Subject, e.Owner} {
		if _, err := path.Match(glob, ""); err != nil {
			return refuse("%q is no glob", glob)
		}
	}
	return e, nil
}

// ignoring is an exception in the file itself:
//
//	# fairlead: ignore[rule, rule] reason
//
// on the finding's line, or on a line of its own above it.
type ignoring struct {
	Exception
	rules []string
	alone bool // nothing else stands on its line
	used  bool
}

var ignoreComment = regexp.MustCompile(`(?:^|[\s;])(?:#|//)\s*fairlead:\s*ignore\[([^\]\r\n]*)\][ \t]*([^\r\n]*)`)

// maxIgnores bounds the comments that are honoured in one file.
const maxIgnores = 1000

// ignores finds the comments of a file.
func ignoresIn(name string, data []byte) []*ignoring {
	if !bytes.Contains(data, []byte("fairlead:")) {
		return nil
	}
	var out []*ignoring
	for i, line := range bytes.Split(data, []byte("\n")) {
		m := ignoreComment.FindSubmatchIndex(line)
		if m == nil || len(out) == maxIgnores {
			continue
		}
		text := func(n int) string { return strings.TrimSpace(string(line[m[2*n]:m[2*n+1]])) }
		g := &ignoring{Exception: Exception{Reason: strings.TrimSuffix(text(2), "-->"), At: place{path: name, line: i + 1, col: m[0] + 1, endLine: i + 1, endCol: len(line) + 1}},
			alone: len(bytes.TrimLeft(line[:m[0]], " \t\r")) == 0}
		for _, r := range strings.Split(text(1), ",") {
			if r = strings.TrimSpace(r); r != "" {
				g.rules = append(g.rules, r)
			}
		}
		out = append(out, g)
	}
	return out
}

// covers says whether a comment is about a finding.
func (g *ignoring) covers(f finding.Finding, comments map[int]bool) bool {
	if f.Path != g.At.path {
		return false
	}
	line := f.Line
	if g.alone {
		for line--; line > g.At.line && comments[line]; line-- { // several comments above one line
		}
	}
	if line != g.At.line {
		return false
	}
	for _, r := range g.rules {
		if ok, _ := path.Match(r, f.Rule); ok {
			return true
		}
	}
	return false
}

// covers says whether an exception of the settings is about a finding.
func (e Exception) covers(f finding.Finding, s *Subject) bool {
	glob := func(pattern, text string) bool {
		ok, _ := path.Match(pattern, text)
		return pattern == "" || ok
	}
	subject, owner := "", ""
	if s != nil {
		subject = s.Name
		owner, _, _ = strings.Cut(s.Name, "/")
	}
	return glob(e.Rule, f.Rule) && (e.Path == "" || matchPath(strings.Split(strings.TrimPrefix(e.Path, "/"), "/"), strings.Split(f.Path, "/"))) &&
		glob(e.Subject, subject) && glob(e.Owner, owner)
}

// policy takes the findings out that exceptions let pass, and adds what is wrong
// with the exceptions themselves.
func (c *checker) policy() []Excepted {
	subjects := map[place]*Subject{}
	if slices.ContainsFunc(c.cfg.Exceptions, func(e Exception) bool { return e.Subject != "" || e.Owner != "" }) {
		for i := range c.subjects {
			s := &c.subjects[i]
			subjects[place{path: s.Path, line: s.Line, col: s.Column}] = s
		}
	}
	comments := map[string]map[int]bool{}
	for _, g := range c.ignores {
		if comments[g.At.path] == nil {
			comments[g.At.path] = map[int]bool{}
		}
		comments[g.At.path][g.At.line] = comments[g.At.path][g.At.line] || g.alone
	}
	used := make([]bool, len(c.cfg.Exceptions))
	if len(c.ignores) == 0 && len(used) == 0 {
		return nil
	}
	var kept []finding.Finding
	var out []Excepted
next:
	for _, f := range c.findings {
		for _, g := range c.ignores {
			if g.Reason != "" && g.covers(f, comments[f.Path]) {
				g.used = true
				out = append(out, Excepted{f, g.Reason, fmt.Sprintf("%s:%d", g.At.path, g.At.line)})
				continue next
			}
		}
		for i, e := range c.cfg.Exceptions {
			if !e.covers(f, subjects[place{path: f.Path, line: f.Line, col: f.Column}]) {
				continue
			}
			used[i] = true
			if e.expired(c.cfg.Today) {
				continue
			}
			out = append(out, Excepted{f, e.Reason, fmt.Sprintf("%s:%d", e.At.path, e.At.line)})
			continue next
		}
		kept = append(kept, f)
	}
	c.findings = kept
	c.exceptions(used)
	return out
}

func (e Exception) expired(today time.Time) bool {
	return !e.Expires.IsZero() && !today.IsZero() && today.After(e.Expires.Add(24*time.Hour))
}

// exceptions judges the exceptions themselves.
func (c *checker) exceptions(used []bool) {
	for i, e := range c.cfg.Exceptions {
		switch {
		case e.expired(c.cfg.Today):
			c.say(policyExpired(), e.At, complaint{message: "the exception (" + quote(e.Reason) + ") ended on " + e.Expires.Format(time.DateOnly), hint: "mend what it is about and take it out, or decide anew"})
		case !used[i] && len(c.cfg.Paths) == 0 && !c.cfg.Partial:
			c.say(policyUnused(), e.At, complaint{message: "the exception (" + quote(e.Reason) + ") matches no finding", hint: "take it out: it would hide the next one"})
		}
	}
	for _, g := range c.ignores {
		switch {
		case g.Reason == "":
			c.say(policyReason(), g.At, complaint{message: "an exception without a reason does not count", hint: "# fairlead: ignore[rule] why it is all right here"})
		case !g.used:
			c.say(policyUnused(), g.At, complaint{message: "the exception (" + quote(g.Reason) + ") matches no finding", hint: "take it out: it would hide the next one"})
		}
	}
}
