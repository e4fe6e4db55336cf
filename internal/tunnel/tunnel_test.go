package tunnel

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// server is an sshd on loopback that lets the user of the tests in.
type server struct {
	url, key, known string
	dir             string
}

func serve(t *testing.T) server {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		if sshd = "/usr/sbin/sshd"; exec.Command("test", "-x", sshd).Run() != nil {
			t.Skip("NOT TESTED: no sshd (apt-get install openssh-server)")
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
	keygen(t, filepath.Join(dir, "host"))
	keygen(t, filepath.Join(dir, "user"))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	conf := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\nAllowStreamLocalForwarding yes\n", port, dir, dir)
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sshd, "-D", "-e", "-f", filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	for range 100 {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return server{
		url: "ssh://" + me.Username + "@" + addr, dir: dir, key: read(t, filepath.Join(dir, "user")),
		known: fmt.Sprintf("[127.0.0.1]:%d %s", port, read(t, filepath.Join(dir, "host.pub"))),
	}
}

func keygen(t *testing.T, path string) {
	t.Helper()
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTunnel(t *testing.T) {
	s := serve(t)
	// As an action's input has it: no last line break, Windows ends.
	tun, err := Open(t.Context(), Options{URL: s.url, Key: strings.ReplaceAll(strings.TrimSpace(s.key), "\n", "\r\n"), KnownHosts: s.known, Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	dir := tun.dir
	out, err := tun.Output(t.Context(), "printf", "%s|%s", "it's", "$HOME `id`")
	if err != nil || out != "it's|$HOME `id`" {
		t.Errorf("Output = %q, %v", out, err)
	}
	if _, err := tun.Output(t.Context(), "false"); err == nil {
		t.Error("a command that fails: no error")
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "through") }))
	defer web.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: tun.DialContext}}
	for range 2 {
		resp, err := client.Get(web.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "through" {
			t.Errorf("body %q", body)
		}
	}
	client.CloseIdleConnections()
	info, err := os.Stat(filepath.Join(dir, "k"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info, err)
	}
	if err := tun.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there", dir)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	s := serve(t)
	other := t.TempDir()
	keygen(t, filepath.Join(other, "k"))
	stranger := read(t, filepath.Join(other, "k"))
	port := s.url[strings.LastIndex(s.url, ":")+1:]
	for _, c := range []struct {
		name string
		o    Options
		hint string
	}{
		{"another host key", Options{URL: s.url, Key: s.key, KnownHosts: "[127.0.0.1]:" + port + " " + read(t, filepath.Join(other, "k.pub"))}, "somebody stands in between"},
		{"unknown host", Options{URL: s.url, Key: s.key, KnownHosts: "elsewhere " + read(t, filepath.Join(other, "k.pub"))}, "ssh-known-hosts"},
		{"another key", Options{URL: s.url, Key: stranger, KnownHosts: s.known}, "authorized_keys"},
		{"half a key", Options{URL: s.url, Key: s.key[:120], KnownHosts: s.known}, "whole private key"},
		{"nobody there", Options{URL: "ssh://127.0.0.1:1", Key: s.key, KnownHosts: s.known}, "does it listen"},
	} {
		c.o.Environ = os.Environ()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		tun, err := Open(ctx, c.o)
		cancel()
		if err == nil {
			_ = tun.Close()
			t.Errorf("%s: no error", c.name)
			continue
		}
		if failure.CodeOf(err) != failure.Service || !strings.Contains(failure.HintOf(err), c.hint) {
			t.Errorf("%s: %v (%q, code %d)", c.name, err, failure.HintOf(err), failure.CodeOf(err))
		}
		if strings.Contains(err.Error(), s.key[40:80]) {
			t.Errorf("%s: the message holds the key", c.name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "fl-*", "k")); len(left) > 0 {
		t.Errorf("keys left behind: %v", left)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ url, dest, port, path string }{
		{"ssh://deploy@shop.example", "deploy@shop.example", "", ""},
		{"ssh://shop", "shop", "", ""},
		{"ssh://root@127.0.0.1:2222/run/podman/podman.sock", "root@127.0.0.1", "2222", "/run/podman/podman.sock"},
		{"ssh://root@[::1]:2222", "root@::1", "2222", ""},
	} {
		dest, port, path, err := Parse(c.url)
		if err != nil || dest != c.dest || port != c.port || path != c.path {
			t.Errorf("%s: %q %q %q %v", c.url, dest, port, path, err)
		}
	}
	for _, bad := range []string{"", "shop", "http://shop", "ssh://", "ssh://-oProxyCommand=x", "ssh://a:secret@shop", "ssh://-o@shop", "ssh://a b@shop", "ssh://shop?x=1", "ssh://$(id)@shop", "ssh://shop;id"} {
		_, _, _, err := Parse(bad)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
