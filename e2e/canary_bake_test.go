//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// rollout is one full rollout that was watched afterwards.
type rollout struct {
	name, what, want, verdict, reason string
	after, back                       float64 // seconds to the verdict; to the release before, 0 if it stayed
	sent, failed                      int64
	runs                              string
}

const productionHaproxy = `
global
  maxconn 2000
  stats socket %s mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend users
  bind 127.0.0.1:%d
  default_backend production
backend production
  http-after-response set-header x-release baseline
  server one 127.0.0.1:%d
frontend stats
  bind 127.0.0.1:%d
  http-request use-service prometheus-exporter if { path /metrics }
`

const productionPrometheus = `
global:
  scrape_interval: 2s
  scrape_timeout: 2s
scrape_configs:
- job_name: shop
  static_configs:
  - targets: ["127.0.0.1:%d", "127.0.0.1:%d"]
    labels: {env: production}
- job_name: haproxy
  static_configs:
  - targets: ["127.0.0.1:%d"]
  metric_relabel_configs:
  - source_labels: [__name__, proxy]
    regex: haproxy_backend_.*;production
    target_label: env
    replacement: production
`

// production is a shop with one release at a time, which `fairlead promote` and
// `fairlead rollback` exchange through a command of the user's own.
type production struct {
	*shop
	settings, ledger string
	since            time.Time
}

// releases of the production, by the digits of their digests.
var productionReleases = map[string][]string{
	"1": everyday,
	"2": append([]string{"GREETING=Bonjour"}, everyday...),
	"3": append([]string{"GREETING=Hola"}, append(everyday, "FAIL_SHARE=0.03")...),
	"4": append([]string{"GREETING=Ciao"}, append(everyday, "SLOW_SHARE=0.1")...),
}

func productionDigest(n string) string { return "sha256:" + strings.Repeat(n, 64) }

