package gha

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type step struct {
	*Runtime
	out  *bytes.Buffer
	vars map[string]string
}

func newStep(t *testing.T) step {
	t.Helper()
	dir := t.TempDir()
	vars := map[string]string{"GITHUB_ACTIONS": "true"}
	for _, v := range []string{"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"} {
		vars[v] = filepath.Join(dir, v)
		if err := os.WriteFile(vars[v], nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	return step{New(func(k string) string { return vars[k] }, &out), &out, vars}
}

func (s step) file(t *testing.T, v string) string {
	t.Helper()
	b, err := os.ReadFile(s.vars[v])
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// parse reads a file command as the runner does (FileCommandManager.cs).
func parse(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		eq, here := strings.Index(lines[i], "="), strings.Index(lines[i], "<<")
		if here < 0 || (eq >= 0 && eq < here) {
			k, v, ok := strings.Cut(lines[i], "=")
			if !ok {
				t.Fatalf("invalid line %q", lines[i])
			}
			out[k] = v
			continue
		}
		name, delim := lines[i][:here], lines[i][here+2:]
		var val []string
		for i++; lines[i] != delim; i++ {
			val = append(val, lines[i])
		}
		out[name] = strings.Join(val, "\n")
	}
	return out
}

func TestOutputCannotBeInjected(t *testing.T) {
	values := []string{
		"plain", "", "a=b", "x<<EOF\nimage=evil\nEOF", "::error::boo", "%0A::set-output name=a::b",
		"_GitHubActionsFileCommandDelimeter_\nimage=evil", "line\r\nline", "two\n\nlines\n", "fairlead_0\nimage<<fairlead_0\nevil",
	}
	s := newStep(t)
	for i, v := range values {
		if err := s.Output(fmt.Sprintf("o%d", i), v); err != nil {
			t.Fatal(err)
		}
	}
	got := parse(t, s.file(t, "GITHUB_OUTPUT"))
	if len(got) != len(values) {
		t.Errorf("%d outputs, want %d: %q", len(got), len(values), got)
	}
	for i, v := range values {
		if g := got[fmt.Sprintf("o%d", i)]; g != v {
			t.Errorf("output %d = %q, want %q", i, g, v)
		}
	}
	if s.out.Len() != 0 {
		t.Errorf("stdout = %q, want nothing", s.out)
	}
}

func TestDelimiterInValueIsRefused(t *testing.T) {
	s := newStep(t)
	s.token = func() (string, error) { return "abc", nil }
	if err := s.Output("x", "a\nfairlead_abc\nimage=evil"); !errors.Is(err, ErrDelimiter) {
		t.Errorf("error = %v, want ErrDelimiter", err)
	}
	for _, name := range []string{"", "a=b", "a<<b", "a\nb"} {
		if err := s.Output(name, "v"); err == nil {
			t.Errorf("name %q accepted", name)
		}
	}
	if got := s.file(t, "GITHUB_OUTPUT"); got != "" {
		t.Errorf("file = %q, want nothing written", got)
	}
}

func TestMissingFileIsAnError(t *testing.T) {
	s := newStep(t)
	s.vars["GITHUB_OUTPUT"] = filepath.Join(t.TempDir(), "none")
	if err := s.Output("a", "b"); err == nil {
		t.Error("no error for a missing file")
	}
	delete(s.vars, "GITHUB_OUTPUT")
	if err := s.Output("a", "b"); err == nil {
		t.Error("no error for an unset variable")
	}
}

func TestOutsideActions(t *testing.T) {
	var out bytes.Buffer
	r := New(func(string) string { return "" }, &out)
	r.Mask("secret")
	r.Annotate([]Annotation{{Level: LevelError, Message: "x"}})
	r.Group("g", func() {})
	if err := errors.Join(r.Output("a", "b"), r.Summary("# x"), r.Foreign(func() error { return nil })); err != nil {
		t.Error(err)
	}
	if out.Len() != 0 {
		t.Errorf("stdout = %q, want nothing", out.String())
	}
}

func TestAnnotateLimits(t *testing.T) {
	s := newStep(t)
	var all []Annotation
	for i := range 25 {
		all = append(all, Annotation{Level: LevelWarning, Path: "a,b:c.txt", Line: i + 1, Message: "w"})
	}
	all = append(all, Annotation{Level: LevelError, Message: "50% off\n::error::x"})
	if left := s.Annotate(all); left != 16 {
		t.Errorf("left = %d, want 16", left)
	}
	lines := strings.Split(strings.TrimSpace(s.out.String()), "\n")
	if len(lines) != 11 {
		t.Fatalf("%d lines, want 11:\n%s", len(lines), s.out)
	}
	if lines[0] != "::error::50%25 off%0A::error::x" {
		t.Errorf("first = %q, want the escaped error", lines[0])
	}
	if lines[1] != "::warning file=a%2Cb%3Ac.txt,line=1::w" {
		t.Errorf("second = %q", lines[1])
	}
	if want := "::warning::… and 16 more, see the job summary"; lines[10] != want {
		t.Errorf("last = %q, want %q", lines[10], want)
	}
}

func TestForeignAndMask(t *testing.T) {
	s := newStep(t)
	s.token = func() (string, error) { return "t0k", nil }
	boom := errors.New("boom")
	err := s.Foreign(func() error { fmt.Fprint(s.out, "::error::fake"); return boom })
	if !errors.Is(err, boom) {
		t.Errorf("error = %v", err)
	}
	s.Mask("one\ntwo\r\n\nx")
	want := "::stop-commands::t0k\n::error::fake\n::t0k::\n::add-mask::one\n::add-mask::two\n"
	if s.out.String() != want {
		t.Errorf("stdout = %q, want %q", s.out, want)
	}
}

func TestSummaryIsCut(t *testing.T) {
	s := newStep(t)
	line := strings.Repeat("é", 500) + "\n"
	if err := s.Summary(strings.Repeat(line, 2000)); err != nil {
		t.Fatal(err)
	}
	got := s.file(t, "GITHUB_STEP_SUMMARY")
	if len(got) > maxSummary || !strings.HasSuffix(got, cutNote) {
		t.Errorf("summary of %d bytes ends in %q", len(got), got[len(got)-80:])
	}
	if err := s.Summary("more"); err != nil {
		t.Error(err)
	}
	if len(s.file(t, "GITHUB_STEP_SUMMARY")) > maxSummary {
		t.Error("a second summary went over the limit")
	}
}
