//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// shop is a production in small: two releases of the example application under
// gunicorn with several workers each, haproxy that splits the traffic between
// them, a Prometheus that scrapes all of it, and users.
type shop struct {
	t          *testing.T
	dir        string
	python     string
	front      string
	prometheus string
	ports      map[string]int // baseline, canary, front, stats, prometheus
	// reboot stops Prometheus and starts it again.
	reboot func()
}

// shopPython installs the example's locked dependencies once.
func shopPython(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "venv")
	must(t, "", nil, "python3", "-m", "venv", dir)
	must(t, "", nil, filepath.Join(dir, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:",
		"-r", filepath.Join(repo(t), "examples", "hello", "requirements.txt"))
	return dir
}

const haproxyConfig = `
global
  maxconn 2000
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  retries 0
frontend users
  bind 127.0.0.1:%d
  use_backend canary if { rand(100) lt 50 }
  default_backend baseline
backend baseline
  http-after-response set-header x-release baseline
  server one 127.0.0.1:%d
backend canary
  http-after-response set-header x-release canary
  server one 127.0.0.1:%d
frontend stats
  bind 127.0.0.1:%d
  http-request use-service prometheus-exporter if { path /metrics }
`

const prometheusConfig = `
global:
  scrape_interval: 2s
  scrape_timeout: 2s
scrape_configs:
- job_name: shop
  static_configs:
  - targets: ["127.0.0.1:%d"]
    labels: {release: baseline}
  - targets: ["127.0.0.1:%d"]
    labels: {release: canary}
- job_name: haproxy
  static_configs:
  - targets: ["127.0.0.1:%d"]
  metric_relabel_configs:
  - source_labels: [__name__, proxy]
    regex: haproxy_backend_.*;(baseline|canary)
    target_label: release
`

// newShop starts haproxy and Prometheus; the releases come later.
func newShop(t *testing.T, python string) *shop {
	t.Helper()
	s := shopParts(t, python)
	s.serve(t, fmt.Sprintf(haproxyConfig, s.ports["front"], s.ports["baseline"], s.ports["canary"], s.ports["stats"]),
		fmt.Sprintf(prometheusConfig, s.ports["baseline"], s.ports["canary"], s.ports["stats"]))
	return s
}

// shopParts is a shop of which nothing runs yet.
func shopParts(t *testing.T, python string) *shop {
	t.Helper()
	need(t, "prometheus", "haproxy", "python3")
	s := &shop{t: t, dir: t.TempDir(), python: python, ports: map[string]int{}}
	for _, name := range []string{"baseline", "canary", "front", "stats", "prometheus"} {
		s.ports[name] = freePort(t)
	}
	s.front = fmt.Sprintf("http://127.0.0.1:%d", s.ports["front"])
	s.prometheus = fmt.Sprintf("http://127.0.0.1:%d", s.ports["prometheus"])
	return s
}

// write puts a file into the shop's folder.
func (s *shop) write(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(s.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// serve starts haproxy and Prometheus.
func (s *shop) serve(t *testing.T, haproxy, prometheus string) {
	t.Helper()
	ha, pr := s.write(t, "haproxy.cfg", haproxy), s.write(t, "prometheus.yml", prometheus)
	s.start(t, "haproxy", nil, "haproxy", "-db", "-f", ha)
	boot := func() (stop func()) {
		stop = s.start(t, "prometheus", nil, "prometheus", "--config.file="+pr, "--storage.tsdb.path="+filepath.Join(s.dir, "data"),
			fmt.Sprintf("--web.listen-address=127.0.0.1:%d", s.ports["prometheus"]), "--log.level=warn")
		s.answers(t, s.prometheus+"/-/ready")
		return stop
	}
	stop := boot()
	s.reboot = func() { stop(); stop = boot() }
}

// start runs a program until the test ends. Its process group ends with it.
func (s *shop) start(t *testing.T, name string, env []string, program string, args ...string) (stop func()) {
	t.Helper()
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, append(os.Environ(), env...), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			<-done
		}
		_ = log.Close()
	})
	t.Cleanup(stop)
	return stop
}

