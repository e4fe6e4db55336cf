package prometheus

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/failure"
	fake "github.com/fairlead-ci/fairlead/internal/fake/prometheus"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// An instance that the gate did not know counts from 0 only when its process is
// younger than the gate.
func TestNewInstances(t *testing.T) {
	for name, c := range map[string]struct {
		started float64 // seconds after the origin
		mute    bool
		want    func(served, first int64) int64
		note    string
	}{
		"young":               {1, false, func(served, _ int64) int64 { return served }, ""},
		"old":                 {-500, false, func(served, first int64) int64 { return served - first }, "is new to the gate"},
		"unknown start":       {0, true, func(served, first int64) int64 { return served - first }, "is new to the gate"},
		"unknown but created": {0, true, func(served, _ int64) int64 { return served }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.pod("a:80", "1", 3)
			c0 := w.pod("c:80", "2", 7)
			w.run(90)
			s := w.source()
			w.origin(s)
			var before total
			w.watch(s, 30, &before)
			c0.rate = 0
			w.watch(s, 30, &before)
			n := before.counts[canary.Errors].Canary.N
			d := w.pod("d:80", "2", 0)
			d.started, d.mute = float64(s.tally.Origin)/1000+c.started, c.mute
			if strings.Contains(name, "created") {
				w.fake.Append(`http_requests_created{`+d.labels+`,path="/",status="200"}`, float64(s.tally.Origin)/1000+1)
			}
			for range 5 {
				d.serve()
			}
			first := d.served().N
			w.scrape(d)
			d.offset = int(w.fake.Now() / 1000 % 15)
			w.watch(s, 90, &before)
			w.settle(s, &before)
			if got, want := before.counts[canary.Errors].Canary.N-n, c.want(d.served().N, first); got != want {
				t.Errorf("counted %d, want %d (served %d, first scrape %d)", got, want, d.served().N, first)
			}
			if c.note != "" && !said(before.notes, c.note, "d:80") {
				t.Errorf("notes %q", before.notes)
			}
		})
	}
}

// Workers that answer in turn, each with counters of its own, are refused.
func TestSeveralProcesses(t *testing.T) {
	for name, mute := range map[string]bool{"start times": false, "falling counters": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.pod("a:80", "1", 3)
			c := w.pod("c:80", "2", 7)
			c.mute = mute
			workers := []map[string]float64{{}, {}, {}}
			w.run(100)
			s := w.source()
			var sum total
			for i := range 20 {
				c.counts, c.started, c.rate = workers[i%3], float64(1000+i%3), 10+10*(i%3)
				w.watch(s, 15, &sum)
				if len(sum.errs) > 0 {
					break
				}
			}
			if len(sum.errs) == 0 {
				t.Fatalf("not noticed: %+v", sum)
			}
			if p := problem(t, sum.errs[0]); p.Kind != "several-processes" || !p.Fatal || p.Cohort != "canary" || !strings.Contains(p.Detail, "PROMETHEUS_MULTIPROC_DIR") {
				t.Errorf("%+v", p)
			}
		})
	}
}

// Without start times a counter that falls to little began again.
func TestResetWithoutStart(t *testing.T) {
	w := newWorld(t)
	a, c := w.pod("a:80", "1", 3), w.pod("c:80", "2", 3)
	a.mute, c.mute = true, true
	w.run(100)
	s := w.source()
	w.origin(s)
	base := atOrigin(s, c)
	var sum total
	w.watch(s, 60, &sum)
	w.until(3)
	before := c.served()
	w.restart(c)
	w.watch(s, 60, &sum)
	w.settle(s, &sum)
	if got, want := sum.counts[canary.Errors].Canary.N, before.N-base.N+c.served().N; got != want {
		t.Errorf("counted %d, served %d", got, want)
	}
	if !said(sum.notes, "canary c:80 restarted") || len(sum.errs) > 0 {
		t.Errorf("%q %v", sum.notes, sum.errs)
	}
}

