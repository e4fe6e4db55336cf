// Package tunneltest starts an ssh server on loopback for tests.
package tunneltest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"
)

// Server is an sshd that lets the user of the tests in, and nobody else.
type Server struct {
	Addr string // 127.0.0.1:PORT
	User string
	// Key is the user's private key, KnownHosts the server's line of known_hosts(5).
	Key, KnownHosts string
}

// URL is the server's address as a target takes it.
func (s Server) URL() string { return "ssh://" + s.User + "@" + s.Addr }

// Start starts a server for the length of a test, which is skipped, loudly,
// where there is no sshd.
func Start(t *testing.T) Server {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd = "/usr/sbin/sshd"; exec.Command("test", "-x", sshd).Run() != nil {
			t.Skip("NOT TESTED: no sshd (apt-get install openssh-server; make e2e does)")
		}
	}
	if _, err := exec.LookPath("ssh"); err != nil {
		t.Skip("NOT TESTED: no ssh (apt-get install openssh-client)")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Skipf("NOT TESTED: sshd as root needs /run/sshd: %v", err)
		}
	}
	dir := t.TempDir()
	host, public := Keygen(t)
	key, allowed := Keygen(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	conf := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n"+
		"PermitRootLogin yes\nAllowStreamLocalForwarding yes\nMaxStartups 100\n", port, dir, dir)
	for name, text := range map[string]string{"conf": conf, "host": host, "user.pub": allowed} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s := Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), User: me.Username, Key: key, KnownHosts: fmt.Sprintf("[127.0.0.1]:%d %s", port, public)}
	for range 100 {
		if c, err := net.Dial("tcp", s.Addr); err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return s
}

// Keygen makes a key pair, as ssh writes the two.
func Keygen(t *testing.T) (private, public string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, text := range map[string]*string{path: &private, path + ".pub": &public} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		*text = string(b)
	}
	return private, public
}
