//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// outcome is one release that was judged.
type outcome struct {
	name, what, want, verdict, memory, reason string
	after                                     float64
	sent, failed, slow                        int64
}

// The baseline itself is not perfect: half a percent of its requests fail, and
// two percent are slow.
var everyday = []string{"FAIL_SHARE=0.005", "SLOW_SHARE=0.02", "SLOW_MS=120"}

// TestCanaryReleases judges twenty releases, one after the other, as they would
// meet production: ten good ones, nine bad ones, and one that leaks memory. Then
// three full rollouts are watched and taken back where they are bad. It takes
// long, so that make e2e-canary alone runs it; the tables are written to
// FAIRLEAD_E2E_CANARY if that is a file's name.
func TestCanaryReleases(t *testing.T) {
	page := releasePage{to: os.Getenv("FAIRLEAD_E2E_CANARY"), rate: 100, began: time.Now()}
	if page.to == "" {
		t.Skip("NOT TESTED: twenty releases take half an hour; make e2e-canary runs them")
	}
	python := shopPython(t)
	t.Run("releases", func(t *testing.T) { judgeReleases(t, python, &page) })
	t.Run("rollouts", func(t *testing.T) {
		bakes(t, python, page.rate, func(o rollout) {
			page.rollouts = append(page.rollouts, o)
			page.write(t)
		})
	})
	t.Log("\n" + page.tables())
}

// judgeReleases judges each beside the baseline.
func judgeReleases(t *testing.T, python string, page *releasePage) {
	s := newShop(t, python)
	s.release(t, "baseline", everyday...)
	forever := `while :; do timeout --foreground -s KILL %s "$@"; sleep 1; done`
	for _, r := range []struct {
		name, what, want string
		shell            string
		env, args        []string
	}{
		{"same again", "the very same release", "pass", "", nil, nil},
		{"greeting", "another text", "pass", "", []string{"GREETING=Bonjour"}, nil},
		{"four workers", "one worker more", "pass", "", []string{"WEB_CONCURRENCY=4"}, nil},
		{"two workers", "one worker fewer", "pass", "", []string{"WEB_CONCURRENCY=2"}, nil},
		{"eight threads", "more threads", "pass", "", []string{"WEB_THREADS=8"}, nil},
		{"long greeting", "a page of 4 kB more", "pass", "", []string{"GREETING=" + strings.Repeat("Hello ", 700)}, nil},
		{"louder log", "logs every request", "pass", "", []string{"LOG_LEVEL=INFO"}, nil},
		{"fewer errors", "fixes half of the errors", "pass", "", []string{"FAIL_SHARE=0.0025"}, nil},
		{"fewer slow", "fixes most slow requests", "pass", "", []string{"SLOW_SHARE=0.005"}, nil},
		{"same once more", "the very same release", "pass", "", nil, nil},

		{"errors 3 %", "3 % of the requests fail instead of 0.5 %", "fail", "", []string{"FAIL_SHARE=0.03"}, nil},
		{"errors 10 %", "10 % fail", "fail", "", []string{"FAIL_SHARE=0.1"}, nil},
		{"errors 50 %", "half of them fail", "fail", "", []string{"FAIL_SHARE=0.5"}, nil},
		{"slow tail 10 %", "10 % take 120 ms instead of 2 %", "fail", "", []string{"SLOW_SHARE=0.1"}, nil},
		{"slow tail 800 ms", "the slow 2 % take 800 ms instead of 120", "fail", "", []string{"SLOW_MS=800"}, nil},
		{"all slower", "every request takes 40 ms more", "fail", "", []string{"SLOW_SHARE=1", "SLOW_MS=40"}, nil},
		{"workers crash", "3 % of the requests kill their worker", "fail", "", []string{"CRASH_SHARE=0.03"}, nil},
		{"crash loop", "the application dies every 8 seconds and is started again", "fail", fmt.Sprintf(forever, "8"), nil, nil},
		{"never starts", "a variable is missing: it dies at once, for ever", "fail", fmt.Sprintf(forever, "60"), []string{"SECRET_KEY="}, nil},

		{"memory leak", "keeps 40 kB of every request", "warn", "", []string{"LEAK_KB=40"}, []string{"--interval", "2s", "--min-duration", "6m", "--deadline", "8m"}},
	} {
		t.Run(r.name, func(t *testing.T) {
			stop := s.launch(t, "canary", r.shell, append(append([]string{}, everyday...), r.env...)...)
			defer stop()
			if r.name == "never starts" {
				time.Sleep(3 * time.Second)
			} else {
				s.answers(t, s.direct("canary")+"/healthz")
			}
			load := s.users(page.rate)
			args := append([]string{"--deadline", "6m", "--requests-metric", "haproxy_backend_http_responses_total", "--bad-labels", `code="5xx"`,
				"--latency-metric", "http_request_duration_seconds", "--gauge-metric", "memory=app_resident_memory_bytes",
				"--report", filepath.Join(t.TempDir(), "report.json")}, r.args...)
			got := s.gate(t, args...)
			load.stop()
			o := outcome{name: r.name, what: r.what, want: r.want, verdict: got.Verdict, reason: got.Reason, after: got.After,
				sent: load.sent["canary"].Load(), failed: load.excess(load.failed), slow: load.excess(load.slow)}
			for _, m := range got.Metrics {
				if m.Name == "memory" && m.Verdict == "fail" {
					o.memory = m.Why
				}
			}
			if o.verdict == "pass" && o.memory != "" {
				o.verdict = "warn"
			}
			page.releases = append(page.releases, o)
			t.Logf("%s after %.0f s, %d excess failed, %d excess slow of %d: %s %s", o.verdict, o.after, o.failed, o.slow, o.sent, o.reason, o.memory)
			for _, p := range got.Problems {
				t.Logf("problem: %s", p.Message)
			}
			page.write(t)
			if o.verdict != r.want {
				t.Errorf("%s, want %s: %s; %s; notes %q", o.verdict, r.want, o.reason, o.memory, got.Notes)
			}
		})
	}
}

