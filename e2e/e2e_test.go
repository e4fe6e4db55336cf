//go:build e2e

// Package e2e proves the whole with real parts: the binary as users run it,
// podman, docker-registry, skopeo, buildah, git. `make e2e` sets them up.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/examples"
)

// repo is the repository's root.
func repo(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// bin is the binary under test.
func bin(t *testing.T) string {
	t.Helper()
	if b := os.Getenv("FAIRLEAD_BIN"); b != "" {
		return b
	}
	return filepath.Join(repo(t), "bin", "fairlead")
}

// authFile is a file without credentials: tests use none, and must not read
// those of whoever runs them.
func authFile(t *testing.T) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(p, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

type result struct {
	stdout, stderr string
	code           int
}

// run runs a program with an environment on top of ours.
func run(t *testing.T, dir string, env []string, name string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(repo(t), "containers.conf"), "REGISTRY_AUTH_FILE="+authFile(t)), env...)
	var out, errb bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errb
	err := cmd.Run()
	r := result{out.String(), errb.String(), cmd.ProcessState.ExitCode()}
	if err != nil && cmd.ProcessState == nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

// must runs a program that has to succeed.
func must(t *testing.T, dir string, env []string, name string, args ...string) result {
	t.Helper()
	r := run(t, dir, env, name, args...)
	if r.code != 0 {
		t.Fatalf("%s %s: exit code %d\n%s%s", name, strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// need skips a test, loudly, when a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("NOT TESTED: %s is not on PATH (make e2e installs it)", p)
		}
	}
}

// podmanWorks skips where podman does not work at all, as in some sandboxes.
func podmanWorks(t *testing.T) {
	t.Helper()
	need(t, "podman")
	if r := run(t, "", nil, "podman", "info"); r.code != 0 {
		t.Skipf("NOT TESTED: podman does not work here:\n%s", r.stderr)
	}
}

// podmanPorts skips where podman cannot publish a container's ports.
func podmanPorts(t *testing.T) {
	t.Helper()
	podmanWorks(t)
	if os.Geteuid() == 0 {
		return
	}
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("NOT TESTED: a plain user's podman has no network here: %v", err)
	}
	_ = f.Close()
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, text)
	}
	if dec.More() {
		t.Fatalf("more than one document on stdout:\n%s", text)
	}
	return v
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// get waits for a page.
func get(t *testing.T, url, want string) {
	t.Helper()
	var last string
	for range 100 {
		resp, err := http.Get(url)
		if err == nil {
			var b bytes.Buffer
			_, _ = b.ReadFrom(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == 200 && strings.Contains(b.String(), want) {
				return
			}
			last = fmt.Sprint(resp.Status, " ", b.String())
		} else {
			last = err.Error()
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s never answered %q; last: %s", url, want, last)
}

// example copies the example application.
func example(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "hello")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(repo(t), "examples", "hello"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// baseTar is a Debian root file system with Python, made once and kept.
func baseTar(t *testing.T, arch string) string {
	t.Helper()
	if p := os.Getenv("FAIRLEAD_E2E_BASE_TAR"); p != "" && arch == "amd64" {
		return p
	}
	args := []string{"--variant=essential", "--include=python3,ca-certificates"}
	if arch != "amd64" {
		// Nothing runs, so no emulation is needed; the packages are unpacked only.
		args = []string{"--variant=extract", "--include=python3-minimal,libpython3.11-stdlib,libpython3.11-minimal,python3.11-minimal,libc6,base-files,base-passwd", "--arch=" + arch}
	}
	return debianTar(t, "bookworm-"+arch, args...)
}

// debianTar is a root file system from Debian's packages, made once and kept. A
// name that begins with "trixie" is of that release, others of bookworm.
func debianTar(t *testing.T, name string, args ...string) string {
	t.Helper()
	need(t, "mmdebstrap")
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "fairlead-e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	tar := filepath.Join(dir, name+".tar")
	if _, err := os.Stat(tar); err == nil {
		return tar
	}
	tmp := tar + ".tmp.tar"
	suite := "bookworm"
	if strings.HasPrefix(name, "trixie") {
		suite = "trixie"
	}
	must(t, "", nil, "mmdebstrap", append(args, suite, tmp)...)
	if err := os.Rename(tmp, tar); err != nil {
		t.Fatal(err)
	}
	return tar
}

// writeExample puts a release of the example into a folder, over what is there,
// and returns its title.
func writeExample(t *testing.T, n int, dir string) string {
	t.Helper()
	app, title, err := examples.Release(n)
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(app, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(app, path)
		if err != nil {
			return err
		}
		return write(filepath.Join(dir, path), data)
	})
	if err != nil {
		t.Fatal(err)
	}
	return title
}
