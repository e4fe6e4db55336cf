package tunnel

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/tunnel/tunneltest"
)

func TestTunnel(t *testing.T) {
	s := tunneltest.Start(t)
	// As an action's input has it: no last line break, Windows ends.
	tun, err := Open(t.Context(), Options{URL: s.URL(), Key: strings.ReplaceAll(strings.TrimSpace(s.Key), "\n", "\r\n"), KnownHosts: s.KnownHosts, Environ: os.Environ()})
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
	s := tunneltest.Start(t)
	stranger, public := tunneltest.Keygen(t)
	port := s.URL()[strings.LastIndex(s.URL(), ":")+1:]
	for _, c := range []struct {
		name string
		o    Options
		hint string
	}{
		{"another host key", Options{URL: s.URL(), Key: s.Key, KnownHosts: "[127.0.0.1]:" + port + " " + public}, "somebody stands in between"},
		{"unknown host", Options{URL: s.URL(), Key: s.Key, KnownHosts: "elsewhere " + public}, "ssh-known-hosts"},
		{"another key", Options{URL: s.URL(), Key: stranger, KnownHosts: s.KnownHosts}, "authorized_keys"},
		{"half a key", Options{URL: s.URL(), Key: s.Key[:120], KnownHosts: s.KnownHosts}, "whole private key"},
		{"nobody there", Options{URL: "ssh://127.0.0.1:1", Key: s.Key, KnownHosts: s.KnownHosts}, "does it listen"},
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
		if strings.Contains(err.Error(), s.Key[40:80]) {
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
