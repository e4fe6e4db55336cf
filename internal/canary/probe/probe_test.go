package probe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func ok(http.ResponseWriter, *http.Request) {}

func start(t *testing.T, cfg Config) *Source {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if first, err := s.Sample(t.Context()); err != nil || !first.Origin {
		t.Fatalf("first sample %+v, %v", first, err)
	}
	return s
}

// collect samples until the canary has n requests.
func collect(t *testing.T, s *Source, n int64) (seqtest.Counts, canary.Latency, []string) {
	t.Helper()
	var sum seqtest.Counts
	latency := emptyLatency()
	var notes []string
	for range 500 {
		time.Sleep(10 * time.Millisecond)
		sample, err := s.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := sample.Counts[canary.Errors]
		if c.Canary.N != c.Baseline.N {
			t.Fatalf("a pair was torn: %+v", c)
		}
		sum = sum.Plus(c)
		for i := range latency.Canary {
			latency.Canary[i] += sample.Latency.Canary[i]
			latency.Baseline[i] += sample.Latency.Baseline[i]
		}
		notes = append(notes, sample.Notes...)
		if sum.Canary.N >= n {
			return sum, latency, notes
		}
	}
	t.Fatalf("only %+v after 5 s", sum)
	return sum, latency, notes
}

func TestPairs(t *testing.T) {
	var mu sync.Mutex
	var order []string
	paths := map[string]int{}
	handler := func(name string) http.HandlerFunc {
		n := 0
		return func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			order = append(order, name)
			paths[name+r.URL.RequestURI()]++
			n++
			fails := name == "canary" && n%10 == 0
			mu.Unlock()
			if r.Header.Get("X-Probe") != "1" {
				t.Error("the header is missing")
			}
			if fails {
				w.WriteHeader(http.StatusBadGateway)
			} else if n%7 == 0 {
				w.WriteHeader(http.StatusNotFound) // the client's fault: not bad
			}
		}
	}
	s := start(t, Config{
		Baseline: serve(t, handler("baseline")), Canary: serve(t, handler("canary")) + "/base/",
		Requests: []Request{{Method: "GET", Path: "/"}, {Method: "GET", Path: "/greet?name=x"}}, Rate: 400, Header: http.Header{"X-Probe": {"1"}}, Seed: 3,
	})
	if !s.Aligned() {
		t.Error("pairs are aligned")
	}
	sum, latency, _ := collect(t, s, 200)
	s.Close()
	if sum.Baseline.Bad != 0 || sum.Canary.Bad < sum.Canary.N/10-3 || sum.Canary.Bad > sum.Canary.N/10+3 {
		t.Errorf("counts %+v", sum)
	}
	timed := int64(0)
	for _, n := range latency.Canary {
		timed += n
	}
	if timed != sum.Canary.N {
		t.Errorf("%d of %d answers were timed", timed, sum.Canary.N)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, p := range []string{"baseline/", "baseline/greet?name=x", "canary/base/", "canary/base/greet?name=x"} {
		if paths[p] < 90 {
			t.Errorf("%s was requested %d times: %v", p, paths[p], paths)
		}
	}
	if len(paths) != 4 {
		t.Errorf("paths %v", paths)
	}
}

func TestTimeoutsAndRefusalsAreBad(t *testing.T) {
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(2 * time.Second):
		}
	})
	sum, latency, _ := collect(t, start(t, Config{Baseline: serve(t, ok), Canary: slow, Rate: 100, Timeout: 100 * time.Millisecond}), 20)
	if sum.Canary.Bad != sum.Canary.N || sum.Baseline.Bad != 0 {
		t.Errorf("timeouts: %+v", sum)
	}
	if latency.Canary[len(latency.Canary)-1] != sum.Canary.N {
		t.Errorf("timeouts are the slowest answers: %v", latency.Canary)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	sum, _, _ = collect(t, start(t, Config{Baseline: serve(t, ok), Canary: gone.URL, Rate: 200}), 20)
	if sum.Canary.Bad != sum.Canary.N || sum.Baseline.Bad != 0 {
		t.Errorf("refusals: %+v", sum)
	}
}