// A load balancer that counts for both sides has labels of its own: up and start
// time are those of its instance, and an application that is down is its news.
func TestLoadBalancer(t *testing.T) {
	w := newWorld(t)
	served := map[string]float64{}
	page := func() {
		w.fake.Append(`up{job="lb",instance="lb:1"}`, 1)
		w.fake.Append(`process_start_time_seconds{job="lb",instance="lb:1"}`, 5)
		for _, side := range []string{"one", "two"} {
			for _, code := range []string{"2xx", "5xx"} {
				key := side + code
				if v, ok := served[key]; ok {
					w.fake.Append(`haproxy_backend_http_responses_total{job="lb",instance="lb:1",proxy="`+side+`",code="`+code+`"}`, v)
				}
			}
		}
	}
	s := w.source(func(c *Config) {
		c.Baseline, c.Canary = labels(t, `proxy="one"`), labels(t, `proxy="two"`)
	})
	served["one2xx"], served["two2xx"] = 100, 100
	var sum total
	for i := range 40 {
		served["one2xx"] += 50
		served["two2xx"] += 40
		if i > 20 {
			served["two5xx"] += 10 // a series that was not there
		}
		page()
		w.watch(s, 15, &sum)
	}
	if len(sum.errs) > 0 {
		t.Fatal(sum.errs)
	}
	c := sum.counts[canary.Errors]
	if c.Canary.Bad != 190 || c.Baseline.Bad != 0 || c.Canary.N < 39*40 || c.Baseline.N < 38*50 {
		t.Errorf("%+v", c)
	}
	if !slices.ContainsFunc(w.fake.Queries(), func(q string) bool { return strings.Contains(q, `instance=~"lb:1"`) }) {
		t.Error("up is not asked for by instance")
	}
}

// native is a native histogram as the API writes it: n requests below 0.5 s in
// two buckets of schema 1, and slow ones between 2 and 2√2 s.
func native(fast, slow string, count string) any {
	buckets := [][]any{}
	if fast != "0" {
		buckets = append(buckets, []any{0, "0.35355339059327373", "0.5", fast})
	}
	if slow != "0" {
		buckets = append(buckets, []any{0, "2", "2.8284271247461907", slow})
	}
	return map[string]any{"count": count, "sum": "1", "buckets": buckets}
}

func TestNativeHistograms(t *testing.T) {
	w := newWorld(t)
	s := w.source()
	add := func(version string, i int, h any) {
		l := `job="web",instance="` + version + `",version="` + version + `"`
		w.fake.Append(`up{`+l+`}`, 1)
		w.fake.Append(`process_start_time_seconds{`+l+`}`, 5)
		w.fake.Append(`http_requests_total{`+l+`,status="200"}`, float64(10*i))
		if h != nil {
			w.fake.Add(`http_request_duration_seconds{`+l+`}`, fake.Sample{TS: w.fake.Now(), Histogram: h})
		}
	}
	var sum total
	for i := range 12 {
		add("1", i, native(digits(10*i+1), "0", digits(10*i+1)))
		var h any
		if i >= 6 { // the canary's histogram is born in the middle
			h = native(digits(7*(i-5)), digits(3*(i-5)), digits(10*(i-5)))
		}
		add("2", i, h)
		w.watch(s, 15, &sum)
	}
	if len(sum.errs) > 0 {
		t.Fatal(sum.errs)
	}
	l := sum.latency
	n := len(l.BoundsMS)
	if n < 20 || l.BoundsMS[0] > 1 || l.BoundsMS[n-1] != 64000 {
		t.Fatalf("bounds %v", l.BoundsMS)
	}
	for side, want := range map[string][2]int64{"canary": {42, 18}, "baseline": {60, 0}} {
		counts := l.Canary
		if side == "baseline" {
			counts = l.Baseline
		}
		fast, slow := int64(0), int64(0)
		for i, c := range counts {
			if i < n && l.BoundsMS[i] <= 500 {
				fast += c
			} else {
				slow += c
			}
		}
		if fast < want[0]-1 || slow != want[1] {
			t.Errorf("%s: %d fast and %d slow, want %v (%v)", side, fast, slow, want, counts)
		}
	}
}

