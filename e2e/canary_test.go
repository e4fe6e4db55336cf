//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/prometheus"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestCanaryPrometheus judges two releases of a real application by a real
// Prometheus, which scrapes them and the load balancer in front.
func TestCanaryPrometheus(t *testing.T) {
	python := shopPython(t)
	t.Run("exact", func(t *testing.T) {
		// Shops of their own: their bursts of errors would be history for the gates,
		// which take a baseline with such bursts for one whose errors come in clusters.
		for name, config := range map[string]string{"one server": prometheusConfig, "copies of a pair": mirrored()} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // little load, much waiting
				s := shopParts(t, python)
				s.serve(t, fmt.Sprintf(haproxyConfig, s.ports["front"], s.ports["baseline"], s.ports["canary"], s.ports["stats"]),
					fmt.Sprintf(config, s.ports["baseline"], s.ports["canary"], s.ports["stats"]))
				s.release(t, "baseline")
				exactCounts(t, s, s.release(t, "canary"))
			})
		}
	})
	s := newShop(t, python)
	s.release(t, "baseline")
	stop := s.release(t, "canary")
	load := s.users(100)
	time.Sleep(10 * time.Second)
	good := s.gate(t, "--deadline", "4m")
	if good.Verdict != "pass" {
		t.Errorf("a good release: %s, %s", good.Verdict, good.Reason)
	}
	stop()
	s.release(t, "canary", "FAIL_SHARE=0.05")
	bad := s.gate(t, "--deadline", "4m")
	if bad.Verdict != "fail" {
		t.Errorf("a bad release: %s, %s", bad.Verdict, bad.Reason)
	}
	load.stop()
	t.Logf("good: %s after %.0f s; bad: %s after %.0f s; %d requests", good.Reason, good.After, bad.Reason, bad.After, load.sent["canary"].Load())
}

// mirrored is the shop scraped twice, as what reads from a pair of servers shows
// it: every series is there again under another replica.
func mirrored() string {
	const twice = `
- job_name: %[1]s
  static_configs:
  - targets: ["127.0.0.1:%%[1]d"]
    labels: {job: shop, release: baseline, replica: %[1]s}
  - targets: ["127.0.0.1:%%[2]d"]
    labels: {job: shop, release: canary, replica: %[1]s}`
	return "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:" + fmt.Sprintf(twice, "a") + fmt.Sprintf(twice, "b") + "\n# and haproxy, %[3]d, by nobody\n"
}

// exactCounts sends known requests straight to the applications, has the series
// of failed ones born, Prometheus and the canary restarted on the way, and compares
// the sums.
func exactCounts(t *testing.T, s *shop, stop func()) {
	matchers := func(text string) []series.Matcher {
		ms, err := series.ParseMatchers(text)
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	src, err := prometheus.New(prometheus.Config{URL: s.prometheus, Baseline: matchers(`release="baseline"`), Canary: matchers(`release="canary"`)})
	if err != nil {
		t.Fatal(err)
	}
	send := func(side, path string, n int) (c seqtest.Cohort) {
		for range n {
			res, err := http.Get(s.direct(side) + path)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			c.N++
			if res.StatusCode >= 500 {
				c.Bad++
			}
		}
		return c
	}
	send("baseline", "/", 7) // before the origin: not counted
	send("canary", "/", 5)
	var got seqtest.Counts
	var latency int64
	look := func(until time.Duration, origin bool) {
		for end := time.Now().Add(until); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
			sample, err := src.Sample(t.Context())
			if err != nil {
				t.Log(err)
				continue
			}
			if origin && sample.Origin {
				return
			}
			got = got.Plus(sample.Counts[canary.Errors])
			if sample.Latency != nil {
				for _, n := range sample.Latency.Canary {
					latency += n
				}
			}
		}
		if origin {
			t.Fatal("no origin")
		}
	}
	time.Sleep(7 * time.Second)
	look(30*time.Second, true)
	var want seqtest.Counts
	for _, path := range []string{"/", "/nowhere", "/boom"} { // 404 and 500 are new series
		want.Baseline = want.Baseline.Plus(send("baseline", path, 31))
		want.Canary = want.Canary.Plus(send("canary", path, 23))
		look(3*time.Second, false)
		if path == "/" {
			s.reboot()
		}
	}
	look(5*time.Second, false) // what is not scraped before the restart is lost to everybody
	stop()
	s.release(t, "canary")
	want.Canary = want.Canary.Plus(send("canary", "/", 6))
	look(7*time.Second, false)
	if got != want || want.Canary.Bad != 23 {
		t.Errorf("counted %+v\nserved  %+v", got, want)
	}
	if latency != want.Canary.N {
		t.Errorf("%d response times of the canary's %d requests", latency, want.Canary.N)
	}
	rate := s.ask(t, `sum(increase(http_requests_total{release="canary"}[20s]))`)
	t.Logf("counted %d of %d; increase() says %s", got.Canary.N, want.Canary.N, strings.TrimSpace(rate))
}
