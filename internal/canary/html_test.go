package canary

import (
	"encoding/xml"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// rich is a report with everything a page can show.
func rich(t *testing.T) Report {
	t.Helper()
	plan := DefaultPlan()
	plan.Interval, plan.Deadline = 5*time.Second, 20*time.Minute
	timed := timed(1, 40, 1.3)
	failing := traffic(5, seqtest.Traffic{Canary: 40, Baseline: 40}, .012, .004)
	rep := play(t, plan, func(elapsed, w float64) (Sample, error) {
		if elapsed > 60 && elapsed < 75 {
			return Sample{}, &Problem{Kind: "timeout", Cohort: "baseline", Where: "http://b:8000/metrics", Detail: "no answer within 5s <script>alert(1)</script>"}
		}
		s, err := timed(elapsed, w)
		e, _ := failing(elapsed, w)
		s.Counts = e.Counts
		s.Gauges = map[string]Gauge{"memory": {Baseline: 211e6, Canary: 214e6}}
		s.Conditions = []Condition{{Name: "HighMemory<b>", Why: "1.2 GB"}}
		s.Notes = []string{"canary \"c\" & <i>others</i> restarted"}
		return s, err
	})
	return rep
}

// TestPage reads the page as strictly as XML, so that nothing that others wrote
// can have become markup, and holds what must be there.
func TestPage(t *testing.T) {
	rep := rich(t)
	page := rep.HTML()
	if out := os.Getenv("FAIRLEAD_CANARY_PAGE"); out != "" { // to be looked at
		if err := os.WriteFile(out, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"<b>FAIL</b>", "prefers-color-scheme:dark", "<svg", "HighMemory&lt;b&gt;", "errors: evidence", "p99", "memory", "judge it again"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, never := range []string{"<script", "<i>others", "http://www.w3.org/1999", "src=", "@import", "NaN", "Inf"} {
		if strings.Contains(page, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("reading the page: %v", err)
		}
	}
	if (Report{}).HTML() == "" {
		t.Error("an empty report has a page, too")
	}
}

// TestSizes: a long run's summary and page stay small enough for where they go.
func TestSizes(t *testing.T) {
	plan := DefaultPlan()
	plan.Interval, plan.MinDuration, plan.Deadline = time.Second, 20*time.Minute, 20*time.Minute
	even := timed(3, 20, 1)
	rep := play(t, plan, func(elapsed, w float64) (Sample, error) {
		s, err := even(elapsed, w)
		s.Notes = []string{strings.Repeat("x", 200) + time.Duration(elapsed).String()}
		return s, err
	})
	if n := len(rep.Summary()); n > 100<<10 {
		t.Errorf("the summary has %d bytes", n)
	}
	if n := len(rep.HTML()); n > 500<<10 {
		t.Errorf("the page has %d bytes", n)
	}
	if len(rep.Ticks) < 1200 {
		t.Errorf("%d ticks", len(rep.Ticks))
	}
}
