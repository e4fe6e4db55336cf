//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/tunnel/tunneltest"
)

// remoteHost is a machine with podman behind ssh: a service with a storage of its own.
type remoteHost struct {
	socket string
	global []string // podman's arguments that select its storage
}

func startHost(t *testing.T, name string) remoteHost {
	t.Helper()
	dir := t.TempDir()
	// A socket's path has room for 100 characters only.
	short, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	h := remoteHost{socket: filepath.Join(short, "s"), global: []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(short, "run")}}
	cmd := exec.Command("podman", append(h.global, "system", "service", "--time=0", "unix://"+h.socket)...)
	cmd.Env = append(os.Environ(), "CONTAINERS_CONF="+filepath.Join(repo(t), "containers.conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		removeContainers(t, h.global...)
		run(t, "", nil, "podman", append(h.global, "rmi", "-a", "-f")...)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = exec.Command("sh", "-c", "umount "+filepath.Join(dir, "root", "overlay")+" 2>/dev/null; rm -rf "+short+" "+dir).Run()
	})
	for range 100 {
		if _, err := os.Stat(h.socket); err == nil {
			return h
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("podman's service on %s did not come up", name)
	return h
}

// TestPipelineOverSSH is the same chain with staging and production on hosts of
// their own, which the thrown-away runner reaches over ssh alone.
func TestPipelineOverSSH(t *testing.T) {
	podmanPorts(t)
	s := tunneltest.Start(t)
	p := newPlatform(t)
	p.secrets["DEPLOY_KEY"], p.secrets["KNOWN_HOSTS"] = s.Key, s.KnownHosts
	staging, production := startHost(t, "staging"), startHost(t, "production")
	target := func(h remoteHost) string { return "container " + s.URL() + h.socket }
	p.ship(t, target(staging), target(production), func(t *testing.T) string {
		var names strings.Builder
		for _, h := range []remoteHost{staging, production} {
			names.WriteString(must(t, "", nil, "podman", append(h.global, "ps", "--filter", "label=dev.fairlead.service=shop", "--format", "{{.Names}}")...).stdout)
		}
		return names.String()
	})
	if here := run(t, "", nil, "podman", "ps", "-aq", "--filter", "label=dev.fairlead.service=shop").stdout; here != "" {
		t.Errorf("containers on the runner: %s", here)
	}
}
