package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/expo"
	"github.com/fairlead-ci/fairlead/internal/canary/prometheus"
	"github.com/fairlead-ci/fairlead/internal/canary/scrape"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	fake "github.com/fairlead-ci/fairlead/internal/fake/prometheus"
)

// app is an instrumented application of one side. Its page can be anything.
type app struct {
	mu        sync.Mutex
	side      string
	rand      *rand.Rand
	rate      int // requests per second
	share     float64
	good, bad int
	started   float64
	// past are the counts of earlier seconds, for pages that lag.
	past [][2]int
	lag  int
	// page replaces the plain page.
	page func(a *app, w http.ResponseWriter)
	url  string
}

// second serves a second of requests.
func (a *app) second() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range a.rate {
		if a.rand.Float64() < a.share {
			a.bad++
		} else {
			a.good++
		}
	}
	a.past = append(a.past, [2]int{a.good, a.bad})
}

func (a *app) restart(now float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.good, a.bad, a.started, a.past = 0, 0, now, nil
}

func (a *app) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.page != nil {
		a.page(a, w)
		return
	}
	good, bad := a.good, a.bad
	if n := len(a.past); a.lag > 0 && n > 0 {
		old := a.past[max(0, n-1-a.lag)]
		good, bad = old[0], old[1]
	}
	a.write(w, "http_requests_total", "status", good, bad)
}

func (a *app) write(w http.ResponseWriter, name, label string, good, bad int) {
	fmt.Fprintf(w, "# TYPE %s counter\nprocess_start_time_seconds %v\n", name, a.started)
	if good > 0 {
		fmt.Fprintf(w, "%s{%s=\"200\"} %d\n", name, label, good)
	}
	if bad > 0 {
		fmt.Fprintf(w, "%s{%s=\"500\"} %d\n", name, label, bad)
	}
}

// world is both sides, a Prometheus that scrapes them every 5 seconds of a clock
// that only the gate's pauses move, and the faults on the way.
type world struct {
	t                *testing.T
	now              time.Time
	wrong            time.Duration // of the runner's clock
	baseline, canary *app
	fake             *fake.Server
	net              *network
	server           string
	elapsed          int
	skew             int // seconds between the scrapes of both sides
	event            func(w *world, second int)
	cancel           context.CancelFunc
}

const begin = 1_800_000_000

func newWorld(t *testing.T, badShare float64, set func(*world)) *world {
	w := &world{t: t, net: &network{hosts: map[string]*listener{}}, now: time.Unix(begin, 0), fake: fake.New(begin * 1000)}
	for _, x := range []struct {
		side  string
		share float64
		to    **app
	}{{"baseline", 0.005, &w.baseline}, {"canary", badShare, &w.canary}} {
		a := &app{side: x.side, rand: rand.New(rand.NewPCG(7, uint64(len(x.side)))), rate: 40, share: x.share, started: begin - 100}
		a.url = w.net.serve(t, x.side, a)
		*x.to = a
	}
	w.server = w.net.serve(t, "prometheus", w.fake)
	if set != nil {
		set(w)
	}
	for range 60 { // some past
		w.tick()
	}
	w.elapsed = 0
	return w
}

func (w *world) tick() {
	w.now = w.now.Add(time.Second)
	w.fake.Advance(time.Second)
	w.elapsed++
	if w.event != nil {
		w.event(w, w.elapsed)
	}
	for _, a := range []*app{w.baseline, w.canary} {
		a.second()
		offset := 0
		if a == w.canary {
			offset = w.skew
		}
		if (w.elapsed+5-offset)%5 == 0 {
			w.scrape(a)
		}
	}
}

// scrape is what Prometheus does: what it cannot read is up 0.
func (w *world) scrape(a *app) {
	labels := fmt.Sprintf(`job="web",instance="%s:80",release=%q`, a.side, a.side)
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, nil)
	page, err := expo.Parse(rec.Body)
	if rec.Code != http.StatusOK || err != nil || strings.Contains(rec.Header().Get("Content-Type"), "html") {
		w.fake.Append("up{"+labels+"}", 0)
		return
	}
	w.fake.Append("up{"+labels+"}", 1)
	for _, s := range page.Series {
		text := s.Name + "{" + labels
		for _, l := range s.Labels {
			text += fmt.Sprintf(",%s=%q", l.Name, l.Value)
		}
		w.fake.Append(text+"}", s.Value)
	}
}

func (w *world) source(kind string) canary.Source {
	w.t.Helper()
	if kind == "scrape" {
		s, err := scrape.New(scrape.Config{Baseline: []string{w.baseline.url}, Canary: []string{w.canary.url}, Timeout: 300 * time.Millisecond, Transport: w.net.transport()})
		if err != nil {
			w.t.Fatal(err)
		}
		return s
	}
	match := func(side string) []series.Matcher {
		return []series.Matcher{{Label: "release", Op: "=", Value: side}}
	}
	s, err := prometheus.New(prometheus.Config{URL: w.server, Transport: w.net.transport(), Baseline: match("baseline"), Canary: match("canary"),
		Timeout: 300 * time.Millisecond, MaxBytes: 4 << 20, Now: func() time.Time { return w.now.Add(w.wrong) }})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// gate runs a whole gate on the world's clock.
func (w *world) gate(kind string) canary.Report {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	w.cancel = cancel
	plan := canary.DefaultPlan()
	plan.Deadline = 20 * time.Minute
	rep, err := canary.Run(ctx, plan, w.source(kind), canary.Deps{
		Now: func() time.Time { return w.now.Add(w.wrong) },
		Sleep: func(ctx context.Context, d time.Duration) error {
			for end := w.now.Add(d); w.now.Before(end); {
				w.tick()
			}
			return ctx.Err()
		},
	})
	if err != nil && rep.Schema == 0 {
		w.t.Fatal(err)
	}
	return rep
}

// told is everything that a report says.
func told(rep canary.Report) string {
	var b strings.Builder
	if err := rep.Text(&b); err != nil {
		panic(err)
	}
	for _, p := range rep.Problems {
		fmt.Fprintf(&b, "%s %s\n", p.Kind, p.Message)
	}
	for _, n := range rep.Notes {
		b.WriteString(n + "\n")
	}
	return b.String()
}
