package prometheus

import (
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	fake "github.com/fairlead-ci/fairlead/internal/fake/prometheus"
)

// TestNamesOfAnyCharacters: OpenTelemetry's own names, which Prometheus 3 keeps.
// The fake reads queries with that server's own parser.
func TestNamesOfAnyCharacters(t *testing.T) {
	w := newWorld(t)
	pods := []*pod{w.pod("a:80", "1", 3), w.pod("c:80", "2", 7)}
	rename := func() {
		for _, p := range pods {
			for name, v := range p.counts {
				dotted := strings.NewReplacer("http_requests_total{", `{"http.server.requests_total",`, `status="`, `"http.response.status_code"="`, `version="`, `"k8s.version"="`,
					"http_request_duration_seconds_bucket{", `{"http.server.request.duration_seconds_bucket",`).Replace(name)
				p.counts[dotted] = v
			}
		}
	}
	// up and start times keep their old labels: they come by instance.
	counter, err := series.ParseSelector(`{"http.server.requests_total"}`)
	if err != nil {
		t.Fatal(err)
	}
	latency, err := series.ParseSelector(`{"http.server.request.duration_seconds"}`)
	if err != nil {
		t.Fatal(err)
	}
	pods[1].bad = .2
	s := w.source(func(c *Config) {
		c.Baseline, c.Canary = labels(t, `"k8s.version"="1"`), labels(t, `"k8s.version"="2"`)
		c.Counters, c.Latency = []series.Counter{{Metric: canary.Errors, Requests: counter}}, latency
	})
	var sum total
	for i := range 40 {
		w.run(5)
		rename()
		if i > 10 {
			if sum.counts == nil {
				w.watch(s, 5, &sum)
			} else {
				w.ask(s, &sum)
			}
		}
	}
	got := sum.counts[canary.Errors]
	if len(sum.errs) > 0 || got.Canary.N < 1500 || got.Canary.Bad < got.Canary.N/10 || got.Baseline.N < 1500 || got.Baseline.Bad != 0 || len(sum.latency.BoundsMS) != 2 {
		t.Errorf("%+v, thresholds %v, %v", got, sum.latency.BoundsMS, sum.errs)
	}
}

// TestUpgradedServer: Prometheus 3 writes le="1.0" where Prometheus 2 wrote le="1".
// An upgrade while the gate watches loses nothing.
func TestUpgradedServer(t *testing.T) {
	w := newWorld(t)
	pods := []*pod{w.pod("a:80", "1", 3), w.pod("c:80", "2", 7)}
	for _, p := range pods {
		p.counts[`http_request_duration_seconds_bucket{`+p.labels+`,path="/",le="1"}`] = 0
	}
	tick := func(name string) {
		for _, p := range pods {
			all := p.counts[`http_request_duration_seconds_bucket{`+p.labels+`,path="/",le="+Inf"}`]
			p.counts[`http_request_duration_seconds_bucket{`+p.labels+`,path="/",le="`+name+`"}`] = all
		}
	}
	s := w.source()
	var sum total
	for i := range 60 {
		w.run(5)
		switch {
		case i < 30:
			tick("1")
		case i == 30:
			for _, p := range pods {
				delete(p.counts, `http_request_duration_seconds_bucket{`+p.labels+`,path="/",le="1"}`)
			}
			fallthrough
		default:
			tick("1.0")
		}
		if i == 18 {
			w.watch(s, 5, &sum)
		} else if i > 18 {
			w.ask(s, &sum)
		}
	}
	got := sum.counts[canary.Errors]
	var all int64
	for _, n := range sum.latency.Canary {
		all += n
	}
	if len(sum.errs) > 0 || len(sum.latency.BoundsMS) != 3 || got.Canary.N < 3000 || all != got.Canary.N || sum.latency.Canary[3] > got.Canary.N/10 {
		t.Errorf("%+v, %v: %v, %v, %q", got, sum.latency.BoundsMS, sum.latency.Canary, sum.errs, sum.notes)
	}
}