func newProduction(t *testing.T, python string) *production {
	t.Helper()
	need(t, "git")
	p := &production{shop: shopParts(t, python)}
	p.settings, p.ledger = filepath.Join(p.dir, "production.json"), filepath.Join(p.dir, "ledger.git")
	must(t, "", nil, "git", "init", "-q", "--bare", p.ledger)
	socket := filepath.Join(p.dir, "haproxy.sock")
	releases := map[string]map[string]string{}
	for n, env := range productionReleases {
		releases[productionDigest(n)] = pairs(env)
	}
	example := filepath.Join(repo(t), "examples", "hello")
	settings, err := json.Marshal(map[string]any{
		"dir": p.dir, "socket": socket, "ports": []int{p.ports["baseline"], p.ports["canary"]}, "releases": releases,
		"program":     []string{filepath.Join(python, "bin", "gunicorn"), "--config", filepath.Join(example, "gunicorn.conf.py"), "--log-level", "critical"},
		"environment": pairs(p.appEnv(t)),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.write(t, "production.json", string(settings))
	t.Cleanup(func() {
		var state struct {
			Pid int `json:"pid"`
		}
		text, err := os.ReadFile(p.settings + ".state")
		if err == nil && json.Unmarshal(text, &state) == nil && state.Pid > 1 {
			_ = syscall.Kill(-state.Pid, syscall.SIGTERM)
		}
	})
	p.serve(t, fmt.Sprintf(productionHaproxy, socket, p.ports["front"], p.ports["baseline"], p.ports["stats"]),
		fmt.Sprintf(productionPrometheus, p.ports["baseline"], p.ports["canary"], p.ports["stats"]))
	return p
}

func pairs(env []string) map[string]string {
	out := map[string]string{}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		out[k] = v
	}
	return out
}

// target are the flags that name the ledger and the command.
func (p *production) target(t *testing.T, run string) []string {
	deploy := "python3 " + filepath.Join(repo(t), "e2e", "testdata", "canary", "deploy.py") + " " + p.settings
	return []string{"--ledger", p.ledger, "--service", "shop", "--run", run, "--actor", "ann", "--no-tags", "--target", "command", "--command", deploy, "--observe", deploy}
}

// promote brings a release into production, and remembers when.
func (p *production) promote(t *testing.T, n string) {
	t.Helper()
	p.since = time.Now()
	must(t, p.dir, nil, bin(t), append([]string{"promote", "registry.example/shop@" + productionDigest(n), "--to", "production"}, p.target(t, "release-"+n)...)...)
}

// bake watches what was rolled out; a fail rolls it back.
func (p *production) bake(t *testing.T, run string, args ...string) (gateReport, string) {
	t.Helper()
	back := strings.Join(append([]string{bin(t), "rollback", "--env", "production", "--reason", "'the bake failed'"}, quoted(p.target(t, run))...), " ")
	args = append([]string{"canary-gate", "--bake", "--format", "json", "--prometheus", p.prometheus, "--interval", "1s", "--canary-labels", `env="production"`,
		"--rolled-out", p.since.UTC().Format(time.RFC3339Nano), "--requests-metric", "haproxy_backend_http_responses_total", "--bad-labels", `code="5xx"`,
		"--latency-metric", "http_request_duration_seconds", "--on-fail", back}, args...)
	r := fairlead(t, p.dir, args...)
	if !strings.HasPrefix(strings.TrimSpace(r.stdout), "{") {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return decode[gateReport](t, r.stdout), r.stderr
}

func fairlead(t *testing.T, dir string, args ...string) result {
	return run(t, dir, nil, bin(t), args...)
}

func quoted(args []string) []string {
	var out []string
	for _, a := range args {
		out = append(out, "'"+a+"'")
	}
	return out
}

// runs is the release that the ledger says runs.
func (p *production) runs(t *testing.T) string {
	t.Helper()
	r := must(t, p.dir, nil, bin(t), "ledger", "show", "--env", "production", "--service", "shop", "--ledger", p.ledger, "--format", "json")
	doc := decode[struct {
		Entries []struct {
			Running struct {
				Digest string `json:"digest"`
			} `json:"running"`
		} `json:"entries"`
	}](t, r.stdout)
	if len(doc.Entries) != 1 || len(doc.Entries[0].Running.Digest) < 8 {
		t.Fatalf("ledger: %s", r.stdout)
	}
	return doc.Entries[0].Running.Digest[7:8]
}

// bakes rolls three releases out and watches each: a good one stays, one with
// errors and one with a slow tail are taken back by fairlead rollback.
func bakes(t *testing.T, python string, rate int, done func(rollout)) {
	p := newProduction(t, python)
	p.promote(t, "1")
	load := p.users(rate)
	time.Sleep(100 * time.Second)
	for _, c := range []struct {
		n, name, what, want, metric string
		before                      time.Duration
	}{
		{"2", "greeting", "another text", "pass", "", 95 * time.Second},
		{"3", "errors 3 %", "3 % of the requests fail instead of 0.5 %", "fail", "errors", 150 * time.Second},
		{"4", "slow tail 10 %", "10 % take 120 ms instead of 2 %", "fail", "latency", 80 * time.Second},
	} {
		t.Run("bake "+c.name, func(t *testing.T) {
			was := p.runs(t)
			base := share(load.failed["baseline"].Load(), load.sent["baseline"].Load())
			failed, sent := load.failed["baseline"].Load(), load.sent["baseline"].Load()
			p.promote(t, c.n)
			got, log := p.bake(t, "bake-"+c.n, "--deadline", "150s", "--history", c.before.String(), "--margin", "1")
			o := rollout{name: c.name, what: c.what, want: c.want, verdict: got.Verdict, reason: got.Reason, after: got.After, runs: p.runs(t)}
			o.sent = load.sent["baseline"].Load() - sent
			o.failed = int64(math.Round(float64(load.failed["baseline"].Load()-failed) - base*float64(o.sent)))
			if o.verdict == "fail" {
				o.back = time.Since(p.since).Seconds()
			}
			done(o)
			t.Logf("%s after %.0f s, %d excess failed of %d, runs %s: %s", o.verdict, o.after, o.failed, o.sent, o.runs, o.reason)
			for _, m := range got.Metrics {
				t.Logf("  %s %s: %s", m.Verdict, m.Name, m.Why)
			}
			for _, x := range got.Problems {
				t.Logf("  problem: %s", x.Message)
			}
			t.Logf("  notes: %q", got.Notes)
			if o.verdict != c.want {
				t.Fatalf("%s, want %s", o.verdict, c.want)
			}
			if !strings.Contains(o.reason, "compared with the time before the rollout") || strings.Contains(o.reason, "(baseline)") {
				t.Errorf("what the comparison can prove is not said: %s", o.reason)
			}
			if c.want == "pass" {
				if o.runs != c.n {
					t.Errorf("release %s runs after a pass", o.runs)
				}
				return
			}
			for _, m := range got.Metrics {
				if fails := m.Name == c.metric; fails != (m.Verdict == "fail") && m.Gate == "block" {
					t.Errorf("%s: %s (%s)", m.Name, m.Verdict, m.Why)
				}
			}
			if o.runs != was || !strings.Contains(log, "rollback production  done") {
				t.Errorf("release %s runs, want %s\n%s", o.runs, was, log)
			}
			phases, err := os.ReadFile(p.settings + ".log")
			if lines := strings.Split(strings.TrimSpace(string(phases)), "\n"); err != nil || lines[len(lines)-1] != "rollback "+productionDigest(was) {
				t.Errorf("the command was told %q, %v", lines, err)
			}
			get(t, p.front+"/", "Bonjour")
			// Whoever promotes again has to want it.
			again := fairlead(t, p.dir, append([]string{"promote", "registry.example/shop@" + productionDigest(c.n), "--to", "production"}, p.target(t, "again")...)...)
			if again.code != 1 || !strings.Contains(again.stdout, "held by ann") || !strings.Contains(again.stdout, "was taken back from production before") {
				t.Errorf("promoted again: exit code %d\n%s%s", again.code, again.stdout, again.stderr)
			}
			must(t, p.dir, nil, bin(t), "unhold", "--env", "production", "--reason", "mended", "--ledger", p.ledger, "--service", "shop", "--actor", "ann")
			if c.n != "4" {
				time.Sleep(85 * time.Second) // a calm time before for the next one
			}
		})
	}
	load.stop()
}

func share(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
