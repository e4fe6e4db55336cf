package scrape

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/expo"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// instance is one scraped address and what it showed last.
type instance struct {
	cohort, url, where string
	last               *snapshot
	// started are the process start times seen so far.
	started []float64
	// reader and lines remember the page's lines, layout what they count as.
	reader expo.Reader
	lines  map[*expo.Line]*known
	layout *layout
	// jumps are the numbers of the scrapes whose counters fell for no reason.
	jumps   []int
	scrapes int
	misses  int
	// restartedNow is set when the latest scrape found a new process.
	restartedNow bool
	// anew says so whether its requests can be counted or not.
	anew bool
}

// snapshot is the counters of one scrape.
type snapshot struct {
	layout *layout
	// counts and buckets are the values of the layout's; a bucket that no counter
	// can have is absent.
	counts  []float64
	buckets []float64
	// start is process_start_time_seconds, 0 when the page does not tell.
	start float64
	date  time.Time
}

const absent = -1

// read picks the counters out of a page. Values that no counter can have are a
// Problem, and the tick is skipped; in buckets they are left out, because response
// times are no reason to refuse a page.
func read(a answer, l *layout) (*snapshot, error) {
	s := &snapshot{layout: l, date: a.date, counts: make([]float64, len(l.counts)), buckets: make([]float64, len(l.buckets))}
	for _, x := range a.page.Series {
		if x.Name == startTime && len(x.Labels) == 0 && x.Value > 0 && !math.IsInf(x.Value, 0) {
			s.start = x.Value
		}
	}
	for i, c := range l.counts {
		x := a.page.Series[c.line]
		if !isCount(x.Value) {
			return nil, fmt.Errorf("%s is %v, which is not a count", x.Name, x.Value)
		}
		s.counts[i] = x.Value
	}
	for i, b := range l.buckets {
		s.buckets[i] = absent
		if v := a.page.Series[b.line].Value; isCount(v) {
			s.buckets[i] = v
		}
	}
	return s, nil
}

const startTime = "process_start_time_seconds"

func isCount(v float64) bool { return v >= 0 && v < 1<<53 && v == math.Trunc(v) }

// count is the value of the i-th counted series of a layout, absent if it is not
// shown: mostly the layout is the snapshot's own.
func (s *snapshot) count(l *layout, i int) float64 {
	if s.layout == l {
		return s.counts[i]
	}
	if at, ok := s.layout.countAt[l.counts[i].countKey]; ok {
		return s.counts[at]
	}
	return absent
}

// bucket is that of the i-th bucket.
func (s *snapshot) bucket(l *layout, i int) float64 {
	if s.layout == l {
		return s.buckets[i]
	}
	if at, ok := s.layout.bucketAt[l.buckets[i].key]; ok {
		return s.buckets[at]
	}
	return absent
}

// shows says whether any series of a metric is there.
func (s *snapshot) shows(metric string) bool {
	return slices.ContainsFunc(s.layout.counts, func(c counted) bool { return c.metric == metric })
}

// advance takes the next snapshot and returns what is new since the last one,
// by metric, with a note for people when something was odd. A fatal Problem
// means that several processes answer at this address.
func (in *instance) advance(next *snapshot, metrics []series.Counter) (map[string]seqtest.Cohort, string, error) {
	last := in.last
	if gone := lost(last, next); gone != "" {
		// What it showed last is kept: when the counter is back, nothing is lost.
		return nil, "", &canary.Problem{Kind: "no-counter", Cohort: in.cohort, Where: in.where,
			Detail: "the page does not show its counter for " + gone + " any more, although its process did not restart: did its name or labels change?"}
	}
	in.last = next
	in.scrapes++
	in.restartedNow, in.anew = false, false
	if next.start != 0 && !slices.Contains(in.started, next.start) {
		defer func() { in.started = append(in.started, next.start) }()
	}
	if last == nil {
		return nil, "", nil
	}
	if last.start != 0 && next.start != 0 && !sameStart(last.start, next.start) {
		return in.restarted(last, next, metrics)
	}
	if fell := fallen(last, next); fell != "" {
		return in.jumped(fell, next.start != 0)
	}
	return difference(last, next, metrics), "", nil
}

