package main

import (
	"fmt"
	"math"
	"strings"
)

type point struct{ x, y float64 }

// look of a rule in the plots: the same everywhere. Colours hold in light and
// dark (Okabe and Ito).
func look(rule string) (colour, shape string) {
	switch rule {
	case "default":
		return "#0072b2", "circle"
	case "default, calibrated":
		return "#56b4e9", "circle"
	case "Kayenta, every minute":
		return "#d55e00", "square"
	case "Flagger":
		return "#cc79a7", "diamond"
	case "z-test, Bonferroni":
		return "#009e73", "triangle"
	}
	return "#888888", "line"
}

func mark(b *strings.Builder, rule string, x, y float64, title string) {
	colour, shape := look(rule)
	t := "<title>" + title + "</title>"
	switch shape {
	case "circle":
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s">%s</circle>`, x, y, colour, t)
	case "square":
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="7" height="7" fill="%s">%s</rect>`, x-3.5, y-3.5, colour, t)
	case "diamond":
		fmt.Fprintf(b, `<path d="M%.1f %.1fl4.5 4.5l-4.5 4.5l-4.5 -4.5z" fill="%s">%s</path>`, x, y-4.5, colour, t)
	case "triangle":
		fmt.Fprintf(b, `<path d="M%.1f %.1fl4.5 8h-9z" fill="%s">%s</path>`, x, y-5, colour, t)
	default:
		fmt.Fprintf(b, `<path d="M%.1f %.1fh10" stroke="%s" stroke-width="2">%s</path>`, x-5, y, colour, t)
	}
	b.WriteString("\n")
}

const (
	plotWidth, plotHeight = 900.0, 380.0
	plotLeft, plotTop     = 56.0, 46.0
	plotRight, plotBottom = 884.0, 300.0
	plotStyle             = `<style>text{font:12px system-ui,sans-serif;fill:#1f2328}.g{stroke:#d1d9e0}.f{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.g{stroke:#3d444d}.f{fill:#0d1117}}</style>`
	plotCells, plotGroup  = 36, 9
)

// frame draws what both plots share: groups of nine cells, one per kind.
func frame(title string, groups []string, rules []string, levels []point, names []string) *strings.Builder {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s">%s<rect class="f" width="100%%" height="100%%"/>`, plotWidth, plotHeight, title, plotStyle)
	fmt.Fprintf(&b, `<text x="%g" y="18" font-weight="600">%s</text>`+"\n", plotLeft, title)
	x := plotLeft
	for _, r := range rules {
		mark(&b, r, x+5, 32, r)
		fmt.Fprintf(&b, `<text x="%.1f" y="36">%s</text>`, x+14, r)
		x += 30 + 6.6*float64(len(r))
	}
	for i, l := range levels {
		fmt.Fprintf(&b, `<path class="g" d="M%g %.1fH%g"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft, l.y, plotRight, plotLeft-6, l.y+4, names[i])
	}
	for i, g := range groups {
		left := at(float64(plotGroup*i)) - step()/2
		fmt.Fprintf(&b, `<path class="g" d="M%.1f %gV%g"/><text x="%.1f" y="%g">%s</text>`+"\n", left, plotTop, plotBottom+62, left+4, plotBottom+58, g)
	}
	for i, c := range append(append(traffic(), traffic()...), append(traffic(), traffic()...)...) {
		px := at(float64(i))
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" font-size="9" text-anchor="end" transform="rotate(-45 %.1f %g)" style="font-size:9px">%s</text>`, px+4, plotBottom+12, px+4, plotBottom+12, c.label())
	}
	b.WriteString("\n")
	return &b
}

func step() float64        { return (plotRight - plotLeft) / plotCells }
func at(x float64) float64 { return plotLeft + step()*(x+.5) }
func logScale(v, lo, hi float64) float64 {
	v = math.Min(math.Max(v, lo), hi)
	return plotBottom - (plotBottom-plotTop)*math.Log(v/lo)/math.Log(hi/lo)
}

// alarmPlot is the false alarms of each cell, on a root scale.
func alarmPlot(points map[string][]point) string {
	y := func(v float64) float64 { return plotBottom - (plotBottom-plotTop)*math.Sqrt(v/100) }
	rules := []string{"Flagger", "z-test, Bonferroni", "Kayenta, every minute", "default, calibrated", "default"}
	var levels []point
	for _, v := range []float64{0, 1, 5, 25, 100} {
		levels = append(levels, point{0, y(v)})
	}
	b := frame("False alarms within an hour, % of runs (asked for: 1)", []string{"0.1 % errors", "0.5 %", "5 %", "30 %"}, rules, levels, []string{"0", "1", "5", "25", "100"})
	for _, r := range rules {
		for _, p := range points[r] {
			mark(b, r, at(p.x), y(p.y), fmt.Sprintf("%s: %.1f %%", r, p.y))
		}
	}
	return b.String() + "</svg>\n"
}

// detectPlot is the median time to FAIL of each cell, on a log scale.
func detectPlot(points map[string][]point) string {
	const lo, hi = .2, 75
	rules := []string{"SPRT", "Flagger", "z-test, Bonferroni", "Kayenta, every minute", "default, calibrated", "default"}
	var levels []point
	for _, v := range []float64{.25, 1, 5, 15, 60, hi} {
		levels = append(levels, point{0, logScale(v, lo, hi)})
	}
	b := frame("Median minutes until FAIL", []string{"0.5 → 1 % errors", "0.1 → 1 %", "0.5 → 0.75 %", "0.5 → 5 %"}, rules, levels, []string{"0.25", "1", "5", "15", "60", "never"})
	for _, r := range rules {
		for _, p := range points[r] {
			mark(b, r, at(p.x), logScale(p.y, lo, hi), fmt.Sprintf("%s: %g min", r, p.y))
		}
	}
	return b.String() + "</svg>\n"
}
