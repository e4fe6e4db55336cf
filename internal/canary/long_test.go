package canary

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestLongRun: a bake of six hours with twenty metrics and a look every five
// seconds leaves pages that can still be opened, and a document that can be
// judged again. What a look costs does not grow, keeping the state included.
func TestLongRun(t *testing.T) {
	plan := DefaultPlan()
	length := 20 * time.Minute
	if os.Getenv("FAIRLEAD_CANARY_LONG") != "" { // the whole of it is judged: a minute's work
		length = 6 * time.Hour
	}
	plan.Interval, plan.MinDuration, plan.Deadline = 5*time.Second, length, length
	for i := range 18 {
		m := ErrorsMetric()
		m.Name = fmt.Sprintf("errors-of-a-route-with-a-long-name-%02d", i)
		if i > 3 {
			m.Gate = Warn
		}
		plan.Metrics = append(plan.Metrics, m)
	}
	even := timed(3, 20, 1)
	c := newClock()
	deps := c.deps()
	writes := 0
	deps.Save = func(s Saved) error {
		writes++
		// A machine that takes ten milliseconds to write a tick.
		c.now = c.now.Add(time.Duration(len(s.Report.Ticks)) * 10 * time.Millisecond)
		return nil
	}
	rep, err := Run(t.Context(), plan, &script{clock: c, play: func(elapsed, w float64) (Sample, error) {
		s, err := even(elapsed, w)
		e := s.Counts[Errors]
		s.Counts = map[string]seqtest.Counts{}
		for _, m := range plan.Metrics {
			if m.Kind == KindCount {
				s.Counts[m.Name] = e
			}
		}
		return s, err
	}}, deps)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rep.Ticks); n < int(plan.Deadline/plan.Interval)*9/10 {
		t.Errorf("%d looks", n)
	}
	if writes > len(rep.Ticks)/2 {
		t.Errorf("the state was written %d times in %d looks", writes, len(rep.Ticks))
	}
	data, err := rep.JSON()
	if err != nil {
		t.Fatal(err)
	}
	again := replayed(t, data)
	got, _ := json.Marshal(again.Metrics)
	want, _ := json.Marshal(rep.Metrics)
	if again.Verdict != rep.Verdict || string(got) != string(want) {
		t.Errorf("judged again: %s, %s", again.Verdict, got)
	}

	// What was seen goes on until six hours are over.
	for i := 0; len(rep.Ticks) < 4320; i++ {
		next := rep.Ticks[i]
		next.Seconds += rep.DecidedAfterSeconds
		rep.Ticks = append(rep.Ticks, next)
	}
	if n := len(rep.Summary()); n > 100<<10 {
		t.Errorf("the summary has %d bytes", n)
	}
	if n := len(rep.HTML()); n > 1<<20 {
		t.Errorf("the page has %d bytes", n)
	}
	data, err = rep.JSON()
	if err != nil || len(data) > 16<<20 {
		t.Errorf("%v, the document has %d bytes", err, len(data))
	}
	t.Logf("%d looks: summary %d bytes, page %d, document %d, state written %d times", len(rep.Ticks), len(rep.Summary()), len(rep.HTML()), len(data), writes)
}
