//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/examples"
)

type buildDocument struct {
	Verdict   string `json:"verdict"`
	Digest    string `json:"digest"`
	Published bool   `json:"published"`
	Platforms []struct {
		Platform, Digest string
		Tested           bool
	} `json:"platforms"`
	Layers []struct {
		Digest string `json:"digest"`
		DiffID string `json:"diff_id"`
	} `json:"layers"`
}

// dockerRegistry runs Debian's registry on loopback.
func dockerRegistry(t *testing.T, env ...string) string {
	t.Helper()
	need(t, "docker-registry")
	dir, port := t.TempDir(), freePort(t)
	conf := filepath.Join(dir, "config.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: 127.0.0.1:%d}\n", filepath.Join(dir, "data"), port)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("docker-registry", "serve", conf)
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	get(t, "http://"+addr+"/v2/", "")
	return addr
}

// pushBase makes an image of a root file system and pushes it.
func pushBase(t *testing.T, tar, arch, ref string) {
	t.Helper()
	podmanWorks(t)
	name := "localhost/fairlead-e2e-base-" + arch + ":1"
	must(t, "", nil, "podman", "import", "-q", "--arch", arch, "--os", "linux", tar, name)
	t.Cleanup(func() { _ = exec.Command("podman", "rmi", "-f", name).Run() })
	must(t, "", nil, "podman", "push", "-q", "--tls-verify=false", name, ref)
}

func TestDebianRegistryAndForeignPlatform(t *testing.T) {
	need(t, "skopeo", "podman", "docker-registry")
	addr := dockerRegistry(t)
	pushBase(t, baseTar(t, "amd64"), "amd64", addr+"/base:amd64")

	// A base on Debian, tested with podman, pushed to Debian's registry.
	r := must(t, repo(t), nil, bin(t), "build-image", "examples/hello", "--base", addr+"/base:amd64", "--image", addr+"/hello", "--tags", "e2e", "--push", "--format", "json",
		"--test", "pytest -q -p no:cacheprovider", "--test-requirements", "requirements-test.txt")
	d := decode[buildDocument](t, r.stdout)
	if !d.Published || !d.Platforms[0].Tested {
		t.Fatalf("document: %s", r.stdout)
	}
	in := must(t, "", nil, "skopeo", "inspect", "--tls-verify=false", "docker://"+addr+"/hello@"+d.Digest).stdout
	if !strings.Contains(in, d.Digest) || !strings.Contains(in, `"Architecture": "amd64"`) {
		t.Errorf("skopeo says:\n%s", in)
	}
	ref := addr + "/hello@" + d.Digest
	must(t, "", nil, "podman", "pull", "-q", "--tls-verify=false", ref)
	t.Cleanup(func() { _ = exec.Command("podman", "rmi", "-f", ref).Run() })
	port := freePort(t)
	id := strings.TrimSpace(must(t, "", nil, "podman", "run", "-d", "--read-only", "--tmpfs", "/tmp", "--network", "host", "-e", "SECRET_KEY=e2e", "-e", fmt.Sprintf("PORT=%d", port), ref).stdout)
	t.Cleanup(func() { _ = exec.Command("podman", "rm", "-f", "-t", "1", id).Run() })
	get(t, fmt.Sprintf("http://127.0.0.1:%d/greet/e2e", port), "Hello, e2e!")

	// What is missing stops the boot, and says so.
	if r := run(t, "", nil, "podman", "run", "--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", ref); r.code == 0 || !strings.Contains(r.stderr, "SECRET_KEY is required") {
		t.Errorf("without SECRET_KEY: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	// Another architecture, on a base that this machine could not run.
	pushBase(t, baseTar(t, "arm64"), "arm64", addr+"/base:arm64")
	r = must(t, repo(t), nil, bin(t), "build-image", "examples/hello", "--base", addr+"/base:arm64", "--platforms", "linux/arm64", "--image", addr+"/hello", "--tags", "arm", "--push", "--format", "json")
	d = decode[buildDocument](t, r.stdout)
	in = must(t, "", nil, "skopeo", "inspect", "--tls-verify=false", "--override-arch", "arm64", "docker://"+addr+"/hello@"+d.Digest).stdout
	if !strings.Contains(in, `"Architecture": "arm64"`) {
		t.Errorf("skopeo says:\n%s", in)
	}
}

// TestMissingTemplate is the commonest hole: green in the checkout, broken when installed.
func TestMissingTemplate(t *testing.T) {
	need(t, "python3")
	tree, err := examples.MissingTemplate()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "hello")
	if err := os.CopyFS(dir, tree); err != nil {
		t.Fatal(err)
	}
	venv := filepath.Join(t.TempDir(), "venv")
	must(t, dir, nil, "python3", "-m", "venv", venv)
	must(t, dir, nil, filepath.Join(venv, "bin", "pip"), "install", "-q", "--require-hashes", "--only-binary", ":all:", "-r", "requirements.txt", "-r", "requirements-test.txt")
	must(t, dir, nil, filepath.Join(venv, "bin", "pytest"), "-q", "-p", "no:cacheprovider")

	out := filepath.Join(t.TempDir(), "layout")
	r := run(t, dir, nil, bin(t), "build-image", ".", "--base", "host", "--output", "oci:"+out, "--test", "pytest -q -p no:cacheprovider", "--test-requirements", "requirements-test.txt", "--format", "json")
	if r.code != 1 {
		t.Fatalf("exit code %d, want 1\n%s%s", r.code, r.stdout, r.stderr)
	}
	if d := decode[buildDocument](t, r.stdout); d.Verdict != "fail" || d.Published {
		t.Errorf("document: %s", r.stdout)
	}
	if !strings.Contains(r.stderr+r.stdout, "basket.html") {
		t.Errorf("the missing template is not named:\n%s", r.stderr)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written although the tests failed")
	}
}

func TestPinCheck(t *testing.T) {
	dir := example(t)
	must(t, dir, nil, bin(t), "pin-check", ".")
	f, err := os.OpenFile(filepath.Join(dir, "requirements.txt"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("requests>=2\n"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	r := run(t, dir, nil, bin(t), "pin-check", ".")
	if r.code != 1 || !strings.Contains(r.stdout, "requirements.txt:") || !strings.Contains(r.stdout, ":1  error  python/not-pinned") {
		t.Errorf("exit code %d\n%s", r.code, r.stdout)
	}
}