func digits(n int) string {
	var b []byte
	for ; n > 0 || len(b) == 0; n /= 10 {
		b = append([]byte{byte('0' + n%10)}, b...)
	}
	return string(b)
}

// A release that changed its buckets cannot be compared by the old ones.
func TestChangedBuckets(t *testing.T) {
	w := newWorld(t)
	w.pod("a:80", "1", 3)
	c := w.pod("c:80", "2", 7)
	w.run(90)
	s := w.source()
	w.origin(s)
	var sum total
	w.watch(s, 60, &sum)
	if sum.latency.BoundsMS == nil {
		t.Fatal("no response times")
	}
	w.restart(c)
	c.labels = strings.Replace(c.labels, "c:80", "e:80", 1)
	c.name = "e:80"
	c.counts[`http_request_duration_seconds_bucket{`+c.labels+`,path="/x",le="7"}`] = 1
	w.watch(s, 60, &sum)
	if !said(sum.notes, "canary e:80 shows other buckets") {
		t.Errorf("notes %q", sum.notes)
	}
}

// The state of one process lets another go on: nothing is lost in between.
func TestResume(t *testing.T) {
	w := newWorld(t)
	w.pod("a:80", "1", 3)
	c := w.pod("c:80", "2", 7)
	w.run(90)
	s := w.source()
	w.origin(s)
	base := atOrigin(s, c)
	var sum total
	w.watch(s, 60, &sum)
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	c.bad = 0.2
	w.run(200) // nobody looks
	w.restart(c)
	lost := c.served()
	again := w.source()
	if err := again.Resume(state); err != nil {
		t.Fatal(err)
	}
	w.watch(again, 60, &sum)
	w.settle(again, &sum)
	truth := c.truth
	truth.N -= base.N
	got := sum.counts[canary.Errors].Canary
	// Up to one scrape of requests was gone with the process.
	if got.N > truth.N || got.N < truth.N-15*20 || got.Bad == 0 || lost.N != 0 {
		t.Errorf("counted %+v, served %+v", got, truth)
	}
	if len(sum.errs) > 0 {
		t.Error(sum.errs)
	}
	other := w.source(func(c *Config) { c.Canary = labels(t, `version="3"`) })
	if err := other.Resume(state); failure.CodeOf(err) != failure.Usage {
		t.Errorf("a state of other labels: %v", err)
	}
	for _, bad := range []string{"", "{", "{}", `{"labels":"version=\"1\"|version=\"2\""}`, `{"labels":"version=\"1\"|version=\"2\"","tally":{}}`} {
		if err := w.source().Resume([]byte(bad)); err == nil {
			t.Errorf("state %q is taken", bad)
		}
	}
}

