package finding_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/finding/sariftest"
)

var update = flag.Bool("update", false, "write the golden files")

// files is a small repository with what makes excerpts hard: tabs, wide
// characters, control characters, a very long line.
var files = map[string]string{
	"requirements/web.txt": "gunicorn==23.0.0 --hash=sha256:" + strings.Repeat("0123456789abcdef", 4) + "\ndjango>=4.2,<5\nrequests>=2 \\\n  --hash=sha256:00\n",
	"Dockerfile":           "# 日本語 comment\nFROM\t\tpython:3.12\nRUN echo \x1b[31mred\u202e \xff\n",
	"wide.txt":             "日本語 e\u0301 >=1\n",
	"long.txt":             strings.Repeat("x", 400) + " HERE " + strings.Repeat("y", 400) + "\n",
}

func source(path string) []byte {
	s, ok := files[path]
	if !ok {
		return nil
	}
	return []byte(s)
}

func findings() []finding.Finding {
	return []finding.Finding{
		{Rule: "python/not-pinned", Severity: finding.Error, Path: "requirements/web.txt", Line: 2, Column: 1, EndLine: 2, EndColumn: 15,
			Message: "a range, not a version: two builds of this commit can differ",
			Hint:    "run: uv pip compile --generate-hashes requirements/web.in -o requirements/web.txt",
			Context: []string{"read by: Dockerfile:9  RUN pip install -r requirements/web.txt"}},
		{Rule: "python/not-pinned", Severity: finding.Error, Path: "requirements/web.txt", Line: 3, Column: 1, EndLine: 4, EndColumn: 19,
			Message: "spans lines", Hint: "first\nsecond"},
		{Rule: "image/not-pinned", Severity: finding.Warning, Path: "Dockerfile", Line: 2, Column: 7, EndLine: 2, EndColumn: 18,
			Message: "a tag, which its owner can move", Hint: "write python:3.12@sha256:…"},
		{Rule: "x/hostile", Severity: finding.Note, Path: "Dockerfile", Line: 3, Column: 10, EndLine: 3, EndColumn: 18,
			Message: "::error::evil \x1b[2J @everyone [link](javascript:1) <img src=x> `code` | cell\nnext \u202e line", Context: []string{"a\rb"}},
		{Rule: "x/wide", Severity: finding.Error, Path: "wide.txt", Line: 1, Column: 15, EndLine: 1, EndColumn: 18, Message: "here"},
		{Rule: "x/long", Severity: finding.Error, Path: "long.txt", Line: 1, Column: 402, EndLine: 1, EndColumn: 406, Message: "in the middle of a long line"},
		{Rule: "file/unreadable", Severity: finding.Error, Path: "gone \x07.txt", Message: "cannot be read"},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it); got:\n%s", path, got)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := (finding.Text{Source: source, Width: 80}).Write(&b, findings()); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n" + finding.Totals(findings(), "41 subjects") + "\n" + finding.Totals(nil, "") + "\n")
	noControls(t, b.String())
	golden(t, "text.out", b.Bytes())
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := finding.WriteJSON(&b, map[string]any{"findings": findings(), "none": finding.List(nil)}); err != nil {
		t.Fatal(err)
	}
	noControls(t, b.String())
	var back struct{ Findings []finding.Finding }
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if got, want := back.Findings[3].Message, findings()[3].Message; got != want {
		t.Errorf("message after a round trip: %q, want %q", got, want)
	}
	golden(t, "findings.json", b.Bytes())
}

func TestSARIF(t *testing.T) {
	s := finding.SARIF{Tool: "fairlead pin-check", Version: "1.0.0", Docs: "https://docs.example/rules/", Source: source,
		Rules: []finding.RuleInfo{{ID: "python/not-pinned", Severity: finding.Error, Title: "a requirement admits several versions"}}}
	var b bytes.Buffer
	if err := s.Write(&b, findings()); err != nil {
		t.Fatal(err)
	}
	noControls(t, b.String())
	sariftest.Validate(t, b.Bytes())
	golden(t, "findings.sarif", b.Bytes())
}

