// Command gate-cpu measures what canary-gate costs while it watches: user and
// system time of the whole process per look at two /metrics pages of usual size,
// and writes README.md beside it.
//
//	gate-cpu BINARY
package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A run of short looks costs as much to start as one of many.
const (
	few, many = 20, 220
	interval  = 50 * time.Millisecond
	rounds    = 5
)

func main() {
	if len(os.Args) == 5 && os.Args[1] == "bare" {
		looks, _ := strconv.Atoi(os.Args[4])
		bare(os.Args[2:4], looks)
		return
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gate-cpu BINARY")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gate-cpu:", err)
		os.Exit(1)
	}
}

// bare reads both pages the way the gate does, and nothing else: every fourth time
// by connections of their own, after two dozen of those.
func bare(urls []string, looks int) {
	kept, fresh := &http.Client{Transport: &http.Transport{}}, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for i := range looks {
		by := kept
		if i < 24 || i%4 == 0 {
			by = fresh
		}
		var wg sync.WaitGroup
		for _, url := range urls {
			wg.Go(func() {
				if res, err := by.Get(url); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		}
		wg.Wait()
		time.Sleep(interval)
	}
}

func run(binary string) error {
	var served atomic.Int64
	serve := func() *httptest.Server {
		var requests int64
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			served.Add(1)
			requests += 50
			_, _ = w.Write([]byte(page(requests)))
		}))
	}
	baseline, canary := serve(), serve()
	defer baseline.Close()
	defer canary.Close()
	gate := func(looks int64) (time.Duration, error) {
		deadline := (time.Duration(looks) * interval).String()
		cmd := exec.Command(binary, "canary-gate", "--baseline", baseline.URL, "--canary", canary.URL, "--interval", interval.String(),
			"--deadline", deadline, "--min-duration", deadline, "--at-deadline", "pass", "--format", "json")
		cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=", "NO_PROXY=*")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("watching %d looks: %w: %.500s", looks, err, out)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
	}
	client := func(looks int) (time.Duration, error) {
		cmd := exec.Command(os.Args[0], "bare", baseline.URL, canary.URL, strconv.Itoa(looks))
		err := cmd.Run()
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
	}
	var each, starts, bares, own []time.Duration
	for range rounds {
		bareFew, err := client(few)
		if err != nil {
			return err
		}
		bareMany, err := client(many)
		if err != nil {
			return err
		}
		bares = append(bares, (bareMany-bareFew)/(many-few))
		before := served.Load()
		start, err := gate(few)
		if err != nil {
			return err
		}
		short := served.Load() - before
		long, err := gate(many)
		if err != nil {
			return err
		}
		looks := (served.Load() - before - 2*short) / 2 // two pages a look
		each, starts = append(each, (long-start)/time.Duration(max(1, looks))), append(starts, start)
		own = append(own, each[len(each)-1]-bares[len(bares)-1])
	}
	for _, all := range [][]time.Duration{each, starts, bares, own} {
		slices.Sort(all)
	}
	per := own[rounds/2]
	kept := "yes"
	if per >= time.Millisecond {
		kept = "**no**"
	}
	text := fmt.Sprintf(`# What watching costs

Written by `+"`make bench-gate-cpu`"+`: user and system time of the whole process (%s/%s, %d cores), from the difference of a run of %d looks and one of %d, so that starting does not
count; the median of %d rounds. A bare HTTP client that reads the same pages, over connections as often new, runs before each:
what a request costs changes with the machine, by a factor of two on the one that wrote this. Two pages as prometheus_client writes them for an application with twelve routes, %.0f kB each, errors and response times judged, at a look every %v.

| | measured | at most | kept |
|---|---:|---:|---|
| CPU per look, whole process | %.2f ms (%.2f to %.2f) | | |
| the bare client | %.2f ms (%.2f to %.2f) | | |
| what the gate adds: reading the pages' lines, judging, keeping the report | %.2f ms (%.2f to %.2f) | 1 ms | %s |
| start, %d looks and the end | %.0f ms | | |

At the default of a look every five seconds, that is %.3f %% of a core. The machine's load was %s when this was written; a busy one makes the same work take longer.
`, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), many, few, rounds, float64(len(page(1000)))/1000, interval, ms(each[rounds/2]), ms(each[0]), ms(each[rounds-1]), ms(bares[rounds/2]), ms(bares[0]), ms(bares[rounds-1]), ms(per), ms(own[0]), ms(own[rounds-1]), kept, few, ms(starts[rounds/2]), 100*each[rounds/2].Seconds()/5, load())
	fmt.Print(text)
	return os.WriteFile("bench/gate-cpu/README.md", []byte(text), 0o644)
}

// load is the load average of the last minute, if the system tells.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(text), " ")
	return cmp.Or(one, "not known")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// page is what such an application shows after so many requests.
func page(requests int64) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for g := range 3 {
		line("python_gc_objects_collected_total{generation=\"%d\"} %d", g, 100*g+3)
		line("python_gc_collections_total{generation=\"%d\"} %d", g, 10*g+3)
	}
	line("# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 5.3e+07")
	line("# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7e+09")
	line("# HELP http_requests_total Requests by handler, method and status.\n# TYPE http_requests_total counter")
	for h := range 12 {
		for _, status := range []int{200, 302, 404, 500} {
			n := requests / 12
			if status != 200 {
				n /= 200 // half a percent each
			}
			line("http_requests_total{handler=\"/api/v1/resource%d\",method=\"GET\",status=\"%d\"} %d.0", h, status, n)
		}
	}
	line("# HELP http_request_duration_seconds Response times.\n# TYPE http_request_duration_seconds histogram")
	for h := range 12 {
		n := requests / 12
		for i, le := range []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"} {
			line("http_request_duration_seconds_bucket{handler=\"/api/v1/resource%d\",le=\"%s\",method=\"GET\"} %d.0", h, le, n*int64(min(10, i+1))/10)
		}
		line("http_request_duration_seconds_count{handler=\"/api/v1/resource%d\",method=\"GET\"} %d.0", h, n)
		line("http_request_duration_seconds_sum{handler=\"/api/v1/resource%d\",method=\"GET\"} %f", h, float64(n)*.08)
	}
	return b.String()
}
