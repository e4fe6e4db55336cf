package canary

import (
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Text writes the report for a terminal: the verdict first, then the numbers,
// then what went wrong on the way and what to do next.
func (rep Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s\n", rep.Plan.what(), rep.Headline(), printable(rep.Reason))
	shown := rep.shown()
	for _, m := range shown {
		if (len(shown) > 1 || m.Gate != Block || m.Verdict != rep.Verdict) && !strings.Contains(rep.Reason, m.Why) {
			fmt.Fprintf(&b, "  %-12s  %s\n", gateWord(m), printable(m.Why))
		}
	}
	if line := rep.sparkline(40); line != "" {
		fmt.Fprintf(&b, "  evidence      %s  (%s)\n", line, rep.sparkWords())
	}
	if rep.Verdict == finding.Fail && rep.Hurt > 0 {
		fmt.Fprintf(&b, "  hurt          %s\n", rep.hurtWords())
	}
	for _, p := range rep.Problems {
		if p.Count > 1 || !strings.Contains(rep.Reason, p.Message) {
			fmt.Fprintf(&b, "  problem       %s%s\n", printable(p.Message), times(p.Count))
		}
	}
	for _, n := range head(rep.Notes, 5) {
		fmt.Fprintf(&b, "  note          %s\n", printable(n))
	}
	if rep.Verdict == finding.Inconclusive && rep.Preview != "" {
		fmt.Fprintf(&b, "  forecast      %s\n", rep.Preview)
	}
	for _, d := range rep.Done {
		fmt.Fprintf(&b, "  done          %s\n", printable(d))
	}
	for _, n := range rep.Next {
		fmt.Fprintf(&b, "  next          %s\n", printable(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Summary is the report as GitHub Markdown for a job summary: the sentence, a
// table, the evidence over time.
func (rep Report) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s:** %s\n\n", rep.Headline(), markdown(rep.Reason))
	for _, d := range rep.Done {
		fmt.Fprintf(&b, "Done: %s\n\n", markdown(d))
	}
	for _, n := range rep.Next {
		fmt.Fprintf(&b, "Next: %s\n\n", markdown(n))
	}
	now, then := rep.Plan.sides()
	fmt.Fprintf(&b, "| metric | %s | %s | ratio (%s) | verdict |\n|---|---|---|---|---|\n", now, then, percent(1-rep.Plan.Alpha))
	for _, m := range rep.shown() {
		verdict := string(m.Verdict)
		if m.Verdict == finding.Fail {
			verdict = "**" + strings.ToUpper(gateWord(m)) + "**"
		}
		canary, baseline, ratio := share(m.Canary), share(m.Baseline), m.Ratio.words()
		if m.Gauge != nil {
			canary, baseline, ratio = quantity(m.Gauge.Canary), quantity(m.Gauge.Baseline), ""
		}
		if m.Restarts != nil {
			canary, baseline, ratio = often(m.Restarts.Canary), often(m.Restarts.Baseline), ""
		}
		if !m.Seen {
			canary, baseline, ratio = notSeen, notSeen, ""
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", markdown(m.label()), canary, baseline, ratio, verdict)
	}
	var tail []string
	if line := rep.sparkline(40); line != "" {
		tail = append(tail, "evidence "+line)
	}
	if rep.Verdict == finding.Fail && rep.Hurt > 0 {
		tail = append(tail, rep.hurtWords())
	}
	if rep.Verdict == finding.Inconclusive && rep.Preview != "" {
		tail = append(tail, markdown(rep.Preview))
	}
	if len(tail) > 0 {
		fmt.Fprintf(&b, "\n%s\n", strings.Join(tail, " · "))
	}
	if chart := rep.mermaid(); chart != "" {
		b.WriteString("\n<details><summary>evidence over time</summary>\n\n" + chart + "\n</details>\n")
	}
	if len(rep.Problems)+len(rep.Notes) > 0 {
		b.WriteString("\n<details><summary>what happened on the way</summary>\n\n")
		for _, p := range rep.Problems {
			fmt.Fprintf(&b, "- %s%s\n", markdown(p.Message), times(p.Count))
		}
		for _, n := range head(rep.Notes, 20) {
			fmt.Fprintf(&b, "- %s\n", markdown(n))
		}
		b.WriteString("\n</details>\n")
	}
	return b.String() + "\n" // what follows a closing tag at once would be no Markdown
}

// notSeen stands for the numbers of a metric that the source never showed.
const notSeen = "not shown"

// shown leaves out what the source never delivered and nobody insisted on.
func (rep Report) shown() []MetricReport {
	var out []MetricReport
	for _, m := range rep.Metrics {
		if m.Seen || !rep.ifSeen(m.Name) {
			out = append(out, m)
		}
	}
	return out
}

func (rep Report) ifSeen(name string) bool {
	for _, m := range rep.Plan.Metrics {
		if m.Name == name {
			return m.IfSeen
		}
	}
	return false
}

func (i Interval) words() string {
	switch {
	case i.Low == 0 && i.High == nil:
		return "not known"
	case i.High == nil:
		return "at least " + atLeast(i.Low)
	case i.Low == 0:
		return "at most " + atMost(*i.High)
	}
	return atLeast(i.Low) + " – " + atMost(*i.High)
}

// gateWord is the verdict as the gate weighs it: a failed metric that only
// warns is a warning.
func gateWord(m MetricReport) string {
	switch {
	case m.Verdict != finding.Fail || m.Gate == Block:
		return string(m.Verdict)
	case m.Gate == Warn:
		return "warning"
	default:
		return "observed"
	}
}

func (rep Report) hurtWords() string {
	share := "the baseline's share"
	if rep.Plan.Bake {
		share = "the share before"
	}
	if rep.Hurt == 1 {
		return "1 request was hurt beyond " + share
	}
	return count(rep.Hurt) + " requests were hurt beyond " + share
}

func times(n int) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(" (at %d looks)", n)
}

func head(lines []string, n int) []string {
	if len(lines) > n {
		return append(lines[:n:n], fmt.Sprintf("and %d more", len(lines)-n))
	}
	return lines
}

// sparkline draws the evidence that decided, or else the evidence for FAIL,
// against what is needed: a full block is the line that ends the run. Of several
// metrics the loudest is drawn for FAIL and the slowest for PASS.
func (rep Report) sparkline(width int) string {
	level := rep.Plan.Alpha
	value := func(e Evidence) float64 { return e.LnEFail }
	better := func(a, b Evidence) bool { return a.LnEFail > b.LnEFail }
	if rep.Verdict == finding.Pass {
		level = rep.Plan.Beta
		value = func(e Evidence) float64 { return e.LnEPass }
		better = func(a, b Evidence) bool { return a.LnEPass < b.LnEPass }
	}
	name, best := "", Evidence{}
	for _, m := range rep.shown() {
		if e := (Evidence{LnEFail: m.LnEFail, LnEPass: m.LnEPass}); m.Gate == Block && (name == "" || better(e, best)) {
			name, best = m.Name, e
		}
	}
	var values []float64
	for _, t := range rep.Ticks {
		if e, ok := t.Evidence[name]; ok {
			values = append(values, value(e))
		}
	}
	if len(values) < 2 {
		return ""
	}
	width = min(width, len(values))
	blocks := []rune("▁▂▃▄▅▆▇█")
	line := make([]rune, 0, width)
	for i := range width {
		// The last tick of each stretch, so that the end of the run is shown.
		v := values[(i+1)*len(values)/width-1] / seqtest.Threshold(level)
		line = append(line, blocks[int(min(max(v, 0), 1)*float64(len(blocks)-1))])
	}
	return string(line)
}

// sparkWords say what a full block of the sparkline is.
func (rep Report) sparkWords() string {
	if rep.Verdict == finding.Pass {
		return "a full block is enough for a pass"
	}
	return "a full block is enough for a fail"
}

// printable keeps what others wrote (addresses, metric names) on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// markdown keeps it from becoming markup, too.
func markdown(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "`", "\\`", "*", "\\*", "_", "\\_",
		"[", "\\[", "]", "\\]", "<", "&lt;", ">", "&gt;", "&", "&amp;", "@", "&#64;", "#", "\\#").Replace(printable(s))
}
