package finding

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text renders findings for people: where, what and why, with the lines of the
// file and carets under the place, then what to do.
type Text struct {
	// Source reads a file of the checked folder for the excerpts; nil, or a nil
	// answer, leaves them out.
	Source func(path string) []byte
	// Width is the terminal's width in columns; 0 means 100.
	Width int
	// Color colours severities with ANSI escapes.
	Color bool
	// Docs is what a rule's page is found under; "" means DocsFolder.
	Docs string
}

// DocsFolder holds one page per rule.
const DocsFolder = "docs/rules/"

// Page is the path of a rule's page: "python/not-pinned" is explained in
// docs/rules/python-not-pinned.md.
func Page(docs, rule string) string {
	if docs == "" {
		docs = DocsFolder
	}
	return docs + strings.ReplaceAll(rule, "/", "-") + ".md"
}

// Write prints the findings in the order given, an empty line between them.
func (t Text) Write(w io.Writer, fs []Finding) error {
	if t.Width <= 0 {
		t.Width = 100
	}
	out := bufio.NewWriter(w)
	src := newSources(t.Source)
	for i, f := range fs {
		if i > 0 {
			fmt.Fprintln(out)
		}
		t.one(out, f, src.of(f.Path))
	}
	return out.Flush()
}

func (t Text) one(out *bufio.Writer, f Finding, src *Lines) {
	fmt.Fprintf(out, "%s  %s  %s\n", Where(f), t.severity(f.Severity), PrintableLine(f.Rule))
	if !t.lines(out, f, src) {
		fmt.Fprintf(out, "   %s\n", indent(f.Message))
	}
	label := "hint"
	text := f.Hint
	if f.Fix != nil && f.Fix.Description != "" {
		label, text = "fix", f.Fix.Description
	}
	if cmd, ok := strings.CutPrefix(text, "run: "); ok {
		label, text = "fix", cmd
	}
	if text != "" {
		fmt.Fprintf(out, "   %s: %s\n", label, indent(text))
	}
	for _, c := range f.Context {
		fmt.Fprintf(out, "   %s\n", PrintableLine(c))
	}
	fmt.Fprintf(out, "   why: %s\n", PrintableLine(Page(t.Docs, f.Rule)))
}

// lines prints the excerpt and says whether there was one to print.
func (t Text) lines(out *bufio.Writer, f Finding, src *Lines) bool {
	if src == nil || f.Line < 1 {
		return false
	}
	line := src.Line(f.Line)
	if strings.TrimSpace(line) == "" || !utf8.ValidString(line) && strings.ContainsRune(line, 0) {
		return false
	}
	digits := max(2, len(strconv.Itoa(f.Line)))
	room := max(20, t.Width-digits-6)
	if before := src.Line(f.Line - 1); strings.TrimSpace(before) != "" {
		fmt.Fprintf(out, "   %*d │ %s\n", digits, f.Line-1, contextLine(before, room))
	}
	end := f.EndColumn - 1
	if f.EndLine > f.Line {
		end = len(strings.TrimRight(line, " \t\\"))
	}
	shown, from, to := excerpt(line, f.Column-1, end, room)
	fmt.Fprintf(out, "   %*d │ %s\n", digits, f.Line, shown)
	msg := PrintableLine(f.Message)
	pad := strings.Repeat(" ", from)
	carets := strings.Repeat("^", to-from)
	if to+1+utf8.RuneCountInString(msg) <= max(room, 72) {
		fmt.Fprintf(out, "   %*s │ %s%s %s\n", digits, "", pad, carets, msg)
	} else {
		fmt.Fprintf(out, "   %*s │ %s%s\n   %s\n", digits, "", pad, carets, msg)
	}
	return true
}

func (t Text) severity(s Severity) string {
	if !t.Color {
		return string(s)
	}
	code := map[Severity]string{Error: "31;1", Warning: "33;1"}[s]
	if code == "" {
		code = "36"
	}
	return "\x1b[" + code + "m" + string(s) + "\x1b[0m"
}

// Where is a finding's place as people and editors read it: path:line:col, or
// the path alone when the finding is about the whole file.
func Where(f Finding) string {
	p := PrintableLine(f.Path)
	if f.Line < 1 {
		return p
	}
	return fmt.Sprintf("%s:%d:%d", p, f.Line, f.Column)
}

func indent(s string) string { return strings.ReplaceAll(Printable(s), "\n", "\n   ") }

// Totals is the summary line: how many findings of each severity, in what.
// "3 errors, 1 warning in 41 subjects"; scope may be "".
func Totals(fs []Finding, scope string) string {
	var parts []string
	for _, s := range []Severity{Error, Warning, Note} {
		if n := Count(fs, s); n > 0 {
			parts = append(parts, Plural(n, string(s)))
		}
	}
	if parts == nil {
		parts = []string{"no findings"}
	}
	out := strings.Join(parts, ", ")
	if scope != "" {
		out += " in " + scope
	}
	return out
}

// Plural is a count with its noun: "1 image", "4 images".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
