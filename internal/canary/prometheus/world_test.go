package prometheus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	fake "github.com/fairlead-ci/fairlead/internal/fake/prometheus"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

const begin = 1_800_000_000_000 // milliseconds

// world is a Prometheus that scrapes applications every 15 seconds, each at an
// offset of its own, and a gate that asks it every 5.
type world struct {
	t    *testing.T
	fake *fake.Server
	url  string
	pods []*pod
	now  time.Time // the gate's clock, which is wrong on purpose
	// mirrors are the servers that scrape, as labels; none means one without any.
	// Each scrapes two seconds after the one before.
	mirrors []string
	// stopped is the server's time out: nothing is scraped.
	stopped bool
}

// pod is an instrumented application.
type pod struct {
	name, labels string
	offset       int
	started      float64
	counts       map[string]float64
	up           bool
	removed      bool
	mute         bool // without up and start time, as behind a collector
	// truth is what it served since the gate's origin.
	truth seqtest.Cohort
	rand  *rand.Rand
	rate  int
	bad   float64
	slow  float64
	// memory is added to 50 MB.
	memory float64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, fake: fake.New(begin), now: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}
	srv := httptest.NewServer(w.fake)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	return w
}

func (w *world) pod(name, version string, offset int) *pod {
	p := &pod{name: name, labels: fmt.Sprintf(`job="web",instance=%q,version=%q`, name, version), offset: offset, up: true,
		started: float64(w.fake.Now())/1000 - 1000, counts: map[string]float64{}, rand: rand.New(rand.NewPCG(1, uint64(len(w.pods)))), rate: 20}
	w.pods = append(w.pods, p)
	return p
}

// serve is one second of requests.
func (p *pod) serve() {
	if !p.up {
		return
	}
	for range p.rate {
		status, le := "200", []string{"0.1", "0.5", "+Inf"}
		if p.rand.Float64() < p.bad {
			status = "500"
			p.truth.Bad++
		}
		p.truth.N++
		if p.rand.Float64() < p.slow {
			le = le[2:]
		}
		p.counts[`http_requests_total{`+p.labels+`,path="/",status="`+status+`"}`]++
		for _, le := range le {
			p.counts[`http_request_duration_seconds_bucket{`+p.labels+`,path="/",le="`+le+`"}`]++
		}
		for _, le := range []string{"0.1", "0.5"} { // a page shows every bucket
			p.counts[`http_request_duration_seconds_bucket{`+p.labels+`,path="/",le="`+le+`"}`] += 0
		}
	}
}

// restart begins anew; what was not scraped is lost to everybody.
func (w *world) restart(p *pod) {
	p.counts = map[string]float64{}
	p.started = float64(w.fake.Now()) / 1000
}

func (w *world) scrape(p *pod) { w.scrapeAs(p, "") }

// scrapeAs scrapes as a server that adds a label.
func (w *world) scrapeAs(p *pod, label string) {
	if p.removed {
		return
	}
	put := func(name string, v float64) {
		if label != "" {
			name = strings.Replace(name, "{", "{"+label+",", 1)
		}
		w.fake.Append(name, v)
	}
	up := 0.0
	if p.up {
		up = 1
		for name, v := range p.counts {
			put(name, v)
		}
		if !p.mute {
			put(`process_start_time_seconds{`+p.labels+`}`, p.started)
			put(`process_resident_memory_bytes{`+p.labels+`}`, 50e6+p.memory)
		}
	}
	if !p.mute {
		put(`up{`+p.labels+`}`, up)
	}
}

// run lets seconds pass.
func (w *world) run(seconds int) {
	for range seconds {
		w.fake.Advance(time.Second)
		w.now = w.now.Add(time.Second)
		for _, p := range w.pods {
			p.serve()
			if w.stopped {
				continue
			}
			since := (w.fake.Now()/1000 + 15 - int64(p.offset)) % 15
			if len(w.mirrors) == 0 && since == 0 {
				w.scrape(p)
			}
			for i, label := range w.mirrors {
				if label != "" && since == int64(2*i) {
					w.scrapeAs(p, label)
				}
			}
		}
	}
}

// until lets time pass until the instances of an offset are scraped.
func (w *world) until(offset int) {
	for (w.fake.Now()/1000)%15 != int64(offset) {
		w.run(1)
	}
}

func labels(t *testing.T, text string) []series.Matcher {
	t.Helper()
	ms, err := series.ParseMatchers(text)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

func (w *world) source(change ...func(*Config)) *Source {
	w.t.Helper()
	cfg := Config{URL: w.url, Baseline: labels(w.t, `version="1"`), Canary: labels(w.t, `version="2"`), Now: func() time.Time { return w.now }}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// origin asks until there is an origin, and begins to count the truth there.
func (w *world) origin(s *Source) canary.Sample {
	w.t.Helper()
	var notes []string
	for range 40 {
		got, err := s.Sample(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		notes = append(notes, got.Notes...)
		if got.Origin {
			got.Notes = notes
			return got
		}
		w.run(5)
	}
	w.t.Fatal("no origin")
	return canary.Sample{}
}

// total is everything that a source says over some time.
type total struct {
	counts  map[string]seqtest.Counts
	latency canary.Latency
	gauges  []map[string]canary.Gauge
	notes   []string
	errs    []error
	windows int
}

// watch asks every 5 seconds.
func (w *world) watch(s *Source, seconds int, sum *total) {
	w.t.Helper()
	if sum.counts == nil {
		sum.counts = map[string]seqtest.Counts{}
	}
	for range seconds / 5 {
		w.run(5)
		w.ask(s, sum)
	}
}

func (w *world) ask(s *Source, sum *total) {
	got, err := s.Sample(context.Background())
	if err != nil {
		sum.errs = append(sum.errs, err)
		return
	}
	sum.notes = append(sum.notes, got.Notes...)
	if got.Pending {
		return
	}
	sum.windows++
	sum.gauges = append(sum.gauges, got.Gauges)
	for metric, c := range got.Counts {
		if err := c.Check(); err != nil {
			w.t.Error(metric, err)
		}
		sum.counts[metric] = sum.counts[metric].Plus(c)
	}
	if got.Latency != nil {
		if sum.latency.BoundsMS == nil {
			sum.latency = *got.Latency
			return
		}
		for i := range got.Latency.Canary {
			sum.latency.Canary[i] += got.Latency.Canary[i]
			sum.latency.Baseline[i] += got.Latency.Baseline[i]
		}
	}
}

// settle stops the load and lets the last scrapes come in.
func (w *world) settle(s *Source, sum *total) {
	for _, p := range w.pods {
		p.rate = 0
	}
	w.watch(s, 60, sum)
}

func problem(t *testing.T, err error) *canary.Problem {
	t.Helper()
	var p *canary.Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v is no problem", err)
	}
	return p
}

func said(notes []string, words ...string) bool {
	for _, n := range notes {
		all := true
		for _, w := range words {
			all = all && strings.Contains(n, w)
		}
		if all {
			return true
		}
	}
	return false
}
