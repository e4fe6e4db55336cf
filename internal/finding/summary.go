package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxRows is how many findings a summary lists; beyond it, nobody reads a table.
const maxRows = 50

// Summary renders findings as GitHub Markdown for a job summary: the answer,
// then a table, worst first. scope is as in Totals, docs as in Text.
func Summary(tool string, v Verdict, fs []Finding, scope, docs string) string {
	var b strings.Builder
	answer := map[Verdict]string{Pass: "pass", Fail: "FAIL", Inconclusive: "inconclusive"}[v]
	fmt.Fprintf(&b, "**%s: %s.** %s\n", Markdown(tool), answer, Markdown(Totals(fs, scope)))
	if len(fs) == 0 {
		return b.String()
	}
	fs = slices.Clone(fs)
	slices.SortStableFunc(fs, func(x, y Finding) int { return cmp.Compare(x.Severity.Rank(), y.Severity.Rank()) })
	b.WriteString("\n| | where | what | next |\n|---|---|---|---|\n")
	for _, f := range fs[:min(len(fs), maxRows)] {
		rule := Markdown(f.Rule)
		if strings.HasPrefix(docs, "https://") {
			rule = fmt.Sprintf("[%s](%s)", rule, Page(docs, f.Rule))
		}
		fmt.Fprintf(&b, "| %s | %s | %s (%s) | %s |\n", f.Severity, Code(Where(f)), Markdown(f.Message), rule,
			Markdown(strings.TrimPrefix(f.Hint, "run: ")))
	}
	if n := len(fs) - maxRows; n > 0 {
		fmt.Fprintf(&b, "\n… and %d more, see the log or the JSON output.\n", n)
	}
	return b.String()
}

// Markdown escapes text that somebody else wrote, for a line or table cell:
// nothing in it is markup, a link, an image or a mention.
func Markdown(s string) string {
	var b strings.Builder
	for _, r := range PrintableLine(s) {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '@':
			// An entity still mentions nobody, a bare @name would.
			b.WriteString("&#64;")
		case strings.ContainsRune("\\`*_{}[]()#|~!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	// GitHub links bare addresses.
	return strings.NewReplacer("://", "&#58;//", "www.", "www&#46;").Replace(b.String())
}

// Code is a code span for a table cell.
func Code(s string) string {
	s = PrintableLine(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	pad := ""
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		pad = " "
	}
	return fence + pad + strings.ReplaceAll(s, "|", `\|`) + pad + fence
}
