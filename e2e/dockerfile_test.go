//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerfile builds the Dockerfile in chroot isolation, on a Debian base that
// borrows this machine's Go and its module cache, and runs the result.
func TestDockerfile(t *testing.T) {
	need(t, "buildah", "go")
	podmanWorks(t)
	base := "localhost/fairlead-e2e-debian:1"
	must(t, "", nil, "podman", "import", "-q", baseTar(t, "amd64"), base)
	image := "localhost/fairlead-e2e-dockerfile:1"
	t.Cleanup(func() { _ = exec.Command("podman", "rmi", "-f", image, base).Run() })
	env := must(t, repo(t), nil, "go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").stdout
	dirs := strings.Fields(env)
	must(t, repo(t), nil, "buildah", "build", "--isolation", "chroot", "--pull=never", "-q",
		"--volume", dirs[0]+":/usr/local/go:ro", "--volume", dirs[1]+":/go/pkg/mod:O", "--volume", dirs[2]+":/go/cache:O",
		"--build-arg", "BUILDER_IMAGE="+base, "--build-arg", "FINAL_IMAGE="+base, "--build-arg", "GOPROXY=off",
		"-t", image, "-f", filepath.Join(repo(t), "Dockerfile"), repo(t))
	if v := must(t, "", nil, "podman", "run", "--rm", "--network", "none", image, "--version").stdout; !strings.HasPrefix(v, "0.") {
		t.Errorf("version %q", v)
	}
	in := must(t, "", nil, "podman", "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}}", image).stdout
	if !strings.Contains(in, "65532:65532") || !strings.Contains(in, "/usr/local/bin/fairlead") {
		t.Errorf("configuration: %s", in)
	}
	// Static: it needs no loader.
	ldd := run(t, "", nil, "podman", "run", "--rm", "--network", "none", "--entrypoint", "/usr/bin/ldd", image, "/usr/local/bin/fairlead")
	if !strings.Contains(ldd.stdout+ldd.stderr, "not a dynamic executable") {
		t.Errorf("ldd: %s%s", ldd.stdout, ldd.stderr)
	}
}
