package scrape

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// instance is one scraped address and what it showed last.
type instance struct {
	cohort, url, where string
	last               *snapshot
	// started are the process start times seen so far.
	started []float64
	// jumps are the numbers of the scrapes whose counters fell for no reason.
	jumps   []int
	scrapes int
	misses  int
	// restartedNow is set when the latest scrape found a new process.
	restartedNow bool
}

// snapshot is the counters of one scrape.
type snapshot struct {
	// values are by metric of the plan, then by series.
	values map[string]map[string]value
	// start is process_start_time_seconds, 0 when the page does not tell.
	start float64
	date  time.Time
	// buckets are the histogram's series.
	buckets map[string]bucket
}

// value is one series: it counts requests, failed requests, or both.
type value struct {
	count    float64
	all, bad bool
}

// read picks the counters out of a page. Values that no counter can have are a
// Problem: the tick is skipped.
func read(a answer, counters []series.Counter, names *names) (*snapshot, error) {
	s := &snapshot{values: map[string]map[string]value{}, date: a.date}
	for _, c := range counters {
		s.values[c.Metric] = map[string]value{}
	}
	for _, x := range a.page.Series {
		if x.Name == "process_start_time_seconds" && len(x.Labels) == 0 && x.Value > 0 && !math.IsInf(x.Value, 0) {
			s.start = x.Value
		}
		for _, c := range counters {
			all, bad := c.Classify(x)
			if !all && !bad {
				continue
			}
			if math.IsNaN(x.Value) || x.Value < 0 || x.Value >= 1<<53 || x.Value != math.Trunc(x.Value) {
				return nil, fmt.Errorf("%s is %v, which is not a count", x.Name, x.Value)
			}
			s.values[c.Metric][names.of(x).key] = value{count: x.Value, all: all, bad: bad}
		}
	}
	return s, nil
}

// advance takes the next snapshot and returns what is new since the last one,
// by metric, with a note for people when something was odd. A fatal Problem
// means that several processes answer at this address.
func (in *instance) advance(next *snapshot) (map[string]seqtest.Cohort, string, error) {
	last := in.last
	if gone := lost(last, next); gone != "" {
		// What it showed last is kept: when the counter is back, nothing is lost.
		return nil, "", &canary.Problem{Kind: "no-counter", Cohort: in.cohort, Where: in.where,
			Detail: "the page does not show its counter for " + gone + " any more, although its process did not restart: did its name or labels change?"}
	}
	in.last = next
	in.scrapes++
	in.restartedNow = false
	if next.start != 0 && !slices.Contains(in.started, next.start) {
		defer func() { in.started = append(in.started, next.start) }()
	}
	if last == nil {
		return nil, "", nil
	}
	if last.start != 0 && next.start != 0 && !sameStart(last.start, next.start) {
		return in.restarted(last, next)
	}
	if fell := fallen(last, next); fell != "" {
		return in.jumped(fell, next.start != 0)
	}
	return difference(last, next), "", nil
}

// lost names a metric whose counters are all gone although the process is the
// same, or "".
func lost(last, next *snapshot) string {
	if last == nil || last.start == 0 || next.start == 0 || !sameStart(last.start, next.start) {
		return ""
	}
	for metric, before := range last.values {
		if len(before) > 0 && len(next.values[metric]) == 0 {
			return metric
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
func (in *instance) restarted(last, next *snapshot) (map[string]seqtest.Cohort, string, error) {
	// Date headers have whole seconds, and boot time is rounded, too.
	const slack = 2
	switch {
	case slices.Contains(in.started, next.start), next.start < last.start:
		return nil, "", in.several("the process start time went back and forth between scrapes")
	case last.date.IsZero():
		return nil, in.cohort + " " + in.where + " restarted; its requests of this tick are not counted", nil
	case next.start < float64(last.date.Unix())-slack:
		return nil, "", in.several("it was answered by a process that had been running beside the one of the scrape before")
	}
	in.restartedNow = true
	return difference(&snapshot{}, next), in.cohort + " " + in.where + " restarted; its counters start from 0", nil
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
	for metric, found := range last.values {
		for k, v := range found {
			if now, ok := next.values[metric][k]; v.count > 0 && (!ok || now.count < v.count) && (worst == "" || k < worst) {
				worst = k
			}
		}
	}
	return worst
}

// difference adds up what is new. A series that was not there counts from 0: a
// page shows all of its process's series.
func difference(last, next *snapshot) map[string]seqtest.Cohort {
	out := map[string]seqtest.Cohort{}
	for metric, found := range next.values {
		var sum seqtest.Cohort
		for k, v := range found {
			d := int64(v.count - last.values[metric][k].count)
			if v.all {
				sum.N += d
			}
			if v.bad {
				sum.Bad += d
			}
		}
		out[metric] = sum
	}
	return out
}
