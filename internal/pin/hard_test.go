package pin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin"
)

// The building blocks of the cases.
const (
	sha40  = "93cb6efe18208431cddfb8368fd83d5badbf9bfd"
	hex64  = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
	hash   = " --hash=sha256:" + hex64
	digest = "@sha256:" + hex64
)

// hard is one hard case: a file and what must be said about it, as
// "state by ref" per subject and "severity rule text" per finding.
type hard struct {
	n        string // the number in the list of hard cases
	path     string
	src      string
	subjects []string
	findings []string
}

// more files that a case needs beside its own, by the case's source text.
var beside = map[string]string{
	"c.txt": "foo==1.0\n", "ch.txt": "foo==1.0" + hash + "\n", "base.txt": "bar==2.0\n", "a.txt": "x==1\n", "b.txt": "y==1\n",
	"dev.df": "FROM dev:1\n", "dev-services.yml": "services: {db: {image: db:1}}\n",
	".devcontainer/devcontainer-lock.json": `{"features": {"ghcr.example/f/locked:1": {"resolved": "ghcr.example/f/locked` + digest + `"}, "ghcr.example/f/moved:1": {"resolved": "ghcr.example/evil/moved` + digest + `"}, "https://x.example/devcontainer-feature-a.tgz": {"integrity": "sha256:` + hex64 + `"}}}`,
}

// req, df, step are cases of the three kinds of files.
func req(n, src string, subjects, findings []string) hard {
	return hard{n, "requirements.txt", src, subjects, findings}
}

func df(n, src string, subjects, findings []string) hard {
	return hard{n, "Dockerfile", src, subjects, findings}
}

func step(n, uses string, subjects, findings []string) hard {
	return hard{n, ".github/workflows/ci.yml", "jobs:\n  a:\n    steps:\n      - uses: " + uses + "\n", subjects, findings}
}

func wf(n, src string, subjects, findings []string) hard {
	return hard{n, ".github/workflows/ci.yml", src, subjects, findings}
}

type l = []string

func TestHardCases(t *testing.T) {
	for _, cases := range [][]hard{hardRequirements(), hardImages(), hardActions(), hardDevcontainers()} {
		for i, c := range cases {
			t.Run(fmt.Sprintf("%s/%02d", c.n, i), func(t *testing.T) {
				fsys := fstest.MapFS{c.path: {Data: []byte(c.src)}}
				for name, data := range beside {
					fsys["x/"+name] = &fstest.MapFile{Data: []byte(data)}
				}
				r, err := pin.Check(context.Background(), fsys, pin.Config{Paths: []string{c.path}})
				if err != nil {
					t.Fatal(err)
				}
				subjects, findings := describe(t, fsys, r)
				t.Logf("case %s: %q\n  subjects %q\n  findings %q", c.n, c.src, subjects, findings)
				if !slices.Equal(subjects, c.subjects) {
					t.Errorf("subjects of %q:\ngot  %q\nwant %q", c.src, subjects, c.subjects)
				}
				if !slices.Equal(findings, c.findings) {
					t.Errorf("findings of %q:\ngot  %q\nwant %q", c.src, findings, c.findings)
				}
			})
		}
	}
	hardTrees(t)
}

// describe puts a report into the cases' words; the text of each finding is cut
// from the file's bytes at the finding's position.
func describe(t *testing.T, fsys fstest.MapFS, r pin.Report) (subjects, findings []string) {
	t.Helper()
	for _, s := range r.Subjects {
		text := string(s.State)
		if s.By != "" {
			text += " by " + s.By
		}
		text += " " + s.Ref
		subjects = append(subjects, text)
		if got := fsys[s.Path].Data[offset(t, fsys, s.Path, s.Line, s.Column):]; !strings.Contains(s.Ref, "***") &&
			!strings.HasPrefix(string(got), firstWord(s.Ref)) && !strings.ContainsAny(string(got[:1]), "'\"$-") {
			t.Errorf("the subject %q stands not at %s:%d:%d but %.40q", s.Ref, s.Path, s.Line, s.Column, got)
		}
	}
	for _, f := range r.Findings {
		text := fmt.Sprintf("%s %s", f.Severity, f.Rule)
		if f.Line > 0 {
			from, to := offset(t, fsys, f.Path, f.Line, f.Column), offset(t, fsys, f.Path, f.EndLine, f.EndColumn)
			text += " " + string(fsys[f.Path].Data[from:to])
		}
		findings = append(findings, text)
		if f.Message == "" || f.Hint == "" {
			t.Errorf("%s has no message or no hint", f.Rule)
		}
	}
	return subjects, findings
}

func firstWord(s string) string {
	w, _, _ := strings.Cut(s, " ")
	return w[:min(len(w), 3)] // a continuation may come soon
}

// offset is the byte at a line and column, counted here independently: lines end
// at \n, \r\n or \r.
func offset(t *testing.T, fsys fstest.MapFS, path string, line, column int) int {
	t.Helper()
	data := string(fsys[path].Data)
	at := 0
	for n := 1; n < line; n++ {
		i := strings.IndexAny(data[at:], "\r\n")
		if i < 0 {
			t.Fatalf("%s has no line %d", path, line)
		}
		at += i + 1
		if data[at-1] == '\r' && strings.HasPrefix(data[at:], "\n") {
			at++
		}
	}
	if at += column - 1; at > len(data) {
		t.Fatalf("%s:%d:%d is outside the file", path, line, column)
	}
	return at
}

func TestVerdict(t *testing.T) {
	fsys := fstest.MapFS{"requirements.txt": {Data: []byte("foo==1.0\n")}}
	for failOn, want := range map[string]finding.Verdict{"": finding.Pass, "error": finding.Pass, "warning": finding.Fail, "never": finding.Pass} {
		r, err := pin.Check(context.Background(), fsys, pin.Config{FailOn: failOn})
		if err != nil || r.Verdict != want {
			t.Errorf("fail-on %q: %s, %v; want %s", failOn, r.Verdict, err, want)
		}
	}
}
