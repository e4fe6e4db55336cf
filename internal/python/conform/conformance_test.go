//go:build conformance

package conform

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// ask puts questions to packaging and pip.
func ask[T any](t *testing.T, questions [][]any) []T {
	t.Helper()
	python, err := filepath.Abs("../../../.cache/conformance/core/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("no virtual environment: run make conformance, which installs packaging and pip")
	}
	in, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/oracle.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var answers []T
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

// tally counts differences; those with a reason are listed, others fail.
type tally struct {
	t         *testing.T
	same      int
	explained map[string]int
	shown     int
}

func (c *tally) check(ours, theirs string, why string, what ...string) {
	c.t.Helper()
	switch {
	case ours == theirs:
		c.same++
	case why != "":
		if c.explained == nil {
			c.explained = map[string]int{}
		}
		c.explained[why]++
	default:
		if c.shown++; c.shown <= 25 {
			c.t.Errorf("%q:\nours   %s\ntheirs %s", what, ours, theirs)
		} else {
			c.t.Fail()
		}
	}
}

func (c *tally) done(what string) {
	c.t.Logf("%s: %d the same, %d different without explanation, explained %v", what, c.same, c.shown, c.explained)
}

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func TestConformanceVersions(t *testing.T) {
	g := newGen(1)
	var qs [][]any
	for range 22000 {
		a, b := g.version(), g.version()
		if g.IntN(4) == 0 {
			b = g.mutate(a)
		}
		qs = append(qs, []any{"compare", a, b})
	}
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		a, b := qs[i][1].(string), qs[i][2].(string)
		var ours any = "invalid"
		x, errX := version.Parse(a)
		y, errY := version.Parse(b)
		if errX == nil && errY == nil {
			ours = []any{x.String(), sign(x.Compare(y))}
		}
		c.check(jsonOf(ours), jsonOf(theirs), "", a, b)
	}
	c.done("version comparisons")
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func clauses(ss version.Specifiers) []string {
	out := []string{}
	for _, s := range ss {
		text := s.Op + s.Version
		if s.Wildcard {
			text += ".*"
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	sort.Strings(out)
	return out
}

func TestConformanceSpecifiers(t *testing.T) {
	g := newGen(2)
	var qs [][]any
	for range 22000 {
		s := g.specifiers()
		v := g.version()
		if g.IntN(2) == 0 { // near one of the clauses
			v = strings.TrimSuffix(strings.TrimLeft(strings.Split(s, ",")[0], "=<>!~ "), ".*") + g.one("", ".0", ".1", ".dev0", "a1", ".post1", "+x")
		}
		qs = append(qs, []any{"contains", s, v})
	}
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		s, v := qs[i][1].(string), qs[i][2].(string)
		var ours any
		ss, err := version.ParseSpecifiers(s)
		x, errV := version.Parse(v)
		switch {
		case err != nil:
			ours = "invalid"
		case errV != nil:
			ours = "invalid version"
		default:
			ours = []any{ss.Contains(x, true)}
			if l, ok := theirs.([]any); ok {
				theirs = l[:1] // the clauses' spelling is packaging's own
			}
		}
		c.check(jsonOf(ours), jsonOf(theirs), "", s, v)
	}
	c.done("specifier checks")
}

func environment() map[string]string {
	return map[string]string{
		"python_version": "3.11", "python_full_version": "3.11.7", "os_name": "posix", "sys_platform": "linux", "platform_machine": "x86_64",
		"platform_system": "Linux", "platform_release": "6.18.44-x", "platform_version": "#1 SMP", "platform_python_implementation": "CPython",
		"implementation_name": "cpython", "implementation_version": "3.11.7", "extra": "test-it",
	}
}

func TestConformanceMarkers(t *testing.T) {
	g := newGen(3)
	var qs [][]any
	for range 12000 {
		m := g.marker(3)
		if g.IntN(100) < 15 {
			m = g.mutate(m)
		}
		qs = append(qs, []any{"marker", m, environment()})
	}
	env := requirement.Env{Vars: environment(), Extras: []string{"test-it"}}
	delete(env.Vars, "extra")
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		text := qs[i][1].(string)
		var ours any = "invalid"
		why := ""
		m, err := requirement.ParseMarker(text)
		if err == nil {
			ok, err := m.Eval(env)
			ours = ok
			if err != nil {
				ours = "undefined"
			}
			if strings.Contains(text, "extra") && ours != theirs {
				why = explainExtra(m.String())
			}
		}
		c.check(jsonOf(ours), jsonOf(theirs), why, text)
	}
	c.done("markers")
}

// explainExtra: "extra" is a set here, of which a target may have several, so
// only == and != make sense; packaging compares it as one string.
func explainExtra(m string) string {
	for _, f := range []string{"extra <", "extra >", "extra ~=", "extra in", "extra not in", "in extra", "< extra", "> extra", "<= extra", ">= extra", "~= extra", "extra === ", "=== extra"} {
		if strings.Contains(m, f) {
			return "extra is a set of names here and compares with == and != only"
		}
	}
	return ""
}

func TestConformanceRequirements(t *testing.T) {
	g := newGen(4)
	var qs [][]any
	for range 12000 {
		qs = append(qs, []any{"requirement", g.requirement()})
	}
	c := tally{t: t}
	for i, theirs := range ask[any](t, qs) {
		text := qs[i][1].(string)
		var ours any = "invalid"
		if r, err := requirement.Parse(text); err == nil {
			ours = map[string]any{"name": requirement.NormalizeName(r.Name), "extras": names(r.Extras), "spec": clauses(r.Specifiers), "url": r.URL, "marker": r.Marker != nil}
		}
		c.check(jsonOf(ours), jsonOf(theirs), "", text)
	}
	c.done("requirement strings")
}

func names(extras []string) []string {
	out := []string{}
	for _, e := range extras {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	sort.Strings(out)
	return out
}
