package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// release is an application under load: every scrape finds more requests.
type release struct {
	mu    sync.Mutex
	good  int
	bad   int
	share int // of every thousand requests fail
	*httptest.Server
}

func newRelease(t *testing.T, share int) *release {
	t.Helper()
	r := &release{share: share}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.good += 1000 - r.share
		r.bad += r.share
		fmt.Fprintf(w, "# TYPE http_requests_total counter\nhttp_requests_total{status=\"200\"} %d\nhttp_requests_total{status=\"500\"} %d\nprocess_start_time_seconds 1000\n", r.good, r.bad)
	}))
	t.Cleanup(r.Close)
	return r
}

// fairlead runs a command line and returns its exit code and what it wrote.
func fairlead(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = Run(ctx, Env{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &err, Getenv: func(string) string { return "" }})
	return code, out.String(), err.String()
}

// hook is a program that notes the variables it was given.
func hook(t *testing.T, dir, name string) (command, notes string) {
	t.Helper()
	notes = filepath.Join(dir, name+".txt")
	script := filepath.Join(dir, name)
	text := "#!/bin/sh\necho \"$FAIRLEAD_WEIGHT/$FAIRLEAD_VERDICT\" >> " + notes + "\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return script, notes
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCanaryStepsAndHooks(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	shift, shifted := hook(t, dir, "shift")
	undo, undone := hook(t, dir, "undo")
	var logged string
	gate := func(share int) (int, string) {
		b, c := newRelease(t, 0), newRelease(t, share)
		code, out, errs := fairlead(t.Context(), "canary-gate", "--baseline", b.URL, "--canary", c.URL, "--interval", "20ms", "--deadline", "20s",
			"--step", "50", "--step-hook", shift, "--on-fail", undo, "--report", "r.json", "--html", "r.html", "--metric", "errors margin=1")
		t.Log(errs)
		logged = errs
		return code, out
	}
	if code, out := gate(0); code != 0 || read(t, shifted) != "50/\n" {
		t.Errorf("good: exit code %d, hook %q: %s", code, read(t, shifted), out)
	}
	if _, err := os.Stat(undone); err == nil {
		t.Error("a pass has undone something")
	}
	if code, out := gate(100); code != 1 || read(t, shifted) != "50/\n50/\n0/fail\n" || read(t, undone) != "/fail\n" {
		t.Errorf("bad: exit code %d, hooks %q, %q: %s", code, read(t, shifted), read(t, undone), out)
	}
	if !strings.Contains(logged, "what was to be run after a fail is run") {
		t.Errorf("the hooks run without a word: %s", logged)
	}
	for _, want := range []string{"<b>FAIL</b>", "Done: the canary gets no traffic any more", "Done: --on-fail was run"} {
		if page := read(t, "r.html"); !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	// The verdict follows from the report alone.
	for _, format := range []string{"text", "json"} {
		if code, out, _ := fairlead(t.Context(), "canary-gate", "--replay", "r.json", "--format", format); code != 1 || !strings.Contains(strings.ToLower(out), "fail") {
			t.Errorf("replay: exit code %d, %s", code, out)
		}
	}
	for args, want := range map[string]string{
		"--step 50":                      "--step needs a program",
		"--step 50,20 --step-hook true":  "steps are shares that rise",
		"--metric errors=1":              "name comes first",
		"--bake":                         "no time before",
		"--bake --before r.json --probe": "probes have none",
		"--bake --before r.json --step 5 --step-hook true": "exclude each other",
		"--bake --before gone.json":                        "no such file",
		"--bake --prometheus http://127.0.0.1:1 --canary-labels v=1 --rolled-out 2999-01-01T00:00:00Z": "lies in the future",
		"--bake --prometheus http://127.0.0.1:1 --canary-labels v=1 --alert-rule Web*":                 "--bake and --alert-rule exclude each other",
		"--gauge-metric queue=jobs": "--gauge-metric does nothing with this source",
		"--alert-rule Web*":         "--alert-rule does nothing with this source",
		"--tolerate 500 --margin 1": "a tolerance of 500 percentage points: there are 100 at most",
		"--report gone/r.json":      "--report: open gone/r.json: no such file or directory",
		"--html .":                  "--html: open .: is a directory",
		"--state gone/s.json":       "--state: open gone/s.json: no such file or directory",
		"calibrate":                 "no time before",
		"calibrate --before r.html": "reading canary-gate report",
		"--deadline 1ms":            "before the earliest possible pass",
	} {
		list := append([]string{"canary-gate"}, strings.Fields(args)...)
		if !strings.Contains(args, "calibrate") && !strings.Contains(args, "--prometheus") {
			list = append(list, "--canary", "http://127.0.0.1:1")
			if !strings.Contains(args, "--bake") {
				list = append(list, "--baseline", "http://127.0.0.1:2")
			}
		}
		if code, out, errs := fairlead(t.Context(), list...); code != 2 || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, want %q in:\n%s%s", args, code, want, out, errs)
		}
	}
}

// TestCanaryInterruptedHook: a run that is cut short while traffic is moved has
// no verdict, and says what the canary may have.
func TestCanaryInterruptedHook(t *testing.T) {
	b, c := newRelease(t, 0), newRelease(t, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	code, out, errs := fairlead(ctx, "canary-gate", "--baseline", b.URL, "--canary", c.URL, "--step", "5", "--step-hook", "sleep 20")
	for _, want := range []string{"interrupted; so far nothing was counted", "interrupted while the canary was being given 5 %", "keeps its 5 % of the traffic", "FAIRLEAD_WEIGHT=0 sleep 20"} {
		if code != 3 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, %q is missing in:\n%s%s", code, want, out, errs)
		}
	}
	// Interrupted before it has begun.
	cancel()
	if code, _, errs := fairlead(ctx, "canary-gate", "--prometheus", b.URL, "--baseline-labels", "a=1", "--canary-labels", "a=2"); code != 3 || !strings.Contains(errs, "interrupted: there is no verdict") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// TestCanaryNothingUndone: a fail without hooks says what is left to do.
func TestCanaryNothingUndone(t *testing.T) {
	b, c := newRelease(t, 0), newRelease(t, 100)
	code, out, errs := fairlead(t.Context(), "canary-gate", "--baseline", b.URL, "--canary", c.URL, "--interval", "20ms", "--deadline", "20s")
	if code != 1 || !strings.Contains(out, "next          nothing was undone: ") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if !strings.Contains(errs, "a look every 0.02 s, until there is a verdict or 20 s have passed") {
		t.Errorf("it does not say what it does: %s", errs)
	}
}

// TestCanaryState cancels a gate and runs it again.
func TestCanaryState(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	b, c := newRelease(t, 1), newRelease(t, 1)
	args := []string{"canary-gate", "--baseline", b.URL, "--canary", c.URL, "--interval", "20ms", "--min-duration", "700ms", "--deadline", "20s", "--state", "state.json", "--state-key", "sha256:1", "--report", "r.json"}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if code, out, errs := fairlead(ctx, args...); code != 3 || !strings.Contains(out, "interrupted") || strings.Contains(errs, "context") {
		t.Fatalf("cancelled: exit code %d: %s%s", code, out, errs)
	}
	var saved canary.Saved
	if err := json.Unmarshal([]byte(read(t, "state.json")), &saved); err != nil || len(saved.Report.Ticks) < 3 {
		t.Fatalf("%v, %d ticks", err, len(saved.Report.Ticks))
	}
	// About another canary it begins anew.
	other := append([]string{}, args...)
	for i, a := range other {
		if a == "sha256:1" {
			other[i] = "sha256:2"
		}
	}
	kept := read(t, "state.json")
	if code, _, errs := fairlead(t.Context(), other...); code != 0 || !strings.Contains(errs, "this one begins anew") {
		t.Errorf("another canary: exit code %d: %s", code, errs)
	}
	if strings.Contains(read(t, "r.json"), "another process goes on") {
		t.Error("the state of another canary was taken over")
	}
	if err := os.WriteFile("state.json", []byte(kept), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := fairlead(t.Context(), args...); code != 0 {
		t.Errorf("again: exit code %d: %s", code, errs)
	}
	if !strings.Contains(read(t, "r.json"), "another process goes on") {
		t.Error("it began anew")
	}
	if _, err := os.Stat("state.json"); err == nil {
		t.Error("a decided run leaves a state")
	}
	if err := os.WriteFile("state.json", []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := fairlead(t.Context(), args...); code != 2 || !strings.Contains(errs, "delete it to begin anew") {
		t.Errorf("broken state: exit code %d: %s", code, errs)
	}
}

// TestCanaryBake compares one release with its time before, and calibrates by it.
func TestCanaryBake(t *testing.T) {
	t.Chdir(t.TempDir())
	b, c := newRelease(t, 2), newRelease(t, 2)
	if code, out, errs := fairlead(t.Context(), "canary-gate", "--baseline", b.URL, "--canary", c.URL, "--interval", "20ms", "--min-duration", "700ms", "--deadline", "20s", "--report", "r.json"); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	for share, want := range map[int]int{2: 0, 50: 1} {
		code, out, errs := fairlead(t.Context(), "canary-gate", "--bake", "--before", "r.json", "--canary", newRelease(t, share).URL, "--interval", "20ms", "--deadline", "500ms")
		if code != want || !strings.Contains(out, "bake ") || !strings.Contains(out, "anything else that changed since counts, too") {
			t.Errorf("%d in a thousand: exit code %d: %s%s", share, code, out, errs)
		}
	}
	code, out, errs := fairlead(t.Context(), "canary-gate", "calibrate", "--before", "r.json")
	if code != 0 || !strings.Contains(out, "false alarms") {
		t.Errorf("calibrate: exit code %d: %s%s", code, out, errs)
	}
	if code, out, _ = fairlead(t.Context(), "canary-gate", "--preview", "--baseline", b.URL, "--canary", c.URL, "--interval", "20ms"); code != 0 || !strings.Contains(out, "passes after about") {
		t.Errorf("preview: exit code %d: %s", code, out)
	}
}

// TestCanaryProbes: what the settings file expects of answers decides.
func TestCanaryProbes(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	serve := func(page string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/cart" && r.Method == http.MethodPost {
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write([]byte(page))
			}
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	text := `[canary-gate]
probe = true
probe-rate = 200
interval = "100ms"
probe-path = ["/", """/cart method=POST body='{"sku": 5}' status=201 json=items.0.sku=5 within=2s"""]
baseline = "` + serve(`{"items": [{"sku": 5}]}`) + `"
canary = "` + serve(`{"items": []}`) + `"
`
	if err := os.WriteFile("fairlead.toml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := fairlead(t.Context(), "canary-gate", "--deadline", "10s")
	if code != 1 || !strings.Contains(out, "canary FAIL after") || !strings.Contains(out, "canary POST /cart: the body has no items.0.sku") {
		t.Errorf("code %d\n%s%s", code, out, stderr)
	}
}

// TestCanaryGaugeAskedFor: a reading that was asked for and is not there is told.
func TestCanaryGaugeAskedFor(t *testing.T) {
	c := &canaryGateCmd{}
	c.GaugeMetric = []string{"queue=celery_queue_length", "memory=rss"}
	p, err := c.plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Metrics {
		if (m.Name == "memory") != m.IfSeen && (m.Name == "memory" || m.Name == "queue") {
			t.Errorf("%s: only if seen %v", m.Name, m.IfSeen)
		}
	}
	if n := len(p.Metrics); p.Metrics[n-1].Name != "queue" {
		t.Errorf("%d metrics, no queue", n)
	}
}