func TestSlowAnswersDelayNothing(t *testing.T) {
	var n atomic.Int64
	release := make(chan struct{})
	canaryURL := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		n.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	s := start(t, Config{Baseline: serve(t, ok), Canary: canaryURL, Rate: 100, Timeout: 4 * time.Second, MaxInFlight: 60})
	for range 300 {
		if time.Sleep(10 * time.Millisecond); n.Load() >= 50 {
			break
		}
	}
	if got := n.Load(); got < 50 {
		t.Errorf("only %d requests were sent while none was answered", got)
	}
	time.Sleep(200 * time.Millisecond)
	close(release)
	_, latency, notes := collect(t, s, 50)
	if len(notes) == 0 || !strings.Contains(notes[0], "were not sent") {
		t.Errorf("notes %q", notes)
	}
	late := int64(0)
	for _, c := range latency.Canary[6:] { // above 250 ms
		late += c
	}
	if late < 20 {
		t.Errorf("response times do not count from the due time: %v", latency.Canary)
	}
}

func TestOurOwnFaultsCountForNobody(t *testing.T) {
	lost := transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Hostname() == "canary.example" {
			return nil, &net.DNSError{Err: "no such host", Name: "canary.example", IsNotFound: true}
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	s := start(t, Config{Baseline: serve(t, ok), Canary: "http://canary.example", Rate: 100, Transport: lost})
	var p *canary.Problem
	for range 300 {
		time.Sleep(10 * time.Millisecond)
		sample, err := s.Sample(t.Context())
		if errors.As(err, &p) {
			break
		}
		if sample.Counts[canary.Errors].Canary.N > 0 {
			t.Fatalf("counted %+v", sample.Counts)
		}
	}
	if p == nil || p.Kind != "not-found" || p.Cohort != "canary" {
		t.Errorf("problem %+v", p)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConfig(t *testing.T) {
	good := Config{Baseline: "http://127.0.0.1:1", Canary: "http://127.0.0.1:2"}
	for name, spoil := range map[string]func(*Config){
		"address": func(c *Config) { c.Canary = "127.0.0.1:2" },
		"none":    func(c *Config) { c.Baseline = "" },
		"rate":    func(c *Config) { c.Rate = 1e6 },
		"timeout": func(c *Config) { c.Timeout = -1 },
		"same":    func(c *Config) { c.Canary = "http://LOCALHOST:1/" },
		"port":    func(c *Config) { c.Baseline, c.Canary = "http://shop.example", "http://shop.example:80/" },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := New(cfg); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, canary := range []string{"https://127.0.0.1:1", "http://127.0.0.1:1/next", "http://127.0.0.2:1", "http://127.0.0.1:1?v=2"} {
		cfg := good
		cfg.Canary = canary
		s, err := New(cfg)
		if canary == "https://127.0.0.1:1" { // one port speaks one of them
			if err == nil {
				t.Errorf("%s beside %s", canary, cfg.Baseline)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s beside %s: %v", canary, cfg.Baseline, err)
		}
		s.Close()
	}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // before anything was sent
}

// TestGate runs the judge on real probes: a canary that fails 10 % is caught.
func TestGate(t *testing.T) {
	var n atomic.Int64
	bad := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%10 == 0 {
			w.WriteHeader(500)
		}
	})
	plan := canary.DefaultPlan()
	plan.Interval, plan.Deadline = 100*time.Millisecond, 20*time.Second
	plan.Metrics = plan.Metrics[:1] // a busy machine stalls, and stalls are slow responses
	for _, c := range []struct {
		canary  string
		verdict finding.Verdict
	}{{bad, finding.Fail}, {serve(t, ok), finding.Pass}} {
		s, err := New(Config{Baseline: serve(t, ok), Canary: c.canary, Rate: 500})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		rep, err := canary.Run(ctx, plan, s, canary.Deps{})
		s.Close()
		cancel()
		if err != nil || rep.Verdict != c.verdict {
			t.Errorf("verdict %s (%s), %v; want %s", rep.Verdict, rep.Reason, err, c.verdict)
		}
		if rep.Latency == nil || rep.Plan.Lag != canary.LagOff {
			t.Errorf("latency %v, lag %s", rep.Latency, rep.Plan.Lag)
		}
	}
}