// lost names a metric whose counters are all gone although the process is the
// same, or "".
func lost(last, next *snapshot) string {
	if last == nil || last.start == 0 || next.start == 0 || !sameStart(last.start, next.start) {
		return ""
	}
	if last.layout == next.layout {
		return ""
	}
	for _, c := range last.layout.counts {
		if !next.shows(c.metric) {
			return c.metric
		}
	}
	return ""
}

// sameStart tolerates the kernel's boot time moving by a whole second, which
// moves every start time computed from it.
func sameStart(a, b float64) bool {
	return a == b || math.Abs(math.Abs(a-b)-1) < 1e-3
}

// restarted handles a new process start time: a restart, or another process.
func (in *instance) restarted(last, next *snapshot, metrics []series.Counter) (map[string]seqtest.Cohort, string, error) {
	// Date headers have whole seconds, and boot time is rounded, too.
	const slack = 2
	in.anew = true
	switch {
	case slices.Contains(in.started, next.start), next.start < last.start:
		return nil, "", in.several("the process start time went back and forth between scrapes")
	case last.date.IsZero():
		return nil, in.cohort + " " + in.where + " restarted; its requests of this tick are not counted", nil
	case next.start < float64(last.date.Unix())-slack:
		return nil, "", in.several("it was answered by a process that had been running beside the one of the scrape before")
	}
	in.restartedNow = true
	return difference(nil, next, metrics), in.cohort + " " + in.where + " restarted; its counters start from 0", nil
}

// jumped handles counters that fell although the process seems to be the same.
func (in *instance) jumped(name string, sameProcess bool) (map[string]seqtest.Cohort, string, error) {
	const window = 10
	in.jumps = append(in.jumps, in.scrapes)
	in.jumps = slices.DeleteFunc(in.jumps, func(n int) bool { return n <= in.scrapes-window })
	if len(in.jumps) > 1 {
		return nil, "", in.several("counters fell twice within ten scrapes (" + name + ")")
	}
	why := " fell back (restart?)"
	if sameProcess {
		why = " fell back although the process did not restart"
	}
	return nil, in.cohort + " " + in.where + ": " + name + why + "; its requests of this tick are not counted", nil
}

// several is the multi-worker trap: each scrape sees another process's counters.
func (in *instance) several(evidence string) error {
	return &canary.Problem{
		Kind: "several-processes", Cohort: in.cohort, Where: in.where, Fatal: true,
		Detail: "several processes answer at this address, each with counters of its own: " + evidence +
			". With gunicorn or uvicorn workers set PROMETHEUS_MULTIPROC_DIR and serve the multi-process registry;" +
			" behind a load balancer give every instance's own address. A process that crashes again and again looks the same",
	}
}

// fallen names a series that decreased or vanished, or returns "".
func fallen(last, next *snapshot) string {
	worst := ""
	for i, c := range last.layout.counts {
		was := last.counts[i]
		if was <= 0 {
			continue
		}
		if next.count(last.layout, i) < was && (worst == "" || c.key < worst) {
			worst = c.key
		}
	}
	return worst
}

// difference adds up what is new since the last snapshot, nil for nothing. A series
// that was not there counts from 0: a page shows all of its process's series.
func difference(last, next *snapshot, metrics []series.Counter) map[string]seqtest.Cohort {
	out := make(map[string]seqtest.Cohort, len(metrics))
	for _, c := range metrics {
		out[c.Metric] = seqtest.Cohort{}
	}
	for i, c := range next.layout.counts {
		was := 0.
		if last != nil {
			was = max(0, last.count(next.layout, i))
		}
		sum, d := out[c.metric], int64(next.counts[i]-was)
		if c.all {
			sum.N += d
		}
		if c.bad {
			sum.Bad += d
		}
		out[c.metric] = sum
	}
	return out
}

// restarts is the name of the metric that counts looks at an instance, and as bad
// those that found a new process.
const restarts = "restarts"

// lives is the last look at the instance, as that metric counts it.
func (in *instance) lives() seqtest.Cohort {
	c := seqtest.Cohort{N: 1}
	if in.anew {
		c.Bad = 1
	}
	return c
}

// add adds counts to the instance's side.
func (in *instance) add(sum seqtest.Counts, c seqtest.Cohort) seqtest.Counts {
	if in.cohort == "canary" {
		sum.Canary = sum.Canary.Plus(c)
	} else {
		sum.Baseline = sum.Baseline.Plus(c)
	}
	return sum
}