// releasePage is what is written down.
type releasePage struct {
	to       string
	rate     int
	began    time.Time
	releases []outcome
	rollouts []rollout
}

// write writes the page where it is asked for, after every release.
func (p *releasePage) write(t *testing.T) {
	if !strings.HasSuffix(p.to, ".md") {
		return
	}
	load, err := os.ReadFile("/proc/loadavg")
	busy := strings.Fields(string(load))
	if err != nil || len(busy) < 3 {
		busy = []string{"?", "?", "?"}
	}
	text := "# canary-gate end to end\n\n" +
		"Written by `make e2e-canary`: gunicorn with three workers for each release, haproxy that gives each half of the traffic, a real Prometheus that scrapes " +
		"haproxy and the applications every 2 s, and users with a connection for every request. The gate asks Prometheus every second; failed requests are counted at " +
		"haproxy, response times by the applications' own histogram. Defaults otherwise: 1 % false alarms, 5 % wrong passes, less than +0.5 pp more errors to pass.\n\n" +
		p.tables() + fmt.Sprintf("\nThe run took %.0f minutes on a machine with %d cores; its load was %s at the end. Times are those of this one run.\n",
		time.Since(p.began).Minutes(), runtime.NumCPU(), busy[1])
	if err := os.WriteFile(p.to, []byte(text), 0o644); err != nil {
		t.Error(err)
	}
}

// judged is a verdict beside the one that is right.
func judged(verdict, want string) string {
	if verdict == want {
		return verdict
	}
	return verdict + " (**wrong**: " + want + " is right)"
}

func (p *releasePage) tables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| release | what it does | verdict | after | requests to the canary | failed beyond the baseline's share | slower than %d ms beyond it |\n|---|---|---|---|---|---|---|\n", slowMS)
	right := 0
	for _, o := range p.releases {
		if o.verdict == o.want {
			right++
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f s | %d | %d | %d |\n", o.name, o.what, judged(o.verdict, o.want), o.after, o.sent, o.failed, o.slow)
	}
	fmt.Fprintf(&b, "\n%d of %d verdicts are right. %d requests/s, half of them to the canary; the baseline fails 0.5 %% and is slow (120 ms) in 2 %%.\n", right, len(p.releases), p.rate)
	if len(p.rollouts) == 0 {
		return b.String()
	}
	b.WriteString("\n## After the rollout\n\n" +
		"`fairlead promote` gives a release all of the traffic (blue and green behind haproxy), and `canary-gate --bake` compares the time after with the one and a half to two and a half minutes before, for two and a half minutes; " +
		"`--on-fail` is `fairlead rollback`. A pass needs less than +1 pp more errors: evidence is divided by how much the rate used to vary, and the time is short. Before and after are no experiment: the report says so.\n\n" +
		"| release | what it does | verdict | after | what runs in the end | back after | requests served meanwhile | failed beyond the share before |\n|---|---|---|---|---|---|---|---|\n")
	for _, o := range p.rollouts {
		stays, back := "it stays", ""
		if o.back > 0 {
			stays, back = "the release before", fmt.Sprintf("%.0f s", o.back)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.0f s | %s | %s | %d | %d |\n", o.name, o.what, judged(o.verdict, o.want), o.after, stays, back, o.sent, o.failed)
	}
	return b.String()
}
