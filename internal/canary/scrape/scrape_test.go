package scrape

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// app is an application's metrics page that a test can change.
type app struct {
	*httptest.Server
	handler atomic.Value // http.HandlerFunc
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{}
	a.text("# EOF\n")
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.handler.Load().(http.HandlerFunc)(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) serve(h http.HandlerFunc) { a.handler.Store(h) }

func (a *app) text(page string) {
	a.serve(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = io.WriteString(w, page)
	})
}

// counts serves a usual page; start 0 leaves the process start time out.
func (a *app) counts(good, bad int, start float64) { a.text(page(good, bad, start)) }

func page(good, bad int, start float64) string {
	s := fmt.Sprintf("# TYPE http_requests_total counter\nhttp_requests_total{method=\"GET\",status=\"200\"} %d.0\n", good)
	if bad > 0 {
		s += fmt.Sprintf("http_requests_total{status=\"500\",method=\"GET\"} %d.0\n", bad)
	}
	if start > 0 {
		s += fmt.Sprintf("process_start_time_seconds %f\n", start)
	}
	return s
}

func newSource(t *testing.T, cfg Config) *Source {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair is a baseline and a canary with a source that has its origin.
func pair(t *testing.T) (b, c *app, s *Source) {
	t.Helper()
	b, c = newApp(t), newApp(t)
	b.counts(1000, 5, 100)
	c.counts(10, 0, 200)
	s = newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL + "/metrics"}, Timeout: 2 * time.Second})
	first, err := s.Sample(t.Context())
	if err != nil || !first.Origin {
		t.Fatalf("first sample %+v, %v", first, err)
	}
	return b, c, s
}

func want(t *testing.T, s *Source, canaryN, canaryBad, baseN, baseBad int64) canary.Sample {
	t.Helper()
	sample, err := s.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := seqtest.Counts{Canary: seqtest.Cohort{N: canaryN, Bad: canaryBad}, Baseline: seqtest.Cohort{N: baseN, Bad: baseBad}}
	if got := sample.Counts[canary.Errors]; got != w {
		t.Errorf("counts %+v, want %+v", got, w)
	}
	return sample
}

func wantProblem(t *testing.T, s *Source, kind, cohort string, fatal bool, words ...string) {
	t.Helper()
	sample, err := s.Sample(t.Context())
	var p *canary.Problem
	if !errors.As(err, &p) {
		t.Fatalf("sample %+v, error %v; want a problem", sample, err)
	}
	if p.Kind != kind || p.Cohort != cohort || p.Fatal != fatal {
		t.Errorf("problem %+v, want kind %s of %q, fatal %v", p, kind, cohort, fatal)
	}
	for _, w := range words {
		if !strings.Contains(p.Error(), w) {
			t.Errorf("%q is missing in %q", w, p)
		}
	}
}

func TestCountsWhatIsNew(t *testing.T) {
	b, c, s := pair(t)
	want(t, s, 0, 0, 0, 0)
	b.counts(1100, 6, 100)
	c.counts(60, 2, 200) // the first 500 makes a new series
	want(t, s, 52, 2, 101, 1)
	// The order of labels and of lines does not matter.
	c.text("process_start_time_seconds 200\nhttp_requests_total{method=\"GET\",status=\"500\"} 3\nhttp_requests_total{status=\"200\",method=\"GET\"} 61\n")
	want(t, s, 2, 1, 0, 0)
}

func TestOutageIsALongerTick(t *testing.T) {
	b, c, s := pair(t)
	c.serve(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	})
	b.counts(1100, 5, 100)
	wantProblem(t, s, "status", "canary", false, "503", c.URL)
	b.counts(1200, 5, 100)
	wantProblem(t, s, "status", "canary", false)
	b.counts(1300, 7, 100)
	c.counts(40, 0, 200)
	want(t, s, 30, 0, 302, 2)
}

func TestProblemsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		serve http.HandlerFunc
		kind  string
		words []string
	}{
		"html type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<html>")
		}, "not-metrics", []string{"HTML"}},
		"html body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "<html>\n")
		}, "not-metrics", []string{"line 1"}},
		"json": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "{}")
		}, "not-metrics", []string{"application/json"}},
		"empty":    {func(http.ResponseWriter, *http.Request) {}, "not-metrics", []string{"empty"}},
		"404":      {http.NotFound, "status", []string{"404"}},
		"401":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "status", []string{"credentials"}},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, "status", []string{"redirect"}},
		"nan": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "http_requests_total{status=\"200\"} NaN\n")
		}, "bad-value", []string{"NaN"}},
		"negative": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "http_requests_total{status=\"200\"} -4\n")
		}, "bad-value", []string{"-4"}},
		"fraction": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "http_requests_total{status=\"200\"} 4.5\n")
		}, "bad-value", []string{"4.5"}},
		"100 MB": {func(w http.ResponseWriter, _ *http.Request) {
			line := strings.Repeat("# filler "+strings.Repeat("x", 1000)+"\n", 1000)
			for range 100 {
				if _, err := io.WriteString(w, line); err != nil {
					return
				}
			}
		}, "too-large", []string{"16 MiB"}},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "http_requests_total{status=\"200\"} 4\n")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "down", []string{"broke off"}},
		"slow": {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timeout", []string{"no answer within 200ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, cn := newApp(t), newApp(t)
			b.counts(10, 0, 0)
			cn.serve(c.serve)
			timeout := 5 * time.Second
			if name == "slow" {
				timeout = 200 * time.Millisecond
			}
			s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{cn.URL}, Timeout: timeout})
			wantProblem(t, s, c.kind, "canary", false, append(c.words, "canary")...)
			// And it recovers.
			cn.counts(5, 0, 0)
			if sample, err := s.Sample(t.Context()); err != nil || !sample.Origin {
				t.Errorf("after recovery: %+v, %v", sample, err)
			}
		})
	}
}

func TestDownAndUnknown(t *testing.T) {
	b := newApp(t)
	b.counts(1, 0, 0)
	gone := httptest.NewServer(nil)
	gone.Close()
	s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{gone.URL}})
	wantProblem(t, s, "down", "canary", false, "connection refused")
}

func TestRestart(t *testing.T) {
	b, c, s := pair(t)
	b.counts(1010, 5, 100)
	now := float64(time.Now().Unix())
	c.counts(7, 1, now)
	got := want(t, s, 8, 1, 10, 0)
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "restarted") {
		t.Errorf("notes %q", got.Notes)
	}
	if r := got.Counts["restarts"]; r != (seqtest.Counts{Baseline: seqtest.Cohort{N: 1}, Canary: seqtest.Cohort{N: 1, Bad: 1}}) {
		t.Errorf("restarts %+v", r)
	}
}

func TestSeveralProcesses(t *testing.T) {
	t.Run("at the origin", func(t *testing.T) {
		b, c := newApp(t), newApp(t)
		b.counts(100, 0, 50)
		n := 0
		c.serve(func(w http.ResponseWriter, _ *http.Request) {
			n++
			_, _ = io.WriteString(w, page(10*n, 0, []float64{100.5, 100.6}[n%2]))
		})
		s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}})
		wantProblem(t, s, "several-processes", "canary", true, "PROMETHEUS_MULTIPROC_DIR")
	})
	t.Run("an older process", func(t *testing.T) {
		_, c, s := pair(t)
		c.counts(50, 0, 190)
		wantProblem(t, s, "several-processes", "canary", true)
	})
	t.Run("a younger one that ran already", func(t *testing.T) {
		_, c, s := pair(t)
		c.counts(50, 0, 300)
		wantProblem(t, s, "several-processes", "canary", true, "beside")
	})
	t.Run("without start times", func(t *testing.T) {
		b, c := newApp(t), newApp(t)
		b.counts(100, 0, 0)
		c.counts(40, 0, 0)
		s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}})
		if _, err := s.Sample(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.counts(30, 0, 0)
		if got := want(t, s, 0, 0, 0, 0); len(got.Notes) != 1 {
			t.Errorf("notes %q", got.Notes)
		}
		c.counts(45, 0, 0)
		want(t, s, 15, 0, 0, 0)
		c.counts(31, 0, 0)
		wantProblem(t, s, "several-processes", "canary", true, "fell twice")
	})
	t.Run("two restarts far apart are fine", func(t *testing.T) {
		b, c := newApp(t), newApp(t)
		b.counts(100, 0, 0)
		c.counts(40, 0, 0)
		s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}})
		for i := range 40 {
			c.counts(40+i%15, 0, 0)
			if _, err := s.Sample(t.Context()); err != nil {
				t.Fatalf("scrape %d: %v", i, err)
			}
		}
	})
	t.Run("a boot time that moves by a second", func(t *testing.T) {
		_, c, s := pair(t)
		c.counts(20, 0, 201)
		want(t, s, 10, 0, 0, 0)
		c.counts(30, 0, 200)
		want(t, s, 10, 0, 0, 0)
	})
}

