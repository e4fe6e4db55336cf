package canary

import (
	_ "embed"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

//go:embed report.tmpl
var pageTemplate string

// figure is a chart with its caption.
type figure struct {
	Title string
	SVG   template.HTML
	// Lines name the lines' colours: class and words.
	Lines [][2]string
}

// HTML is the report as one page without scripts or anything from elsewhere.
func (rep Report) HTML() string {
	page, err := template.New("report").Funcs(template.FuncMap{
		"quantile": func(p float64) string { return "p" + number(100*p) },
		"notSeen":  func() string { return notSeen }, "share": unbroken, "word": gateWord, "often": often, "ratio": func(m MetricReport) string { return m.Ratio.words() }, "label": func(m MetricReport) string { return m.label() },
		"percent": func(p float64) string { return hard(percent(p)) }, "times": times, "null": nullWords, "margin": marginWords, "ms": bandWords, "quantity": quantity, "clock": clockWords,
		"after": after, "upper": func(v finding.Verdict) string { return strings.ToUpper(string(v)) }, "hurt": rep.hurtWords, "count": count,
	}).Parse(pageTemplate)
	if err != nil {
		return "" // a mistake in the template: a test catches it
	}
	var b strings.Builder
	now, then := rep.Plan.sides()
	data := map[string]any{
		"Now": now, "Then": then, "What": rep.Plan.what(),
		"Rep": rep, "Judged": rep.judgedMetrics(), "Headline": rep.Headline(), "Metrics": rep.shown(), "Figures": rep.figures(), "Quantiles": rep.quantiles(),
		"Needed": odds(rep.needed()), "NeededPass": odds(seqtest.Threshold(rep.Plan.Beta)), "Sure": percent(1 - rep.Plan.Alpha),
	}
	if err := page.Execute(&b, data); err != nil {
		return ""
	}
	return b.String()
}

// judgedMetrics leaves out those that the source never showed.
func (rep Report) judgedMetrics() []Metric {
	shown := map[string]bool{}
	for _, m := range rep.shown() {
		shown[m.Name] = true
	}
	return slices.DeleteFunc(slices.Clone(rep.Plan.Metrics), func(m Metric) bool { return !shown[m.Name] })
}

// figures are the charts; what they show is numbers, and names that are escaped.
func (rep Report) figures() []figure {
	var out []figure
	add := func(title, svg string, lines ...[2]string) {
		if svg != "" {
			out = append(out, figure{Title: title, SVG: template.HTML(svg), Lines: lines}) //nolint:gosec // built from numbers and escaped names
		}
	}
	width := 1.0
	if n := len(rep.Ticks); n > 0 {
		width = math.Max(1, rep.Ticks[n-1].Seconds)
	}
	tolerated := map[string]float64{}
	for _, m := range rep.Plan.Metrics {
		if m.Fail.Delta == 0 {
			tolerated[m.Name] = m.Fail.Rho
		}
	}
	now, then := rep.Plan.sides()
	both := [][2]string{{"can", now}, {"base", then}}
	const most = 240
	for _, c := range rep.curves(most) {
		if len(c.seconds) < 2 {
			continue
		}
		add(c.name+": evidence", c.evidenceChart(width), [2]string{"f", "for FAIL"}, [2]string{"p", "for PASS"}, [2]string{"n", "needed"})
		add(c.name+": share of requests", c.rateChart(width), both...)
		ratio := c.name + ": how many times the baseline's"
		if rep.Plan.Bake {
			ratio = c.name + ": how many times as before"
		}
		add(ratio, c.ratioChart(width, tolerated[strings.SplitN(c.name, " > ", 2)[0]]),
			[2]string{"iv", "interval"}, [2]string{"n", "tolerated"})
	}
	if rep.Latency != nil {
		add("response times (root scale)", rep.Latency.timesChart(), [2]string{"base solid", then + " (left)"}, [2]string{"can", now + " (right)"})
	}
	return out
}

// bandWords writes the ends of a band of response times.
func bandWords(low, high float64) string {
	switch {
	case math.IsInf(high, 1) && low == 0:
		return "not known"
	case math.IsInf(high, 1):
		return "more than " + milliseconds(low)
	case low == 0:
		return "at most " + milliseconds(high)
	}
	return milliseconds(low) + " – " + milliseconds(high)
}

// hard keeps words on one line.
func hard(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") }

// unbroken are counts that stay on their lines.
func unbroken(c seqtest.Cohort) string {
	s := hard(count(c.Bad)) + " of " + hard(count(c.N))
	if c.N > 0 && c.Bad > 0 {
		s += " (" + hard(percent(c.Rate())) + ")"
	}
	return s
}
