package canary

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The charts are drawn for a phone's width and stretch from there.
const (
	chartWidth, chartHeight = 480.0, 230.0
	chartLeft, chartRight   = 76.0, 470.0
	chartTop, chartBottom   = 14.0, 200.0
)

// chart draws lines over time.
type chart struct {
	b           strings.Builder
	x0, x1      float64 // seconds
	y0, y1      float64
	label       func(float64) string
	log         bool
	description string
}

func newChart(description string, x0, x1, y0, y1 float64, label func(float64) string) *chart {
	if !(x1 > x0) {
		x1 = x0 + 1
	}
	if !(y1 > y0) {
		y1 = y0 + 1
	}
	return &chart{x0: x0, x1: x1, y0: y0, y1: y1, label: label, description: description}
}

func (c *chart) x(s float64) float64 {
	return chartLeft + (chartRight-chartLeft)*(s-c.x0)/(c.x1-c.x0)
}

func (c *chart) y(v float64) float64 {
	v = math.Min(math.Max(v, c.y0), c.y1)
	part := (v - c.y0) / (c.y1 - c.y0)
	if c.log {
		part = math.Log(v/c.y0) / math.Log(c.y1/c.y0)
	}
	return chartBottom - (chartBottom-chartTop)*part
}

// level is a line across, with its value at the side.
func (c *chart) level(v float64, class string) {
	fmt.Fprintf(&c.b, `<path class="%s" d="M%.1f %.1fH%.1f"/><text class="t e" x="%.1f" y="%.1f">%s</text>`,
		class, chartLeft, c.y(v), chartRight, chartLeft-5, c.y(v)+4, html.EscapeString(c.label(v)))
}

// line is a curve; what is not finite is a gap.
func (c *chart) line(seconds, values []float64, class string) {
	var d strings.Builder
	move := true
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			move = true
			continue
		}
		op := "L"
		if move {
			op = "M"
		}
		move = false
		fmt.Fprintf(&d, "%s%.1f %.1f", op, c.x(seconds[i]), c.y(v))
	}
	if d.Len() > 0 {
		fmt.Fprintf(&c.b, `<path class="l %s" d="%s"/>`, class, d.String())
	}
}

// band fills between two curves.
func (c *chart) band(seconds, low, high []float64, class string) {
	if len(seconds) < 2 {
		return
	}
	var d strings.Builder
	for i := range seconds {
		fmt.Fprintf(&d, "%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[i == 0], c.x(seconds[i]), c.y(low[i]))
	}
	for i := len(seconds) - 1; i >= 0; i-- {
		fmt.Fprintf(&d, "L%.1f %.1f", c.x(seconds[i]), c.y(high[i]))
	}
	fmt.Fprintf(&c.b, `<path class="b %s" d="%sZ"/>`, class, d.String())
}

// svg closes the chart with its axis of time.
func (c *chart) svg() string {
	var axis strings.Builder
	for i := range 4 {
		s := c.x0 + (c.x1-c.x0)*float64(i)/3
		anchor := map[int]string{0: "s", 3: "e"}[i]
		fmt.Fprintf(&axis, `<text class="t %s" x="%.1f" y="%.1f">%s</text>`, anchor, c.x(s), chartBottom+20, clockWords(s))
	}
	return fmt.Sprintf(`<svg viewBox="0 0 %g %g" role="img" aria-label="%s">%s%s</svg>`, chartWidth, chartHeight, html.EscapeString(c.description), c.b.String(), axis.String())
}

// clockWords writes a time of the run: "4:05".
func clockWords(s float64) string {
	t := int64(math.Round(s))
	if t >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", t/3600, t/60%60, t%60)
	}
	return fmt.Sprintf("%d:%02d", t/60, t%60)
}

// evidenceChart shows how far both verdicts have come: 1 is what is needed.
func (v curve) evidenceChart(width float64) string {
	c := newChart("evidence over time: "+v.name, 0, width, -0.25, 1.25, func(x float64) string {
		switch x {
		case 1:
			return "needed"
		case 0:
			return "none"
		}
		return ""
	})
	c.level(0, "g")
	c.level(1, "n")
	c.line(v.seconds, v.pass, "p")
	c.line(v.seconds, v.fail, "f")
	return c.svg()
}

// rateChart shows both sides' shares of bad requests.
func (v curve) rateChart(width float64) string {
	all := finite(v.canary, v.baseline)
	top := 0.01
	if len(all) > 0 {
		top = math.Min(1, math.Max(1.1*all[len(all)-1], 1e-4))
	}
	c := newChart("share of bad requests over time: "+v.name, 0, width, 0, top, percent)
	for i := range 4 {
		c.level(top*float64(i)/3, "g")
	}
	c.line(v.seconds, v.baseline, "base")
	c.line(v.seconds, v.canary, "can")
	return c.svg()
}

// ratioChart shows the interval for canary / baseline, or "" while it says
// nothing.
func (v curve) ratioChart(width, tolerated float64) string {
	const lo, hi = 1. / 16, 64.
	known := false
	low, high := make([]float64, len(v.low)), make([]float64, len(v.high))
	for i := range v.low {
		known = known || v.low[i] > 0 || !math.IsInf(v.high[i], 1)
		low[i], high[i] = math.Max(v.low[i], lo), math.Min(v.high[i], hi)
	}
	if !known {
		return ""
	}
	c := newChart("interval for the ratio of canary to baseline: "+v.name, 0, width, lo, hi, func(x float64) string {
		if x < 1 {
			return "1/" + number(1/x) + "×"
		}
		return number(x) + "×"
	})
	c.log = true
	for _, x := range []float64{1. / 16, 1. / 4, 1, 4, 16, 64} {
		c.level(x, "g")
	}
	c.band(v.seconds, low, high, "iv")
	if tolerated > 0 {
		fmt.Fprintf(&c.b, `<path class="n" d="M%.1f %.1fH%.1f"/>`, chartLeft, c.y(tolerated), chartRight)
	}
	return c.svg()
}

// timesChart shows both sides' response times by bucket, as shares.
func (l *Latency) timesChart() string {
	a, b := float64(total(l.Canary)), float64(total(l.Baseline))
	if a == 0 || b == 0 {
		return ""
	}
	from, to := len(l.Baseline), 0
	top := 0.0
	for i := range l.Baseline {
		if l.Baseline[i]+l.Canary[i] > 0 {
			from, to = min(from, i), i+1
			top = math.Max(top, math.Max(float64(l.Canary[i])/a, float64(l.Baseline[i])/b))
		}
	}
	var s strings.Builder
	step := (chartRight - 4) / float64(to-from)
	for i := from; i < to; i++ {
		x := 4 + step*float64(i-from)
		for k, v := range []float64{float64(l.Baseline[i]) / b, float64(l.Canary[i]) / a} {
			// A root scale, so that the tail is seen.
			h := (chartBottom - chartTop) * math.Sqrt(v/top)
			fmt.Fprintf(&s, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`,
				[]string{"base", "can"}[k], x+step*(.08+.42*float64(k)), chartBottom-h, step*.4, h, percent(v))
		}
		name := "more"
		if i < len(l.BoundsMS) {
			name = "≤ " + milliseconds(l.BoundsMS[i])
		}
		fmt.Fprintf(&s, `<text class="t m" x="%.1f" y="%.1f">%s</text>`, x+step/2, chartBottom+20, html.EscapeString(name))
	}
	return fmt.Sprintf(`<svg viewBox="0 0 %g %g" role="img" aria-label="response times by bucket">%s</svg>`, chartWidth, chartHeight, s.String())
}
