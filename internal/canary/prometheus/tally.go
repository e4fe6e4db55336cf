package prometheus

import (
	"fmt"
	"math"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// tally turns raw samples into what is new. It is pure: the same batches and
// ends of windows give the same counts. Its fields are its state, kept as JSON.
type tally struct {
	// Origin and End are the first and the latest window's end, milliseconds of
	// the server's clock.
	Origin int64 `json:"origin"`
	End    int64 `json:"end"`
	// Interval is the time between two scrapes, in milliseconds.
	Interval int64 `json:"interval"`
	// Last are the counters where they stood, by series.
	Last map[string]*standing `json:"last"`
	// Targets are the processes seen so far.
	Targets map[string]*process `json:"targets"`
	// Owed are failed requests that were counted before their requests, by
	// cohort and metric: pages are not written in one moment.
	Owed    map[string]int64 `json:"owed,omitempty"`
	Latency latencies        `json:"latency"`
	// Copies says which of several servers' samples count.
	Copies copies `json:"copies"`
}

// valid says whether a tally that was read from a file can be gone on with.
func (t *tally) valid() bool {
	if t == nil || t.Origin <= 0 || t.End < t.Origin || t.Interval <= 0 || t.Last == nil || t.Targets == nil {
		return false
	}
	for _, s := range t.Last {
		if s == nil || !countable(s.V) {
			return false
		}
	}
	for _, p := range t.Targets {
		if p == nil {
			return false
		}
	}
	for side := range t.Latency.Cum {
		if n := len(t.Latency.Bounds); n > 0 && (len(t.Latency.Cum[side]) != n+1 || len(t.Latency.Given[side]) != n+1) {
			return false
		}
	}
	return true
}

// standing is a counter's last value, or a histogram's.
type standing struct {
	TS int64   `json:"t"`
	V  float64 `json:"v"`
	// Start is the process start time that held then, 0 when not known.
	Start  float64          `json:"s,omitempty"`
	Native *nativeHistogram `json:"n,omitempty"`
}

// process is what is remembered of a target.
type process struct {
	First int64   `json:"first"`
	Seen  int64   `json:"seen"`
	Start float64 `json:"start,omitempty"`
	// Starts are all start times so far.
	Starts []float64 `json:"starts,omitempty"`
	// Counted is the latest scrape that showed a counter of requests.
	Counted int64 `json:"counted,omitempty"`
	// Jumps are the times of recent falls that look like no restart.
	Jumps []int64 `json:"jumps,omitempty"`
}

func newTally() *tally {
	return &tally{Last: map[string]*standing{}, Targets: map[string]*process{}, Owed: map[string]int64{}}
}

// window is what is new since the window before.
type window struct {
	counts   map[string]*[2]seqtest.Cohort
	restarts [2]seqtest.Cohort
	notes    []string
}

// note says something once, and whether it was new.
func (w *window) note(format string, args ...any) bool {
	text := fmt.Sprintf(format, args...)
	if slices.Contains(w.notes, text) {
		return false
	}
	w.notes = append(w.notes, text)
	return true
}

// advance counts everything up to the end of the window. An error is fatal: the
// numbers cannot be trusted.
func (t *tally) advance(b *batch, end int64) (*window, error) {
	w := &window{counts: map[string]*[2]seqtest.Cohort{}}
	known, ended := map[string]process{}, b.ended(t.Interval)
	for key, s := range b.targets {
		if p, ok := t.Targets[key]; ok {
			known[key] = *p
		}
		if err := t.target(s, end, w); err != nil {
			return nil, err
		}
	}
	counting := map[string]int64{}
	for i := range b.tracked {
		x := &b.tracked[i]
		if n := len(x.values); x.metric != "" && n > 0 {
			counting[x.target] = max(counting[x.target], x.values[n-1].ts)
		}
		before := known[x.target]
		if x.metric == "" && t.Latency.Broken {
			continue
		}
		err := t.follow(b, x, before, ended[x.target], end, w)
		if err != nil && x.metric == "" {
			t.Latency.BreakOff()
			w.note("response times are not compared from here on: %v", err)
		} else if err != nil {
			return nil, err
		}
	}
	for key, s := range b.targets {
		if s.first <= end {
			p := t.process(key, s)
			p.Seen = max(p.Seen, min(s.newest, end))
			p.Counted = max(p.Counted, counting[key])
		}
	}
	t.settle(w)
	if t.Origin == 0 {
		t.Origin = end
		t.Latency.Restart()
		clear(t.Owed)
	}
	t.End = end
	return w, nil
}

func (t *tally) process(key string, s *scraped) *process {
	p, ok := t.Targets[key]
	if !ok {
		p = &process{First: s.first}
		t.Targets[key] = p
	}
	return p
}

// target follows a process's start times. One that goes back means that several
// processes answer at one address.
func (t *tally) target(s *scraped, end int64, w *window) error {
	p, seen := t.Targets[s.key]
	if !seen {
		if s.first > end {
			return nil
		}
		p = t.process(s.key, s)
	}
	for _, up := range s.ups {
		if up.ts > p.Seen && up.ts <= end {
			w.restarts[s.cohort].N++
		}
	}
	for _, start := range s.starts {
		if start.ts <= p.Seen && seen || start.ts > end || !(start.v > 0) || math.IsInf(start.v, 0) {
			continue
		}
		switch {
		case p.Start == 0:
		case sameStart(p.Start, start.v):
			continue
		case start.v < p.Start:
			return several(s, "the process start time went back and forth between scrapes")
		default:
			w.restarts[s.cohort].Bad++
			w.note("%s %s restarted; its counters start from 0", s.cohort, s.name)
		}
		p.Start = start.v
		p.Starts = append(p.Starts, start.v)
	}
	return nil
}

// sameStart tolerates the kernel's boot time moving by a whole second.
func sameStart(a, b float64) bool { return a == b || math.Abs(math.Abs(a-b)-1) < 1e-3 }

func several(s *scraped, evidence string) error {
	return &canary.Problem{
		Kind: "several-processes", Cohort: s.cohort.String(), Where: s.name, Fatal: true,
		Detail: "several processes answer at this address, each with counters of its own: " + evidence +
			". Let the workers share their metrics (for Python set PROMETHEUS_MULTIPROC_DIR), and give every instance an address of its own",
	}
}

// startAt is the process start time that held at a scrape, 0 when not known.
func (s *scraped) startAt(ts int64) float64 {
	found := 0.0
	for _, p := range s.starts {
		if p.ts > ts {
			break
		}
		found = p.v
	}
	return found
}

// wasDown says whether a scrape failed between two others.
func (s *scraped) wasDown(from, to int64) bool {
	return slices.ContainsFunc(s.ups, func(p point) bool { return p.ts > from && p.ts < to && p.v == 0 })
}

// follow counts what one series brought since it was last looked at.
func (t *tally) follow(b *batch, x *tracked, before process, ended, end int64, w *window) error {
	target := b.targets[x.target]
	if x.native != nil {
		return t.followNative(b, x, target, before, end, w)
	}
	for _, p := range x.values {
		last := t.Last[x.key]
		if p.ts > end || last != nil && p.ts <= last.TS || !countable(p.v) || last == nil && t.beganBefore(target, p) {
			continue
		}
		if last == nil {
			if ended != 0 && ended < p.ts && t.Origin != 0 && sameProcess(target, ended, p) {
				w.note("%s %s shows other labels than before, and its process did not restart; what it served around the change is not counted", x.cohort, target.name)
			} else if t.fromZero(b, target, x, before, p) {
				t.add(x, int64(p.v), w)
			} else if t.Origin != 0 && p.v > 0 {
				w.note("%s %s is new to the gate, its process is not: what it served until its first scrape is not counted", x.cohort, target.name)
			}
			t.Last[x.key] = &standing{TS: p.ts, V: p.v, Start: target.startOf(p)}
			continue
		}
		d, err := t.difference(target, x, *last, p, w)
		if err != nil {
			return err
		}
		t.add(x, int64(d), w)
		last.TS, last.V = p.ts, p.v
		if start := target.startOf(p); start != 0 {
			last.Start = start
		}
	}
	return nil
}

// sameProcess says that nothing tells of a restart between a scrape and a sample.
func sameProcess(s *scraped, from int64, p point) bool {
	was, is := s.startAt(from), s.startOf(p)
	return (was == 0 || is == 0 || sameStart(was, is)) && !s.wasDown(from, p.ts)
}

// fromZero says whether a series that is seen for the first time began at 0: its
// target was scraped before without it, or the process is younger than the gate.
func (t *tally) fromZero(b *batch, s *scraped, x *tracked, before process, p point) bool {
	if t.Origin == 0 {
		return false // the first window only sets the counters
	}
	if before.First != 0 && before.First < p.ts {
		return true
	}
	for _, up := range s.ups {
		if up.ts < p.ts && up.v > 0 {
			return true
		}
	}
	origin := float64(t.Origin) / 1000
	return s.startOf(p) > origin || b.createdAt(x) > origin
}

// difference is what a known counter gained between two samples.
func (t *tally) difference(s *scraped, x *tracked, last standing, p point, w *window) (float64, error) {
	was, is := last.Start, s.startOf(p)
	began := s.began(p) && last.V > 0
	switch {
	case was != 0 && is != 0 && !sameStart(was, is):
		return p.v, nil // restarted, whatever the values look like
	case p.v >= last.V:
		return p.v - last.V, nil
	case began && was != 0:
		return 0, nil // one counter of a process that goes on
	}
	if began || was == 0 && is == 0 && (p.v <= last.V/2 || s.wasDown(last.TS, p.ts)) {
		if w.note("%s %s restarted; its counters start from 0", x.cohort, s.name) {
			w.restarts[x.cohort].Bad++
		}
		return p.v, nil
	}
	return 0, t.jumped(s, x, p, w)
}

// jumped handles a counter that fell although nothing says that the process
// restarted: once it is not counted, twice within ten scrapes it is refused.
func (t *tally) jumped(s *scraped, x *tracked, p point, w *window) error {
	pr := t.process(s.key, s)
	if !slices.Contains(pr.Jumps, p.ts) {
		pr.Jumps = append(pr.Jumps, p.ts)
	}
	const scrapes = 10
	if n := len(pr.Jumps); n > 1 && pr.Jumps[n-1]-pr.Jumps[n-2] < scrapes*t.Interval {
		return several(s, "counters fell twice within ten scrapes ("+x.labels.Name+")")
	}
	w.note("%s %s: %s fell back although the process did not restart; its requests of this scrape are not counted", x.cohort, s.name, x.labels.Name)
	return nil
}

// add puts a difference where it belongs.
func (t *tally) add(x *tracked, d int64, w *window) {
	if x.metric == "" {
		t.Latency.Add(int(x.cohort), x.le, d)
		return
	}
	c := w.counts[x.metric]
	if c == nil {
		c = &[2]seqtest.Cohort{}
		w.counts[x.metric] = c
	}
	if x.all {
		c[x.cohort].N += d
	}
	if x.bad {
		c[x.cohort].Bad += d
	}
}

// settle keeps failed requests below requests: what was counted too early waits
// for the next window.
func (t *tally) settle(w *window) {
	for metric, sides := range w.counts {
		for side := range sides {
			key := cohort(side).String() + "|" + metric
			c := &sides[side]
			c.Bad += t.Owed[key]
			t.Owed[key] = max(0, c.Bad-c.N)
			c.Bad = min(c.Bad, c.N)
		}
	}
}

// impossible is set when failed requests outnumber requests for good.
func (t *tally) impossible() error {
	for key, owed := range t.Owed {
		const most = 1000
		if owed > most {
			return &canary.Problem{Kind: "bad-value", Fatal: true, Detail: "more failed requests than requests were counted (" + key + "): do both counters count the same thing?"}
		}
	}
	return nil
}
