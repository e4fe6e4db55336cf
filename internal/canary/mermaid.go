package canary

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// lineColours name the chart's palette, which has no legend of its own.
var lineColours = [...]string{"grey", "orange", "blue", "violet", "green"}

// mermaid is the evidence over time as a chart that GitHub draws, or "". Old
// versions of Mermaid know xychart-beta only; there is no log axis, so that the
// power of ten is drawn.
func (rep Report) mermaid() string {
	const most = 60
	level, what := rep.needed(), "FAIL"
	if rep.Verdict == finding.Pass {
		level, what = math.Log(1/rep.Plan.Beta), "PASS"
	}
	needed := level / math.Ln10
	var lines []string
	var last []float64
	names := []string{lineColours[0] + ": needed"}
	for _, c := range rep.curves(most) {
		if c.gate != Block || len(c.seconds) < 3 || len(names) == len(lineColours) {
			continue
		}
		names = append(names, lineColours[len(names)]+": "+markdown(c.name))
		values := c.fail
		if rep.Verdict == finding.Pass {
			values = c.pass
		}
		var ys []string
		for _, v := range values {
			ys = append(ys, strconv.FormatFloat(math.Max(math.Min(v*needed, 2*needed), -1), 'f', 2, 64))
		}
		last = c.seconds
		lines = append(lines, "    line ["+strings.Join(ys, ", ")+"]")
	}
	if len(last) == 0 {
		return ""
	}
	line := make([]string, len(last))
	for i := range line {
		line[i] = strconv.FormatFloat(needed, 'f', 2, 64)
	}
	unit, scale := "seconds", 1.0
	if last[len(last)-1] > 300 {
		unit, scale = "minutes", 60
	}
	// The usual first colour cannot be seen on white.
	colours := `%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#8c959f, #bc4c00, #0969da, #8250df, #1a7f37"}}}}%%`
	return fmt.Sprintf("```mermaid\n"+strings.ReplaceAll(colours, "%", "%%")+"\nxychart-beta\n    title \"evidence for %s, as a power of ten (needed: %.1f)\"\n    x-axis \"%s\" %.3g --> %.3g\n    y-axis \"10^\" -1 --> %.1f\n    line [%s]\n%s\n```\n\n%s\n",
		what, needed, unit, last[0]/scale, last[len(last)-1]/scale, 2*needed, strings.Join(line, ", "), strings.Join(lines, "\n"), strings.Join(names, " · "))
}