// TestToldBeginnings: with created-timestamp-zero-ingestion a restart shows as zeros
// between two scrapes, of every series at a moment of its own.
func TestToldBeginnings(t *testing.T) {
	for name, mute := range map[string]bool{"start times": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.source()
			value := map[string]int{} // requests by version and status
			var sum total
			var served, bad int64
			born, began := map[string]bool{}, 5.0
			for i := range 24 {
				for _, version := range []string{"1", "2"} {
					l := `job="web",instance="` + version + `",version="` + version + `"`
					restart := version == "2" && (i == 8 || i == 10)
					for j, status := range []string{"200", "404", "500"} {
						series := `http_requests_total{` + l + `,status="` + status + `"}`
						if restart {
							delete(value, series)
							delete(born, series)
						}
						if i < 3*j {
							continue // the series is born later
						}
						if !born[series] {
							born[series] = true
							at := fake.Sample{TS: w.fake.Now() - 9000 + int64(1000*j)}
							w.fake.Add(series, at)
							w.fake.Add(`http_request_duration_seconds{`+l+`,status="`+status+`"}`, fake.Sample{TS: at.TS, Histogram: map[string]any{"count": "0", "sum": "0"}})
						}
						n := 40 + 3*i
						if restart { // more than before: a fall does not tell
							n = 5000
						}
						value[series] += n
						if version == "2" && i > 1 {
							served += int64(n)
							if status == "500" {
								bad += int64(n)
							}
						}
						w.fake.Append(series, float64(value[series]))
						w.fake.Add(`http_request_duration_seconds{`+l+`,status="`+status+`"}`, fake.Sample{TS: w.fake.Now(), Histogram: native(digits(value[series]), "0", digits(value[series]))})
					}
					w.fake.Append(`up{`+l+`}`, 1)
					if !mute {
						if restart {
							began = float64(w.fake.Now()/1000 - 12)
						}
						start := 5.0
						if version == "2" {
							start = began
						}
						w.fake.Append(`process_start_time_seconds{`+l+`}`, start)
					}
				}
				w.watch(s, 15, &sum)
			}
			got := sum.counts[canary.Errors].Canary
			var times int64
			for _, n := range sum.latency.Canary {
				times += n
			}
			if len(sum.errs) > 0 || got.Bad != bad || got.N != served || times != served {
				t.Errorf("counted %+v and %d response times of %d requests, %d of which failed; %v %q", got, times, served, bad, sum.errs, sum.notes)
			}
			if said(sum.notes, "fell back") || said(sum.notes, "other labels") || !said(sum.notes, "canary 2 restarted") {
				t.Errorf("%q", sum.notes)
			}
		})
	}
}

// TestClassicBucketsMadeNative: Prometheus 3 can turn classic histograms into
// native ones with bounds of their own; only buckets with requests are shown.
func TestClassicBucketsMadeNative(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	add := func(version string, i int, counts ...int) {
		l := `job="web",instance="` + version + `",version="` + version + `"`
		w.fake.Append(`up{`+l+`}`, 1)
		w.fake.Append(`process_start_time_seconds{`+l+`}`, 5)
		w.fake.Append(`http_requests_total{`+l+`,status="200"}`, float64(100*i))
		bounds := []string{"-Inf", "0.1", "0.25", "0.5", "1", "+Inf"}
		buckets, all := [][]any{}, 0
		for j, n := range counts {
			if n > 0 {
				buckets = append(buckets, []any{0, bounds[j], bounds[j+1], digits(n * i)})
				all += n * i
			}
		}
		w.fake.Add(`http_request_duration_seconds{`+l+`}`, fake.Sample{TS: w.fake.Now(), Histogram: map[string]any{"count": digits(all), "sum": "1", "buckets": buckets}})
	}
	var sum total
	for i := 1; i <= 12; i++ {
		add("1", i, 90, 0, 10, 0, 0)
		add("2", i, 60, 20, 10, 0, 10)
		w.watch(s, 15, &sum)
	}
	l := sum.latency
	if len(sum.errs) > 0 || len(l.BoundsMS) < 3 || l.BoundsMS[0] != 100 {
		t.Fatalf("thresholds %v, %v, %q", l.BoundsMS, sum.errs, sum.notes)
	}
	n := sum.counts[canary.Errors].Canary.N
	if l.Canary[0] != n*6/10 || l.Canary[len(l.Canary)-1] < n/10 || l.Baseline[0] != n*9/10 || n < 900 {
		t.Errorf("of %d: canary %v, baseline %v above %v", n, l.Canary, l.Baseline, l.BoundsMS)
	}
}
