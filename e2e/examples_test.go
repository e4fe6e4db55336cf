//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shipped builds an example on a Debian base, with its tests, and returns the
// published reference.
func shipped(t *testing.T, registry, name string, more ...string) string {
	t.Helper()
	app := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(app, os.DirFS(filepath.Join(repo(t), "examples", name))); err != nil {
		t.Fatal(err)
	}
	r := must(t, "", nil, bin(t), append([]string{"build-image", app, "--base", registry + "/python:3.11", "--tags", registry + "/" + name + ":1", "--outputs", "registry", "--format", "json"}, more...)...)
	d := decode[buildDocument](t, r.stdout)
	if !d.Published || !d.Platforms[0].Tested {
		t.Fatalf("not published, or not tested:\n%s", r.stdout)
	}
	ref := registry + "/" + name + "@" + d.Digest
	must(t, "", nil, "podman", "pull", "-q", "--tls-verify=false", ref)
	t.Cleanup(func() { _ = exec.Command("podman", "rmi", "-f", ref).Run() })
	return ref
}

// started runs an image as an operator would: nothing writable but /tmp.
func started(t *testing.T, args ...string) string {
	t.Helper()
	id := strings.TrimSpace(must(t, "", nil, "podman", append([]string{"run", "-d", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all"}, args...)...).stdout)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(run(t, "", nil, "podman", "logs", id))
		}
		_ = exec.Command("podman", "rm", "-f", "-t", "1", id).Run()
	})
	return id
}

// stopped sends SIGTERM to the container's first process, which must end by
// itself: a shell in between would swallow it.
func stopped(t *testing.T, id string) string {
	t.Helper()
	begin := time.Now()
	must(t, "", nil, "podman", "stop", "-t", "30", id)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %s to stop", took)
	}
	if code := strings.TrimSpace(must(t, "", nil, "podman", "inspect", "--format", "{{.State.ExitCode}}", id).stdout); code != "0" {
		t.Errorf("it was killed: exit code %s", code)
	}
	r := must(t, "", nil, "podman", "logs", id)
	return r.stdout + r.stderr
}

// TestExamplesServe builds the Flask, FastAPI and Django examples and uses them.
func TestExamplesServe(t *testing.T) {
	need(t, "podman", "docker-registry", "skopeo")
	registry := dockerRegistry(t)
	pushBase(t, baseTar(t, "amd64"), "amd64", registry+"/python:3.11")

	t.Run("flask", func(t *testing.T) {
		ref := shipped(t, registry, "hello", "--test", "pytest -q -p no:cacheprovider")
		port := freePort(t)
		id := started(t, "--network", "host", "-e", "SECRET_KEY=e2e", "-e", fmt.Sprintf("PORT=%d", port), ref)
		get(t, fmt.Sprintf("http://127.0.0.1:%d/greet/e2e", port), "Hello, e2e!")
		get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port), "# HELP")
		if log := stopped(t, id); !strings.Contains(log, "Shutting down") {
			t.Errorf("log:\n%s", log)
		}
	})

	t.Run("fastapi", func(t *testing.T) {
		ref := shipped(t, registry, "fastapi")
		port := freePort(t)
		id := started(t, "--network", "host", "-e", "API_TOKEN=e2e", "-e", fmt.Sprintf("PORT=%d", port), ref)
		get(t, fmt.Sprintf("http://127.0.0.1:%d/healthz", port), "ok")
		if log := stopped(t, id); !strings.Contains(log, "notes: closed in good order") {
			t.Errorf("log:\n%s", log)
		}
		// Another process of the image, and a command that is none.
		if out := must(t, "", nil, "podman", "run", "--rm", "--network", "none", "--read-only", "-e", "API_TOKEN=x", ref, "show").stdout; out != "/healthz\n/notes/{name}\n" {
			t.Errorf("show: %q", out)
		}
		if out := must(t, "", nil, "podman", "run", "--rm", "--network", "none", "--read-only", ref, "python", "-c", "import os; print(os.getuid(), os.environ['PORT'])").stdout; out != "65532 8000\n" {
			t.Errorf("a command: %q", out)
		}
		if r := run(t, "", nil, "podman", "run", "--rm", "--network", "none", "--read-only", ref); r.code == 0 || !strings.Contains(r.stderr, "API_TOKEN is required") {
			t.Errorf("without API_TOKEN: exit code %d\n%s", r.code, r.stderr)
		}
		labels := must(t, "", nil, "podman", "inspect", "--format", "{{json .Config.Labels}}", ref).stdout
		if !strings.Contains(labels, `"dev.fairlead.process.web":"uvicorn --host 0.0.0.0 --port ${PORT:-8000} notes.main:app"`) {
			t.Errorf("labels %s", labels)
		}
	})

	t.Run("django", func(t *testing.T) {
		db := postgres(t, registry)
		ref := shipped(t, registry, "django", "--test-service", "postgres="+db)
		must(t, "", nil, "podman", "pull", "-q", "--tls-verify=false", db)
		// The database and everything that talks to it share one loopback.
		pg := started(t, "--network", "none", db)
		share := []string{"--network", "container:" + pg, "-e", "SECRET_KEY=e2e", "-e", "DATABASE_URL=postgres://postgres@127.0.0.1/postgres"}
		var release result
		for range 60 {
			release = run(t, "", nil, "podman", append(append([]string{"run", "--rm", "--read-only", "--tmpfs", "/tmp"}, share...), ref, "release")...)
			if release.code == 0 {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
		if release.code != 0 || !strings.Contains(release.stdout, "Applying orders.0001_initial... OK") {
			t.Fatalf("release: exit code %d\n%s%s", release.code, release.stdout, release.stderr)
		}
		id := started(t, append(share, "-e", "PORT=8123", ref)...)
		const ask = `
import time, urllib.request
for _ in range(100):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8123/orders/ann", b'[{"gift": true}]').read().decode())
        break
    except OSError:
        time.sleep(0.1)
`
		if out := must(t, "", nil, "podman", append(append([]string{"run", "--rm", "--read-only"}, share...), ref, "python", "-c", ask)...).stdout; !strings.Contains(out, `{"customer": "ann", "orders": 1, "gifts": 1}`) {
			t.Errorf("the application answers %q", out)
		}
		stopped(t, id)
	})
}