func TestInstances(t *testing.T) {
	b1, b2, c := newApp(t), newApp(t), newApp(t)
	for _, a := range []*app{b1, b2, c} {
		a.counts(100, 0, 50)
	}
	s := newSource(t, Config{Baseline: []string{b1.URL, b2.URL}, Canary: []string{c.URL}})
	if _, err := s.Sample(t.Context()); err != nil {
		t.Fatal(err)
	}
	b1.counts(110, 1, 50)
	b2.counts(120, 0, 50)
	want(t, s, 0, 0, 31, 1)
	b2.serve(http.NotFound)
	for range patience {
		wantProblem(t, s, "status", "baseline", false)
	}
	b1.counts(130, 1, 50)
	c.counts(105, 0, 50)
	if got := want(t, s, 5, 0, 20, 0); len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "left out") {
		t.Errorf("notes %q", got.Notes)
	}
	// It returns with a new origin.
	b2.counts(500, 0, 50)
	want(t, s, 0, 0, 0, 0)
	b2.counts(501, 0, 50)
	want(t, s, 0, 0, 1, 0)
	// A canary is never left out, and neither is a whole baseline.
	c.serve(http.NotFound)
	for range patience + 3 {
		wantProblem(t, s, "status", "canary", false)
	}
	c.counts(105, 0, 50)
	b1.serve(http.NotFound)
	b2.serve(http.NotFound)
	for range patience + 3 {
		wantProblem(t, s, "status", "baseline", false)
	}
}

func TestAddresses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"none":   {Baseline: []string{"http://127.0.0.1:1"}},
		"scheme": {Baseline: []string{"127.0.0.1:1"}, Canary: []string{"http://127.0.0.1:2"}},
		"twice":  {Baseline: []string{"http://127.0.0.1:1"}, Canary: []string{"http://127.0.0.1:1/metrics"}},
	} {
		if _, err := New(cfg); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	secret := "hunter2"
	gone := httptest.NewServer(nil)
	gone.Close()
	s := newSource(t, Config{
		Baseline: []string{strings.Replace(gone.URL, "http://", "http://user:"+secret+"@", 1) + "/m?token=" + secret},
		Canary:   []string{"http://127.0.0.1:1"},
	})
	_, err := s.Sample(t.Context())
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
}

func TestCredentialsStayHere(t *testing.T) {
	b, c := newApp(t), newApp(t)
	var got, leaked atomic.Value
	b.serve(func(w http.ResponseWriter, r *http.Request) {
		got.Store(r.Header.Get("Authorization") + "|" + r.Header.Get("Accept"))
		http.Redirect(w, r, c.URL, http.StatusTemporaryRedirect)
	})
	c.serve(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			leaked.Store(true)
		}
	})
	s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}, Header: http.Header{"Authorization": {"Bearer x"}}})
	_, _ = s.Sample(t.Context())
	if got.Load() != "Bearer x|text/plain;version=0.0.4" {
		t.Errorf("header %v", got.Load())
	}
	if leaked.Load() != nil {
		t.Error("a redirect was followed")
	}
}
