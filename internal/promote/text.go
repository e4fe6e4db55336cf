package promote

import (
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// Text prints the report for people: the answer, then why, then what to do.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	headline := "done"
	switch {
	case r.Refused != "":
		headline = "REFUSED  nothing was changed"
	case r.Verdict != finding.Pass:
		headline = "FAILED"
	case r.DryRun:
		headline = "would be done  (dry run)"
	case r.Action == ActionCanary && r.First:
		headline = "no canary  first release: nothing to compare with"
	}
	fmt.Fprintf(&b, "%s %s  %s\n", r.Action, r.Environment, headline)
	for _, g := range r.Gates {
		mark := "ok"
		if g.Verdict != "ok" {
			mark = "REFUSED"
		}
		fmt.Fprintf(&b, "  %-8s%-10s %s\n", mark, g.Name, finding.Printable(g.Evidence))
	}
	if r.Refused != "" && len(r.Gates) == 0 {
		fmt.Fprintf(&b, "  REFUSED %s\n", finding.Printable(r.Refused))
	}
	if r.Hint != "" {
		fmt.Fprintf(&b, "          %s\n", finding.Printable(r.Hint))
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "  %-8s%-10s %s", s.State, s.Name, finding.Printable(s.Detail))
		if s.Seconds >= 0.1 {
			fmt.Fprintf(&b, "  (%.1f s)", s.Seconds)
		}
		b.WriteByte('\n')
	}
	if r.Refused == "" && r.Digest != "" {
		was := "before: nothing, this is the first release"
		if r.Previous != "" {
			was = "before: " + ledger.Short(r.Previous)
		}
		fmt.Fprintf(&b, "  %s  %s\n", ledger.Short(r.Digest), was)
	}
	for _, u := range []struct{ name, url string }{{"answers at", r.URLs.Stable}, {"canary at", r.URLs.Canary}} {
		if u.url != "" {
			fmt.Fprintf(&b, "  %s %s\n", u.name, u.url)
		}
	}
	if r.Action == ActionCanary && r.Verdict == finding.Pass && !r.First && !r.DryRun {
		fmt.Fprintf(&b, "  finish it: promote again with --run %s   ·   take it back: --abort --run %s\n", finding.Printable(r.Run), finding.Printable(r.Run))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary is the report as Markdown for a job's summary.
func (r *Report) Summary() string {
	var b strings.Builder
	word := "done"
	if r.Refused != "" {
		word = "refused: " + r.Refused
	} else if r.Verdict != finding.Pass {
		word = "failed"
	}
	fmt.Fprintf(&b, "**%s %s: %s**\n\n`%s` (before: `%s`), ledger #%d\n\n", r.Action, r.Environment, md(word), ledger.Short(r.Digest), ledger.Short(r.Previous), r.Seq)
	if len(r.Gates)+len(r.Steps) > 0 {
		b.WriteString("| | | |\n|---|---|---|\n")
	}
	for _, g := range r.Gates {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", g.Verdict, md(g.Name), md(g.Evidence))
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.State, md(s.Name), md(s.Detail))
	}
	return b.String()
}

// md keeps foreign text from being Markdown or HTML.
func md(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ", "`", "'", "[", "\\[").Replace(finding.Printable(s))
}
