//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// node is Node 24, which runs actions; `make e2e` puts it beside the repository's caches.
func node(t *testing.T) string {
	t.Helper()
	p := filepath.Join(repo(t), ".cache", "node", "node_modules", ".bin", "node")
	if v := os.Getenv("FAIRLEAD_NODE"); v != "" {
		p = v
	}
	out, err := exec.Command(p, "--version").Output()
	if err != nil || !strings.HasPrefix(string(out), "v24.") {
		t.Skipf("NOT TESTED: no Node 24 at %s (make e2e installs it)", p)
	}
	return p
}

// releases is a download server as the bootstrap sees it.
type releases struct {
	*httptest.Server
	asset   []byte
	hits    atomic.Int32
	failing atomic.Bool
}

func serveReleases(t *testing.T, asset []byte) *releases {
	t.Helper()
	r := &releases{asset: asset}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.hits.Add(1)
		if q.Header.Get("Authorization") != "" {
			t.Error("the download sends credentials")
		}
		if r.failing.Load() || q.URL.Path != "/fairlead-ci/fairlead/releases/download/v9.9.9/asset.gz" {
			http.NotFound(w, q)
			return
		}
		_, _ = w.Write(r.asset)
	}))
	t.Cleanup(r.Close)
	return r
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gunzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkout is the action's own checkout, at a commit that vouches for asset.
func checkout(t *testing.T, asset []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "bootstrap"), os.DirFS(filepath.Join(repo(t), "bootstrap"))); err != nil {
		t.Fatal(err)
	}
	sum, inner := sha256.Sum256(asset), sha256.Sum256(gunzipped(t, asset))
	manifest, err := json.Marshal(map[string]any{"repository": "fairlead-ci/fairlead", "tag": "v9.9.9", "assets": map[string]any{
		runtime.GOOS + "/" + runtime.GOARCH: map[string]any{"name": "asset.gz", "sha256": hex.EncodeToString(sum[:]), "size": len(asset), "binary": hex.EncodeToString(inner[:])}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bootstrap", "release.json"), manifest, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// step starts a step of a job as the runner does.
func step(t *testing.T, node, checkout, tool, jobDir string, env ...string) *exec.Cmd {
	t.Helper()
	for _, d := range []string{"temp", "tools", "work"} {
		if err := os.MkdirAll(filepath.Join(jobDir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	output := filepath.Join(jobDir, "output")
	summary := filepath.Join(jobDir, "summary")
	for _, f := range []string{output, summary} {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, node, filepath.Join(checkout, "bootstrap", tool+".js"))
	cmd.Dir = filepath.Join(jobDir, "work")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GITHUB_ACTIONS=true", "GITHUB_OUTPUT=" + output, "GITHUB_STEP_SUMMARY=" + summary,
		"RUNNER_TEMP=" + filepath.Join(jobDir, "temp"), "RUNNER_TOOL_CACHE=" + filepath.Join(jobDir, "tools")}, env...)
	return cmd
}

func finish(t *testing.T, cmd *exec.Cmd) (string, int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestBootstrapRelease(t *testing.T) {
	n := node(t)
	binary, err := os.ReadFile(bin(t))
	if err != nil {
		t.Fatal(err)
	}
	asset := gzipped(t, binary)
	srv := serveReleases(t, asset)
	action, job := checkout(t, asset), t.TempDir()
	env := []string{"FAIRLEAD_MIRROR=" + srv.URL, "INPUT_PATH=" + example(t)}

	// The first step downloads, checks and runs.
	began := time.Now()
	out, code := finish(t, step(t, n, action, "pin-check", job, env...))
	first := time.Since(began)
	if code != 0 || !strings.Contains(out, "no findings in 19 subjects") || srv.hits.Load() != 1 {
		t.Fatalf("exit code %d, %d requests\n%s", code, srv.hits.Load(), out)
	}
	if o, _ := os.ReadFile(filepath.Join(job, "output")); !strings.Contains(string(o), "verdict<<") {
		t.Errorf("outputs: %s", o)
	}
	// Nothing of it stays but the tool cache.
	if left, _ := os.ReadDir(filepath.Join(job, "temp")); len(left) != 0 {
		t.Errorf("left in RUNNER_TEMP: %v", left)
	}

	// The second step of the job asks nobody.
	srv.failing.Store(true)
	began = time.Now()
	out, code = finish(t, step(t, n, action, "pin-check", job, env...))
	if code != 0 || srv.hits.Load() != 1 {
		t.Fatalf("second step: exit code %d, %d requests\n%s", code, srv.hits.Load(), out)
	}
	t.Logf("first step %v, second step %v (pin-check of the example included)", first.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	srv.failing.Store(false)

	// A poisoned tool cache is not used.
	cached := filepath.Join(job, "tools", "fairlead", "v9.9.9", runtime.GOARCH, "fairlead")
	if err := os.WriteFile(cached, []byte("#!/bin/sh\necho poisoned\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, code = finish(t, step(t, n, action, "pin-check", job, env...))
	if code != 0 || strings.Contains(out, "\npoisoned") || srv.hits.Load() != 2 {
		t.Fatalf("poisoned cache: exit code %d, %d requests\n%s", code, srv.hits.Load(), out)
	}

	// A tampered asset is the end: no start, no build, no second source.
	srv.asset = gzipped(t, []byte("#!/bin/sh\necho tampered\n"))
	out, code = finish(t, step(t, n, action, "pin-check", t.TempDir(), env...))
	if code != 1 || !strings.Contains(out, "::error") || !strings.Contains(out, "vouches for") || strings.Contains(out, "\ntampered") || strings.Contains(out, "building") {
		t.Errorf("tampered: exit code %d\n%s", code, out)
	}

	// Through a proxy, which is the only one that can reach the server.
	srv.asset = asset
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Method != http.MethodConnect || q.Host != "downloads.example:80" {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		there, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		go func() { _, _ = io.Copy(there, here); _ = there.Close() }()
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	defer proxy.Close()
	out, code = finish(t, step(t, n, action, "pin-check", t.TempDir(), "FAIRLEAD_MIRROR=http://downloads.example", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL, "INPUT_PATH="+example(t), "PATH="+withoutEngine(t)))
	if code != 0 || !strings.Contains(out, "no findings in 19 subjects") {
		t.Errorf("through a proxy: exit code %d\n%s", code, out)
	}
}

func TestBootstrapBuildsFromSource(t *testing.T) {
	n := node(t)
	need(t, "go")
	gone := "FAIRLEAD_MIRROR=http://127.0.0.1:1"
	modules := strings.TrimSpace(must(t, "", nil, "go", "env", "GOMODCACHE").stdout)
	builds := strings.TrimSpace(must(t, "", nil, "go", "env", "GOCACHE").stdout)
	env := []string{"INPUT_PATH=" + example(t), "GOMODCACHE=" + modules, "GOCACHE=" + builds, gone,
		// A job's variables must not reach the build.
		"GOFLAGS=-toolexec=/nonexistent/evil", "GOWORK=/nonexistent/go.work"}

	// The repository itself is a commit without a release.
	out, code := finish(t, step(t, n, repo(t), "pin-check", t.TempDir(), env...))
	if code != 0 || !strings.Contains(out, "no findings in 19 subjects") || !strings.Contains(out, "building from source") {
		t.Errorf("exit code %d\n%s", code, out)
	}

	// Neither a download nor Go: the three ways out.
	out, code = finish(t, step(t, n, checkout(t, gzipped(t, []byte("x"))), "pin-check", t.TempDir(), append(env, "PATH="+withoutEngine(t))...))
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"::error", "github.com", "FAIRLEAD_MIRROR", "setup-go", "go is not on PATH"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestBootstrapForwardsSignals: a cancelled job gives a tool some seconds, and
// the tool must hear of it.
func TestBootstrapForwardsSignals(t *testing.T) {
	n := node(t)
	job := t.TempDir()
	said := filepath.Join(job, "cleaned")
	tool := gzipped(t, []byte("#!/bin/sh\ntrap 'echo cleaned up > "+said+"; exit 42' INT TERM\necho ready\nwhile :; do sleep 0.05; done\n"))
	srv := serveReleases(t, tool)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		_ = os.Remove(said)
		cmd := step(t, n, checkout(t, tool), "promote", job, "FAIRLEAD_MIRROR="+srv.URL)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 64)
		if k, err := out.Read(buf); err != nil || !strings.Contains(string(buf[:k]), "ready") {
			t.Fatalf("%q, %v", buf[:k], err)
		}
		_ = cmd.Process.Signal(sig)
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 42 {
			t.Errorf("%v: exit code %d, want the tool's 42", sig, code)
		}
		if _, err := os.Stat(said); err != nil {
			t.Errorf("%v: the tool could not clean up: %v", sig, err)
		}
	}
	// A tool that dies of a signal gives 128+n.
	dies := gzipped(t, []byte("#!/bin/sh\nkill -9 $$\n"))
	srv.asset = dies
	if out, code := finish(t, step(t, n, checkout(t, dies), "promote", t.TempDir(), "FAIRLEAD_MIRROR="+srv.URL)); code != 137 {
		t.Errorf("exit code %d, want 137\n%s", code, out)
	}
}
