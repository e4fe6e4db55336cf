package faults

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// The fault lasts from its first second to its last, before any verdict is
// possible; then everything is as before.
const from, to = 10, 310

func during(second int) bool { return second >= from && second < to }

// pages replaces the pages of a side while the fault lasts.
func pages(side func(*world) *app, page func(*app, http.ResponseWriter)) func(*world, int) {
	return func(w *world, second int) {
		a := side(w)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.page = nil
		if during(second) {
			a.page = page
		}
	}
}

func canarySide(w *world) *app   { return w.canary }
func baselineSide(w *world) *app { return w.baseline }

func status(code int) func(*app, http.ResponseWriter) {
	return func(_ *app, w http.ResponseWriter) { w.WriteHeader(code) }
}

func html(_ *app, w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, "<!DOCTYPE html><title>Sign in</title>")
}

func nan(a *app, w http.ResponseWriter) {
	fmt.Fprintf(w, "process_start_time_seconds %v\nhttp_requests_total{status=\"200\"} NaN\nhttp_requests_total{status=\"500\"} NaN\n", a.started)
}

// huge is a page of 100 MB; whoever reads on after the first 20 is wrong.
func huge(_ *app, w http.ResponseWriter) {
	line := []byte(strings.Repeat("# "+strings.Repeat("x", 1021)+"\n", 1024))
	if _, ok := w.(interface{ Hijack() }); ok {
		return
	}
	if _, recording := w.(interface{ Result() *http.Response }); recording {
		w.WriteHeader(http.StatusServiceUnavailable) // a server's own limit of a page
		return
	}
	for range 100 {
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// bomb is the same, small on the wire: served for four looks, as unpacking takes
// its time.
func bomb() func(*world, int) {
	packed := sync.OnceValue(func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		line := []byte(strings.Repeat("# "+strings.Repeat("x", 1021)+"\n", 1024))
		for range 100 {
			_, _ = z.Write(line)
		}
		_ = z.Close()
		return b.Bytes()
	})
	page := func(_ *app, w http.ResponseWriter) {
		if _, recording := w.(interface{ Result() *http.Response }); recording {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed())
	}
	return func(w *world, second int) {
		w.canary.mu.Lock()
		defer w.canary.mu.Unlock()
		if w.canary.page = nil; second >= from && second < from+20 {
			w.canary.page = page
		}
	}
}

func renamed(a *app, w http.ResponseWriter) {
	a.write(w, "http_requests_total", "outcome", a.good, a.bad)
}

func other(a *app, w http.ResponseWriter) { a.write(w, "calls_total", "status", a.good, a.bad) }

// server has a fault between the gate and Prometheus while it lasts.
func server(f func(http.ResponseWriter, *http.Request) bool) func(*world, int) {
	return func(w *world, second int) {
		if during(second) {
			w.fake.Fault(f)
		} else {
			w.fake.Fault(nil)
		}
	}
}

// row is a fault. What is not said of verdicts is the rule: a good canary must
// not fail and a bad one must not pass.
type row struct {
	name   string
	on     string // scrape, prometheus or both
	event  func(*world, int)
	set    func(*world)
	good   finding.Verdict // when it is certain
	bad    finding.Verdict
	named  []string // any of these words
	always bool     // the fault never ends
}

func rows() []row {
	const pass, fail, open = finding.Pass, finding.Fail, finding.Inconclusive
	burst := func(w *world, second int) { // a common outage: both fail
		for _, a := range []*app{w.baseline, w.canary} {
			a.mu.Lock()
			if second == from+20 {
				a.share += 0.5
			}
			if second == from+50 {
				a.share -= 0.5
			}
			a.mu.Unlock()
		}
	}
	return []row{
		{name: "nothing", on: "both", good: pass, bad: fail},
		{name: "canary's pages lag in a common outage", on: "both", event: burst, set: func(w *world) { w.canary.lag = 4 }, bad: fail},
		{name: "baseline's pages lag in a common outage", on: "both", event: burst, set: func(w *world) { w.baseline.lag = 4 }, bad: fail},
		{name: "scrapes are skewed in a common outage", on: "prometheus", event: burst, set: func(w *world) { w.skew = 3 }, bad: fail, named: []string{"are scraped up to 2s apart"}},
		{name: "canary's scrapes stop for five minutes", on: "both", event: pages(canarySide, status(503)), good: pass, bad: fail, named: []string{"503", "up is 0"}},
		{name: "baseline's scrapes stop for five minutes", on: "both", event: pages(baselineSide, status(503)), good: pass, bad: fail, named: []string{"503", "left out until it returns"}},
		{name: "canary restarts every minute", on: "both", event: func(w *world, second int) {
			if during(second) && second%60 == 17 {
				w.canary.restart(float64(begin + second))
			}
		}, good: pass, bad: fail, named: []string{"restarted"}},
		{name: "counters fall without a restart", on: "both", event: func(w *world, second int) {
			if during(second) && second%7 == 3 {
				w.canary.mu.Lock()
				w.canary.good, w.canary.bad = w.canary.good*2/3, w.canary.bad*2/3
				w.canary.mu.Unlock()
			}
		}, good: open, bad: open, named: []string{"several processes"}},
		{name: "canary changes its labels", on: "both", event: pages(canarySide, renamed), good: pass, bad: fail, named: []string{"no status label"}},
		{name: "canary counts by another name", on: "both", event: pages(canarySide, other), good: pass, bad: fail, named: []string{"did its name or labels change"}},
		{name: "canary's counters are NaN", on: "both", event: pages(canarySide, nan), good: pass, bad: fail, named: []string{"NaN, which is not a count"}},
		{name: "canary's page is HTML", on: "both", event: pages(canarySide, html), good: pass, bad: fail, named: []string{"HTML", "up is 0"}},
		{name: "canary's page is 100 MB", on: "both", event: pages(canarySide, huge), good: pass, bad: fail, named: []string{"larger than", "up is 0"}},
		{name: "prometheus is down", on: "prometheus", event: server(func(w http.ResponseWriter, _ *http.Request) bool { panic(http.ErrAbortHandler) }), good: pass, bad: fail, named: []string{"connection was closed"}},
		{name: "prometheus is overloaded", on: "prometheus", event: server(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true }), good: pass, bad: fail, named: []string{"answered 503"}},
		{name: "prometheus hangs", on: "prometheus", event: func(w *world, second int) {
			if second >= from && second < from+20 { // real time passes
				w.fake.Fault(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
			} else {
				w.fake.Fault(nil)
			}
		}, good: pass, bad: fail, named: []string{"no answer within"}},
		{name: "prometheus answers half a document", on: "prometheus", event: server(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"status":"success","data":{"resultType":"matrix","result":[{"metric"`)
			return true
		}), good: pass, bad: fail, named: []string{"not whole JSON"}},
		{name: "prometheus answers in part, with a warning", on: "prometheus", event: func(w *world, second int) {
			if during(second) {
				w.fake.Warn("store 10.0.0.7 did not answer")
			} else {
				w.fake.Warn()
			}
		}, good: pass, bad: fail, named: []string{"store 10.0.0.7"}},
		{name: "prometheus answers in part, marked", on: "prometheus", event: func(w *world, second int) { w.fake.Partial(during(second)) }, good: pass, bad: fail, named: []string{"partial"}},
		{name: "prometheus answers with a page to sign in", on: "prometheus", event: server(func(w http.ResponseWriter, _ *http.Request) bool { html(nil, w); return true }), good: pass, bad: fail, named: []string{"HTML"}},
		{name: "prometheus answers 100 MB", on: "prometheus", event: func(w *world, second int) {
			if second >= from && second < from+20 {
				w.fake.Fault(func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Content-Type", "application/json")
					chunk := []byte(strings.Repeat(" ", 1<<20))
					for range 100 {
						if _, err := w.Write(chunk); err != nil {
							break
						}
					}
					return true
				})
			} else {
				w.fake.Fault(nil)
			}
		}, good: pass, bad: fail, named: []string{"larger than 4 MiB"}},
		{name: "runner's clock is years behind", on: "both", set: func(w *world) { w.wrong = -9 * 365 * 24 * time.Hour }, good: pass, bad: fail},
		{name: "runner's clock is a day ahead", on: "both", set: func(w *world) { w.wrong = 24 * time.Hour }, good: pass, bad: fail},
		{name: "runner's clock jumps ahead in the middle", on: "both", event: func(w *world, second int) {
			if second == from {
				w.wrong += 3 * time.Minute
			}
		}, good: pass, bad: fail},
		{name: "canary's page is 100 MB, compressed", on: "both", event: bomb(), good: pass, bad: fail, named: []string{"larger than", "up is 0"}},
		{name: "canary never gets traffic", on: "both", set: func(w *world) { w.canary.rate, w.canary.good, w.canary.bad = 0, 0, 0 }, good: open, bad: open, named: []string{"the canary gets no traffic"}, always: true},
		{name: "baseline is redeployed in the middle", on: "both", event: func(w *world, second int) {
			switch second {
			case from:
				w.baseline.page = status(502)
			case from + 30:
				w.baseline.page = nil
				w.baseline.restart(float64(begin + 60 + second))
			}
		}, good: pass, bad: fail, named: []string{"baseline", "restarted"}},
		{name: "global outage: all requests fail", on: "both", event: func(w *world, second int) {
			for _, a := range []*app{w.baseline, w.canary} {
				a.mu.Lock()
				if second == from {
					a.share += 10
				}
				if second == to {
					a.share -= 10
				}
				a.mu.Unlock()
			}
		}, named: []string{"an outage that is not the canary's"}},
		{name: "global outage: nothing answers", on: "both", event: func(w *world, second int) {
			pages(canarySide, status(500))(w, second)
			pages(baselineSide, status(500))(w, second)
		}, good: pass, bad: fail, named: []string{"500", "up is 0"}},
		{name: "interrupted", on: "both", event: func(w *world, second int) {
			if second == 12 && w.cancel != nil {
				w.cancel()
			}
		}, good: open, bad: open, named: []string{"interrupted", "cancelled", "stopped"}},
	}
}

// TestFaults is the table, with each source, a good canary and a bad one.
func TestFaults(t *testing.T) {
	for _, r := range rows() {
		for _, kind := range []string{"scrape", "prometheus"} {
			if r.on != "both" && r.on != kind {
				continue
			}
			for share, want := range map[float64]finding.Verdict{0.005: r.good, 0.04: r.bad} {
				t.Run(fmt.Sprintf("%s/%s/%v", r.name, kind, share), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, share, r.set)
					w.event = r.event
					rep := w.gate(kind)
					text := told(rep)
					switch {
					case share == 0.005 && rep.Verdict == finding.Fail, share == 0.04 && rep.Verdict == finding.Pass:
						t.Errorf("FALSE VERDICT %s: %s\n%s", rep.Verdict, rep.Reason, text)
					case want != "" && rep.Verdict != want:
						t.Errorf("%s, want %s\n%s", rep.Verdict, want, text)
					}
					named := len(r.named) == 0
					for _, words := range r.named {
						named = named || strings.Contains(text, words)
					}
					if !named {
						t.Errorf("nothing of %q is said:\n%s", r.named, text)
					}
				})
			}
		}
	}
}