func TestHistory(t *testing.T) {
	w := newWorld(t)
	a := w.pod("a:80", "1", 3)
	w.pod("c:80", "2", 7)
	a.bad = 0.1
	w.run(600)
	s := w.source()
	got, err := s.History(t.Context(), time.Time{}, 10*time.Minute, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var sum seqtest.Cohort
	for _, x := range got {
		c := x.Counts[canary.Errors]
		if c.Canary.N != 0 {
			t.Errorf("the canary's past is counted: %+v", c)
		}
		if c.Baseline.N != 4*15*20 {
			t.Errorf("a minute of %d requests", c.Baseline.N)
		}
		sum = sum.Plus(c.Baseline)
	}
	if len(got) != 9 || sum.Rate() < 0.07 || sum.Rate() > 0.13 {
		t.Errorf("%d windows, %v of them bad", len(got), sum.Rate())
	}
}

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	var got http.Header
	w.fake.Fault(func(rw http.ResponseWriter, r *http.Request) bool {
		got = r.Header.Clone()
		if _, pass, ok := r.BasicAuth(); !ok || pass != "p w" {
			rw.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	})
	s := w.source()
	_, err := s.Sample(t.Context())
	if p := problem(t, err); p.Kind != "status" || !strings.Contains(p.Detail, "401") || !strings.Contains(p.Detail, "credentials") {
		t.Errorf("%+v", p)
	}
	u, _ := url.Parse(w.url)
	u.User = url.UserPassword("gate", "p w")
	s = w.source(func(c *Config) { c.URL = u.String() + "/api/v1/"; c.Header = http.Header{"X-Scope-Orgid": {"acme"}} })
	_, err = s.Sample(t.Context())
	if p := problem(t, err); p.Kind != "no-counter" || strings.Contains(p.Error(), "p w") || strings.Contains(p.Error(), "p%20w") {
		t.Errorf("%+v", p)
	}
	if got.Get("X-Scope-Orgid") != "acme" {
		t.Errorf("headers %v", got)
	}
}

// A server that wants a client's certificate gets it, and one with an unknown
// certificate is not believed.
func TestTLS(t *testing.T) {
	f := fake.New(begin)
	srv := httptest.NewUnstartedServer(f)
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	w := &world{t: t, fake: f, url: srv.URL, now: time.Now()}
	_, err := w.source().Sample(t.Context())
	if p := problem(t, err); p.Kind != "tls" || !strings.Contains(p.Detail, "certificate") {
		t.Errorf("%+v", p)
	}
	trusted := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, Certificates: srv.TLS.Certificates}}
	_, err = w.source(func(c *Config) { c.Transport = transport }).Sample(t.Context())
	if p := problem(t, err); p.Kind != "no-counter" {
		t.Errorf("%+v", p)
	}
	_, err = w.source(func(c *Config) { c.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}} }).Sample(t.Context())
	if p := problem(t, err); p.Kind != "down" {
		t.Errorf("%+v", p)
	}
}

func TestUsage(t *testing.T) {
	one, two := labels(t, `v="1"`), labels(t, `v="2"`)
	for name, c := range map[string]Config{
		"no address":  {Baseline: one, Canary: two},
		"no scheme":   {URL: "127.0.0.1:9090", Baseline: one, Canary: two},
		"no labels":   {URL: "http://127.0.0.1", Canary: two},
		"same labels": {URL: "http://127.0.0.1", Baseline: one, Canary: labels(t, `v="1"`)},
	} {
		if _, err := New(c); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Selectors of the user's own, with failed requests in a counter of their own.
func TestOwnCounters(t *testing.T) {
	w := newWorld(t)
	sel := func(text string) series.Selector {
		s, err := series.ParseSelector(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := w.source(func(c *Config) {
		c.Counters = []series.Counter{{Metric: canary.Errors, Requests: sel(`calls{kind="web"}`), Errors: sel("failures")}}
		c.Gauges = map[string]string{"queue": "queue_length"}
	})
	var sum total
	var last canary.Sample
	for i := range 10 {
		for v, bad := range map[string]int{"1": 0, "2": 3} {
			l := `job="web",instance="i` + v + `",version="` + v + `"`
			w.fake.Append(`up{`+l+`}`, 1)
			w.fake.Append(`calls{kind="web",`+l+`}`, float64(20*i))
			w.fake.Append(`calls{kind="cron",`+l+`}`, float64(900*i))
			w.fake.Append(`failures{`+l+`}`, float64(bad*i))
			w.fake.Append(`queue_length{`+l+`}`, float64(bad*100))
		}
		w.run(15)
		got, err := s.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := got.Counts[canary.Errors]; ok {
			last = got
			sum.windows++
			if c.Canary != (seqtest.Cohort{N: 20, Bad: 3}) || c.Baseline != (seqtest.Cohort{N: 20}) {
				t.Errorf("%+v", c)
			}
		}
	}
	if sum.windows < 7 || last.Gauges["queue"] != (canary.Gauge{Baseline: 0, Canary: 300}) {
		t.Errorf("%d windows, gauges %v", sum.windows, last.Gauges)
	}
}
