//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/prometheus"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// prometheus3Jobs scrapes two applications in every way that Prometheus 3 knows.
const prometheus3Jobs = `
global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs:
- {job_name: plain, static_configs: &targets [{targets: ["127.0.0.1:%[1]d"], labels: {release: baseline}}, {targets: ["127.0.0.1:%[2]d"], labels: {release: canary}}]}
- {job_name: native, scrape_native_histograms: true, static_configs: *targets}
- {job_name: both, scrape_native_histograms: true, always_scrape_classic_histograms: true, static_configs: *targets}
- {job_name: custom, convert_classic_histograms_to_nhcb: true, static_configs: *targets}
`

// prometheus2Jobs is what an older server knows of it.
const prometheus2Jobs = `
global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs:
- job_name: plain
  static_configs:
  - {targets: ["127.0.0.1:%[1]d"], labels: {release: baseline}}
  - {targets: ["127.0.0.1:%[2]d"], labels: {release: canary}}
`

// TestCanaryPrometheus3: counts are exact with a real Prometheus 3, whatever kind of
// histogram it keeps, with names of any characters, when it is told when counters
// began, and when an older server becomes one while the gate watches.
func TestCanaryPrometheus3(t *testing.T) {
	parts := os.Getenv("FAIRLEAD_E2E_PROMETHEUS3")
	if parts == "" {
		t.Skip("FAIRLEAD_E2E_PROMETHEUS3 names no folder with a Prometheus 3: make e2e-canary builds it from e2e/prometheus3")
	}
	three := filepath.Join(parts, "prometheus")
	for name, c := range map[string]struct {
		first, later string // configurations before and after a restart of the server
		server       string
		flags        []string
		kinds        []string
	}{
		"as it comes": {prometheus3Jobs, prometheus3Jobs, three, nil, []string{"plain", "dotted", "native", "both", "custom"}},
		"start times": {prometheus3Jobs, prometheus3Jobs, three, []string{"--enable-feature=created-timestamp-zero-ingestion"}, []string{"plain", "native", "custom"}},
		"upgraded":    {prometheus2Jobs, prometheus3Jobs, "prometheus", nil, []string{"plain"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			need(t, c.server)
			w := &world3{t: t, apps: map[string]*counted{}, stops: map[string]func(){}, truth: map[string][]request{}}
			w.shop = &shop{t: t, dir: t.TempDir(), ports: map[string]int{"baseline": freePort(t), "canary": freePort(t), "prometheus": freePort(t)}}
			w.prometheus = fmt.Sprintf("http://127.0.0.1:%d", w.ports["prometheus"])
			w.launch("baseline")
			w.launch("canary")
			w.boot(c.server, c.first, c.flags...)
			w.send("baseline", 7, 200, 50) // before the origin: not counted
			w.send("canary", 5, 200, 50)
			for _, ms := range []float64{220, 720} { // a server shows buckets with requests only
				w.send("baseline", 1, 200, ms)
			}
			clear(w.truth)
			for _, kind := range c.kinds {
				w.watch(kind)
			}
			for _, status := range []int{200, 404, 500} { // new series, all but the first
				for i, ms := range []float64{40, 220, 720, 3300} {
					w.send("baseline", 31+i, status, ms)
					w.send("canary", 23-i, status, ms)
				}
				w.look(9 * time.Second) // a server scrapes 5 s after its start
				if status == 404 {
					w.boot(three, c.later, c.flags...)
				}
			}
			for i := range 2 { // what is not scraped before a restart is lost to everybody
				w.launch("canary")
				for _, status := range []int{200, 500} {
					w.send("canary", 6+i, status, 220)
				}
				w.look(6 * time.Second)
			}
			w.compare()
		})
	}
}

// request is some equal ones that were served.
type request struct {
	n      int64
	ms     float64
	failed bool
}

// world3 is two applications, a Prometheus and the gate's sources that ask it.
type world3 struct {
	*shop
	t       *testing.T
	apps    map[string]*counted
	stops   map[string]func()
	sources map[string]*prometheus.Source
	counts  map[string]seqtest.Counts
	latency map[string]*canary.Latency
	notes   map[string][]string
	truth   map[string][]request
}

func (w *world3) launch(side string) {
	w.t.Helper()
	if stop := w.stops[side]; stop != nil {
		stop()
	}
	w.apps[side], w.stops[side] = serveCounted(w.t, strings.TrimPrefix(w.direct(side), "http://"))
}