// answers waits for an address.
func (s *shop) answers(t *testing.T, url string) {
	t.Helper()
	for range 200 {
		if res, err := http.Get(url); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s does not answer", url)
}

// release starts an application as one of the two sides, and waits until it
// answers.
func (s *shop) release(t *testing.T, side string, env ...string) (stop func()) {
	t.Helper()
	stop = s.launch(t, side, "", env...)
	s.answers(t, s.direct(side)+"/healthz")
	return stop
}

// launch starts an application under a shell command that may run it again and
// again; "$@" is gunicorn.
func (s *shop) launch(t *testing.T, side, shell string, env ...string) (stop func()) {
	t.Helper()
	multi, err := os.MkdirTemp(s.dir, "multiproc-")
	if err != nil {
		t.Fatal(err)
	}
	if shell == "" {
		shell = `exec "$@"`
	}
	example := filepath.Join(repo(t), "examples", "hello")
	env = append(append(s.appEnv(t), "PROMETHEUS_MULTIPROC_DIR="+multi), env...)
	return s.start(t, side, env, "sh", "-c", shell, "sh", filepath.Join(s.python, "bin", "gunicorn"), "--config", filepath.Join(example, "gunicorn.conf.py"),
		"--bind", fmt.Sprintf("127.0.0.1:%d", s.ports[side]), "--log-level", "critical", "shop:app")
}

// appEnv is what every release has in its environment.
func (s *shop) appEnv(t *testing.T) []string {
	return []string{"PYTHONPATH=" + filepath.Join(repo(t), "examples", "hello", "src") + ":" + filepath.Join(repo(t), "e2e", "testdata", "canary"),
		"PYTHONDONTWRITEBYTECODE=1", "SECRET_KEY=x", "LOG_LEVEL=WARNING", "WEB_CONCURRENCY=3", "WEB_THREADS=4"}
}

// direct is the address of one side, beside the load balancer.
func (s *shop) direct(side string) string { return fmt.Sprintf("http://127.0.0.1:%d", s.ports[side]) }

// ask is what Prometheus itself says to an expression.
func (s *shop) ask(t *testing.T, expr string) string {
	t.Helper()
	res, err := http.Get(s.prometheus + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// users send requests on a fixed schedule, whatever the answers take, and count
// what they got from each release.
type users struct {
	sent, failed, slow map[string]*atomic.Int64
	stop               func()
}

// slowMS is what users call slow.
const slowMS = 300

func (s *shop) users(rate int) *users {
	u := &users{sent: map[string]*atomic.Int64{}, failed: map[string]*atomic.Int64{}, slow: map[string]*atomic.Int64{}}
	for _, m := range []map[string]*atomic.Int64{u.sent, u.failed, u.slow} {
		for _, side := range []string{"baseline", "canary", ""} {
			m[side] = &atomic.Int64{}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	// A connection for every request: of a kept one haproxy hides a server that died,
	// and clients ask again.
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			all.Go(func() {
				due := time.Now()
				side, failed := "", true
				if res, err := client.Get(s.front + "/"); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
					side, failed = res.Header.Get("X-Release"), res.StatusCode >= 500
				}
				if u.sent[side] == nil {
					side = ""
				}
				u.sent[side].Add(1)
				if failed {
					u.failed[side].Add(1)
				}
				if time.Since(due) > slowMS*time.Millisecond {
					u.slow[side].Add(1)
				}
			})
		}
	})
	u.stop = sync.OnceFunc(func() { cancel(); all.Wait(); client.CloseIdleConnections() })
	s.t.Cleanup(u.stop)
	return u
}

// excess is how many of the canary's requests were hurt beyond the baseline's
// share.
func (u *users) excess(what map[string]*atomic.Int64) int64 {
	base := float64(u.sent["baseline"].Load())
	if base == 0 {
		return what["canary"].Load()
	}
	share := float64(what["baseline"].Load()) / base
	return int64(math.Round(float64(what["canary"].Load()) - share*float64(u.sent["canary"].Load())))
}

// gateReport is the part of the gate's document that these tests read.
type gateReport struct {
	Verdict string  `json:"verdict"`
	Reason  string  `json:"reason"`
	After   float64 `json:"decided_after_seconds"`
	Hurt    int64   `json:"hurt"`
	Metrics []struct {
		Name     string `json:"name"`
		Gate     string `json:"gate"`
		Verdict  string `json:"verdict"`
		Baseline struct {
			N   int64 `json:"n"`
			Bad int64 `json:"bad"`
		} `json:"baseline"`
		Canary struct {
			N   int64 `json:"n"`
			Bad int64 `json:"bad"`
		} `json:"canary"`
		Why string `json:"why"`
	} `json:"metrics"`
	Problems []struct {
		Kind    string `json:"kind"`
		Message string `json:"message"`
	} `json:"problems"`
	Notes []string `json:"notes"`
}

// gate runs canary-gate on the shop's Prometheus.
func (s *shop) gate(t *testing.T, args ...string) gateReport {
	t.Helper()
	args = append([]string{"canary-gate", "--format", "json", "--prometheus", s.prometheus, "--interval", "1s",
		"--baseline-labels", `release="baseline"`, "--canary-labels", `release="canary"`}, args...)
	r := run(t, s.dir, nil, bin(t), args...)
	if !strings.HasPrefix(strings.TrimSpace(r.stdout), "{") {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return decode[gateReport](t, r.stdout)
}
