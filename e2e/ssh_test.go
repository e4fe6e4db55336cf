//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sshd is a server on loopback for the user of the tests.
type sshd struct {
	addr       string // 127.0.0.1:PORT
	user       string
	key, known string
}

func startSSHD(t *testing.T) sshd {
	t.Helper()
	bin, err := exec.LookPath("sshd")
	if err != nil {
		if bin = "/usr/sbin/sshd"; exec.Command("test", "-x", bin).Run() != nil {
			t.Skip("NOT TESTED: no sshd (make e2e installs it)")
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir, port := t.TempDir(), freePort(t)
	for _, name := range []string{"host", "user"} {
		must(t, dir, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, name))
	}
	conf := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\nMaxStartups 100\n", port, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-D", "-e", "-f", filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s := sshd{addr: fmt.Sprintf("127.0.0.1:%d", port), user: me.Username}
	for range 100 {
		if c, err := net.Dial("tcp", s.addr); err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	key, err := os.ReadFile(filepath.Join(dir, "user"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(dir, "host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.key, s.known = string(key), fmt.Sprintf("[127.0.0.1]:%d %s", port, public)
	return s
}

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
	s := startSSHD(t)
	p := newPlatform(t)
	p.secrets["DEPLOY_KEY"], p.secrets["KNOWN_HOSTS"] = s.key, s.known
	staging, production := startHost(t, "staging"), startHost(t, "production")
	target := func(h remoteHost) string { return fmt.Sprintf("container ssh://%s@%s%s", s.user, s.addr, h.socket) }
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
