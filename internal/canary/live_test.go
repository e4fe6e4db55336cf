package canary

import (
	"testing"
	"unicode/utf8"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestLive is the line for terminals of several widths.
func TestLive(t *testing.T) {
	plan := DefaultPlan()
	l := NewLive(plan)
	c := seqtest.Counts{Canary: seqtest.Cohort{N: 1783, Bad: 5}, Baseline: seqtest.Cohort{N: 1748}}
	judged := Tick{Seconds: 65.2, State: TickJudged, Total: map[string]seqtest.Counts{Errors: c, "latency": c},
		Evidence: map[string]Evidence{Errors: {LnEFail: 2, LnEPass: 0}, "latency": {LnEPass: 9}}}
	for _, x := range []struct {
		tick  Tick
		width int
		want  string
	}{
		{Tick{Seconds: .03, State: TickOrigin}, 80, "0 s · begins"},
		{judged, 200, "1 min 5 s · errors 5 of 1 783 (0.28 %) against 0 of 1 748  fail ▰▰▱▱▱ pass ▱▱▱▱▱ · latency 5 of 1 783 (0.28 %) against 0 of 1 748  fail ▱▱▱▱▱ pass ▰▰▰▰▰"},
		{judged, 119, "1 min 5 s · errors 5 of 1 783 (0.28 %) against 0 of 1 748  fail ▰▰▱▱▱ pass ▱▱▱▱▱ · latency fail ▱▱▱▱▱ pass ▰▰▰▰▰"},
		{judged, 79, "1 min 5 s · errors fail ▰▰▱▱▱ pass ▱▱▱▱▱ · latency fail ▱▱▱▱▱ pass ▰▰▰▰▰"},
		{judged, 39, "1 min 5 s · errors fail ▰▰▱▱▱ pass ▱▱▱…"},
		{judged, 0, "…"},
		{Tick{Seconds: 70, State: TickSkipped, Why: "canary http://c: no answer\x1b[2J"}, 79, "1 min 10 s · canary http://c: no answer [2J · errors fail ▰▰▱▱▱ pass ▱▱▱▱▱ · l…"},
	} {
		got := l.Line(x.tick, x.width)
		if got != x.want {
			t.Errorf("%d columns: %q, want %q", x.width, got, x.want)
		}
		if n := utf8.RuneCountInString(got); n > max(1, x.width) {
			t.Errorf("%d columns: %d characters", x.width, n)
		}
	}
	plan.Steps = []float64{.05}
	if got := NewLive(plan).Line(Tick{Seconds: 5, State: TickWarmUp, Share: .05}, 80); got != "5 s · warms up · 5 % of the traffic" {
		t.Error(got)
	}
}