func (w *world3) boot(program, config string, flags ...string) {
	w.t.Helper()
	file := w.write(w.t, "prometheus.yml", fmt.Sprintf(config, w.ports["baseline"], w.ports["canary"]))
	if stop := w.stops["prometheus"]; stop != nil {
		stop()
	}
	w.stops["prometheus"] = w.start(w.t, "prometheus", nil, program, append([]string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(w.dir, "data"),
		"--web.listen-address=" + strings.TrimPrefix(w.prometheus, "http://"), "--log.level=warn"}, flags...)...)
	w.answers(w.t, w.prometheus+"/-/ready")
}

func (w *world3) send(side string, n, status int, ms float64) {
	w.apps[side].serve(n, status, ms)
	w.truth[side] = append(w.truth[side], request{int64(n), ms, status >= 500})
}

// watch begins to count in one way, at the first moment that it can.
func (w *world3) watch(kind string) {
	w.t.Helper()
	matchers := func(text string) []series.Matcher {
		ms, err := series.ParseMatchers(text)
		if err != nil {
			w.t.Fatal(err)
		}
		return ms
	}
	job := kind
	cfg := prometheus.Config{URL: w.prometheus}
	switch kind {
	case "dotted":
		job = "plain"
		cfg.Counters = []series.Counter{{Metric: canary.Errors, Requests: series.Selector{Name: "http.server.requests_total"}, Bad: matchers(`"http.response.status_code"=~"5.."`)}}
	case "native":
		cfg.Latency = series.Selector{Name: "native_duration_seconds"}
	case "custom":
		cfg.Latency = series.Selector{Name: "page_duration_seconds"}
	}
	cfg.Baseline, cfg.Canary = matchers(`job="`+job+`",release="baseline"`), matchers(`job="`+job+`",release="canary"`)
	src, err := prometheus.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.sources == nil {
		w.sources, w.counts, w.latency, w.notes = map[string]*prometheus.Source{}, map[string]seqtest.Counts{}, map[string]*canary.Latency{}, map[string][]string{}
	}
	w.sources[kind] = src
	var last error
	for range 60 {
		sample, err := src.Sample(w.t.Context())
		if err == nil && sample.Origin {
			return
		}
		last = err
		time.Sleep(500 * time.Millisecond)
	}
	w.t.Fatalf("%s: no origin: %v", kind, last)
}

// look asks for some time.
func (w *world3) look(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		for kind, src := range w.sources {
			sample, err := src.Sample(w.t.Context())
			if err != nil {
				w.t.Logf("%s: %v", kind, err)
				continue
			}
			w.notes[kind] = append(w.notes[kind], sample.Notes...)
			w.counts[kind] = w.counts[kind].Plus(sample.Counts[canary.Errors])
			if l := sample.Latency; l != nil {
				if sum := w.latency[kind]; sum != nil {
					for i := range l.Canary {
						sum.Baseline[i] += l.Baseline[i]
						sum.Canary[i] += l.Canary[i]
					}
				} else {
					w.latency[kind] = l
				}
			}
		}
	}
}

// compare holds what was counted against what was served.
func (w *world3) compare() {
	w.t.Helper()
	var want seqtest.Counts
	for side, c := range map[string]*seqtest.Cohort{"baseline": &want.Baseline, "canary": &want.Canary} {
		for _, r := range w.truth[side] {
			c.N += r.n
			if r.failed {
				c.Bad += r.n
			}
		}
	}
	for kind := range w.sources {
		if got := w.counts[kind]; got != want {
			w.t.Errorf("%s: counted %+v\nserved  %+v", kind, got, want)
		}
		for _, note := range w.notes[kind] {
			if !strings.Contains(note, "restarted") && !strings.Contains(note, "apart") {
				w.t.Errorf("%s says: %s", kind, note)
			}
		}
		if kind == "dotted" {
			continue // it shows classic buckets of the same histogram
		}
		l := w.latency[kind]
		if l == nil {
			w.t.Errorf("%s: no response times; %q", kind, w.notes[kind])
			continue
		}
		for side, got := range map[string][]int64{"baseline": l.Baseline, "canary": l.Canary} {
			served := make([]int64, len(l.BoundsMS)+1)
			for _, r := range w.truth[side] {
				i, _ := slices.BinarySearch(l.BoundsMS, r.ms)
				served[i] += r.n
			}
			if !slices.Equal(got, served) {
				w.t.Errorf("%s, %s, thresholds %v ms:\ncounted %v\nserved  %v", kind, side, l.BoundsMS, got, served)
			}
		}
		w.t.Logf("%s: %+v, %d thresholds", kind, w.counts[kind], len(l.BoundsMS))
	}
}
