package canary

import (
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestRestarts: a canary whose processes start again and again is told, with the
// numbers, whatever the verdict; what happens to both sides is not.
func TestRestarts(t *testing.T) {
	plan := demoPlan()
	plan.Metrics = append(plan.Metrics[:2:2], RestartsMetric())
	plan.MinDuration, plan.Deadline, plan.Interval = 4*time.Minute, 5*time.Minute, 5*time.Second
	// every is how often each side restarts, in looks; 0 is never.
	with := func(canary, baseline, instances int64) func(float64, float64) (Sample, error) {
		looks := int64(0)
		return func(e, w float64) (Sample, error) {
			s, err := whole(300, 0, 0)(e, w)
			looks++
			anew := func(every int64) (n int64) {
				if every > 0 && looks%every == 0 {
					n = 1
				}
				return n
			}
			s.Counts["restarts"] = seqtest.Counts{Canary: seqtest.Cohort{N: instances, Bad: anew(canary)}, Baseline: seqtest.Cohort{N: instances, Bad: anew(baseline)}}
			return s, err
		}
	}
	loop := play(t, plan, with(2, 0, 1))
	expect(t, loop, finding.Pass, EndedDecided, "the canary restarted 24 times and the baseline never, the canary's within 3 min 50 s: a crash loop", "| 24 times | never |  | **WARNING** |")
	if r := loop.Metrics[2]; r.Restarts == nil || *r.Restarts != (Restarts{Canary: 24, CrashLoop: true}) || r.Canary.Bad != 24 || !strings.Contains(loop.Reason, "a crash loop") {
		t.Errorf("%+v: %s", r.Restarts, loop.Reason)
	}
	if page := loop.HTML(); !strings.Contains(page, "<td>24 times</td><td>never</td>") || !strings.Contains(page, "a crash loop") {
		t.Error("the page does not tell")
	}
	many := play(t, plan, with(12, 0, 9))
	expect(t, many, finding.Pass, EndedDecided, "warning", "the canary restarted 4 times and the baseline never")
	if strings.Contains(many.Summary(), "crash loop") {
		t.Error("four restarts of nine instances are no crash loop")
	}
	for name, rep := range map[string]Report{"both": play(t, plan, with(3, 3, 1)), "twice": play(t, plan, with(20, 0, 1)), "the baseline": play(t, plan, with(0, 3, 1))} {
		expect(t, rep, finding.Pass, EndedDecided, "restarted")
		if strings.Contains(rep.Summary(), "WARNING") || strings.Contains(rep.Reason, "restarted") {
			t.Errorf("%s: %s", name, rep.Summary())
		}
	}
	none := play(t, plan, with(0, 0, 1))
	expect(t, none, finding.Pass, EndedDecided)
	if strings.Contains(none.Summary(), "restart") {
		t.Errorf("nothing restarted:\n%s", none.Summary())
	}
}