// TestSARIFLimit: GitHub refuses a log with more than 25,000 results.
func TestSARIFLimit(t *testing.T) {
	var fs []finding.Finding
	for i := range 26000 {
		sev := finding.Note
		if i >= 25500 {
			sev = finding.Error
		}
		fs = append(fs, finding.Finding{Rule: "python/not-pinned", Severity: sev, Path: "a.txt", Line: i + 1, Column: 1, EndLine: i + 1, EndColumn: 2, Message: "m"})
	}
	var b bytes.Buffer
	if err := (finding.SARIF{Tool: "fairlead pin-check"}).Write(&b, fs); err != nil {
		t.Fatal(err)
	}
	sariftest.Validate(t, b.Bytes())
	if !strings.Contains(b.String(), `"startLine": 26000`) || !strings.Contains(b.String(), "1000 findings left out") {
		t.Error("the errors at the end are not kept, or what is left out is not said")
	}
}

func TestAnnotations(t *testing.T) {
	b, err := json.MarshalIndent(finding.Annotations(findings(), ""), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "annotations.json", append(b, '\n'))
}

func TestSummary(t *testing.T) {
	s := finding.Summary("pin-check", finding.Fail, findings(), "41 subjects", "https://docs.example/rules/")
	noControls(t, s)
	golden(t, "summary.md", []byte(s))
	many := finding.Summary("pin-check", finding.Fail, make([]finding.Finding, 60), "", "")
	if !strings.Contains(many, "and 10 more") {
		t.Error("a long list is not cut")
	}
}

func noControls(t *testing.T, s string) {
	t.Helper()
	for _, r := range s {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x202e {
			t.Errorf("%q reaches the reader", r)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":            "plain",
		"über 日本":          "über 日本",
		"a\x1b[2Jb":        `a\x1b[2Jb`,
		"\u009b1m":         `\x9b1m`,
		"a\nb\tc":          "a\nb\tc",
		"\xff\u202e\u200b": `\xff\u202e\u200b`,
		"\U000e0041":       `\U000e0041`,
	} {
		if got := finding.Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
	if got := finding.PrintableLine("a\nb\tc\r"); got != `a\nb\tc\r` {
		t.Errorf("PrintableLine = %q", got)
	}
}

func TestLines(t *testing.T) {
	l := finding.NewLines([]byte("a\r\nbc\rd\n\ne"))
	for _, c := range []struct{ offset, line, column int }{
		{0, 1, 1}, {3, 2, 1}, {4, 2, 2}, {6, 3, 1}, {8, 4, 1}, {9, 5, 1}, {10, 5, 2}, {99, 5, 2}, {-1, 1, 1},
	} {
		if line, col := l.Position(c.offset); line != c.line || col != c.column {
			t.Errorf("Position(%d) = %d:%d, want %d:%d", c.offset, line, col, c.line, c.column)
		}
	}
	for n, want := range []string{"", "a", "bc", "d", "", "e", ""} {
		if got := l.Line(n); got != want {
			t.Errorf("Line(%d) = %q, want %q", n, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("FROM\tx\n", 1, 6, 7)
	f.Add("日本 \xff\x1b", 1, 3, 90)
	f.Fuzz(func(t *testing.T, src string, line, col, end int) {
		var b bytes.Buffer
		fs := []finding.Finding{{Rule: "a/b", Path: "f", Line: line, Column: col, EndLine: line, EndColumn: end, Message: src}}
		tx := finding.Text{Source: func(string) []byte { return []byte(src) }, Width: 60}
		if err := tx.Write(&b, fs); err != nil {
			t.Fatal(err)
		}
		if err := (finding.SARIF{Source: tx.Source}).Write(&b, fs); err != nil {
			t.Fatal(err)
		}
		noControls(t, b.String())
	})
}
