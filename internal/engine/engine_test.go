package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestMain lets the test binary be a container's init, and its program.
func TestMain(m *testing.M) {
	if InitMain(os.Args) {
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "inside" {
		inside(os.Args[2:])
	}
	// Without make, too, containers start on machines where the defaults fail.
	if os.Getenv("CONTAINERS_CONF") == "" {
		if conf, err := filepath.Abs("../../containers.conf"); err == nil {
			_ = os.Setenv("CONTAINERS_CONF", conf)
		}
	}
	os.Exit(m.Run())
}

// inside is what runs in the containers of these tests.
func inside(args []string) {
	switch args[0] {
	case "say":
		fmt.Println(args[1])
	case "exit":
		os.Exit(7)
	case "whoami":
		fmt.Printf("%d:%d\n", os.Getuid(), os.Getgid())
	case "write":
		fmt.Println("root:", os.WriteFile("/x", nil, 0o600) == nil, "tmp:", os.WriteFile("/tmp/x", nil, 0o600) == nil)
	case "env":
		fmt.Println(os.Getenv("SECRET"), os.Getenv("OUTER") == "")
	case "network":
		_, err := (&http.Client{Timeout: time.Second}).Get("http://192.0.2.1:9/")
		fmt.Println(err != nil)
	case "serve":
		_ = http.ListenAndServe("0.0.0.0:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	case "proxy":
		fmt.Println(os.Getenv("HTTPS_PROXY"), os.Getenv("https_proxy"))
	case "sleep":
		time.Sleep(time.Minute)
	}
	os.Exit(0)
}

// image makes an image of this test binary, which must be static.
func image(t *testing.T) v1.Image {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(bin[:4096], []byte("ld-linux")) {
		t.Skip("the test binary is dynamic (run with CGO_ENABLED=0): it cannot run alone in an image")
	}
	return withFiles(t, map[string]string{"prog": string(bin), "etc/passwd": "app:x:65532:65532::/:\n"})
}

func withFiles(t *testing.T, files map[string]string) v1.Image {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777})
	for n, c := range files {
		_ = w.WriteHeader(&tar.Header{Name: n, Mode: 0o755, Size: int64(len(c))})
		_, _ = io.WriteString(w, c)
	}
	_ = w.Close()
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	cf, _ := img.ConfigFile()
	cf = cf.DeepCopy()
	cf.OS, cf.Architecture = "linux", runtime.GOARCH
	cf.Config.User, cf.Config.Entrypoint, cf.Config.Cmd = "app", []string{"/prog", "inside"}, []string{"say", "hello"}
	cf.Config.Env = []string{"PATH=/", "PORT=8000"}
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		t.Fatal(err)
	}
	return img
}

func engines(t *testing.T) map[string]Engine {
	t.Helper()
	out := map[string]Engine{}
	n, err := NewNamespaces(context.Background(), t.TempDir(), nil)
	if err != nil {
		t.Logf("NOT TESTED: %v", err)
	} else {
		t.Cleanup(func() { _ = n.Close() })
		out["namespaces"] = n
	}
	if path, err := exec.LookPath("podman"); err != nil {
		t.Log("NOT TESTED: podman is not on PATH")
	} else if c, err := NewCLI(context.Background(), path, "", os.Environ()); err != nil {
		t.Logf("NOT TESTED: podman does not work: %v", err)
	} else {
		out["podman"] = c
	}
	if len(out) == 0 {
		t.Skip("no engine works here")
	}
	return out
}

func TestEngines(t *testing.T) {
	img := image(t)
	t.Setenv("OUTER", "leaks")
	for name, e := range engines(t) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			ref, err := e.Load(ctx, img, "localhost/fairlead-engine-test")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.RemoveImage(context.Background(), ref) }()
			if _, err := os.Stat("/run"); name == "podman" && err == nil {
				// A trial run tells whether containers start at all on this machine.
				if code, err := e.Run(ctx, Spec{Image: ref}, io.Discard, io.Discard); err != nil || code != 0 {
					t.Skipf("podman cannot run containers here (code %d, %v)", code, err)
				}
			}
			for _, c := range []struct {
				name string
				spec Spec
				want string
				code int
			}{
				{"default command", Spec{}, "hello\n", 0},
				{"exit code", Spec{Command: []string{"/prog", "inside", "exit"}}, "", 7},
				{"user", Spec{Command: []string{"/prog", "inside", "whoami"}}, "65532:65532\n", 0},
				{"read-only", Spec{ReadOnly: true, Command: []string{"/prog", "inside", "write"}}, "root: false tmp: true\n", 0},
				{"environment", Spec{Env: map[string]string{"SECRET": "a b$c"}, Command: []string{"/prog", "inside", "env"}}, "a b$c true\n", 0},
				{"no network", Spec{Network: NetworkNone, Command: []string{"/prog", "inside", "network"}}, "true\n", 0},
			} {
				c.spec.Image = ref
				var out, errb bytes.Buffer
				code, err := e.Run(ctx, c.spec, &out, &errb)
				if err != nil || code != c.code || out.String() != c.want {
					t.Errorf("%s: code %d, %v, stdout %q, stderr %q; want %d, %q", c.name, code, err, out.String(), errb.String(), c.code, c.want)
				}
			}
			serve(ctx, t, e, ref)
			cancelled(t, e, ref)
		})
	}
}

func serve(ctx context.Context, t *testing.T, e Engine, ref string) {
	t.Helper()
	labels := map[string]string{"dev.fairlead.test": fmt.Sprint(time.Now().UnixNano())}
	k, err := e.Start(ctx, Spec{Image: ref, Labels: labels, ReadOnly: true, Publish: []Port{{HostIP: "127.0.0.1", Container: 8000}}, Command: []string{"/prog", "inside", "serve"}})
	if err != nil {
		t.Errorf("start: %v", err)
		return
	}
	defer func() { _ = e.Stop(context.Background(), k.ID, time.Second) }()
	var body []byte
	for range 100 {
		if resp, err := http.Get("http://" + k.Addresses[8000]); err == nil {
			body, _ = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if string(body) != "hello" {
		var logs bytes.Buffer
		_ = e.Logs(ctx, k.ID, 5, &logs)
		t.Errorf("served %q at %v; logs %q", body, k.Addresses, logs.String())
	}
	list, err := e.List(ctx, labels)
	if err != nil || len(list) != 1 || !list[0].Running || list[0].Addresses[8000] != k.Addresses[8000] {
		t.Errorf("list = %+v, %v", list, err)
	}
	for range 2 { // the second time it is unknown
		if err := e.Stop(ctx, k.ID, 100*time.Millisecond); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	if list, err := e.List(ctx, labels); err != nil || len(list) != 0 {
		t.Errorf("after stop: %+v, %v", list, err)
	}
}

func cancelled(t *testing.T, e Engine, ref string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	begin := time.Now()
	_, err := e.Run(ctx, Spec{Image: ref, Command: []string{"/prog", "inside", "sleep"}}, io.Discard, io.Discard)
	if err == nil || time.Since(begin) > 30*time.Second {
		t.Errorf("cancelled run: %v after %s", err, time.Since(begin))
	}
}

// TestExtractStaysInside has archives that try to write elsewhere.
func TestExtractStaysInside(t *testing.T) {
	for name, hs := range map[string][]tar.Header{
		"absolute":       {{Name: "/abs/x", Typeflag: tar.TypeReg}},
		"dots":           {{Name: "../../out", Typeflag: tar.TypeReg}},
		"through a link": {{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "../.."}, {Name: "link/out", Typeflag: tar.TypeReg}},
		"hard link":      {{Name: "h", Typeflag: tar.TypeLink, Linkname: "../../../etc/passwd"}},
		"device":         {{Name: "dev/sda", Typeflag: tar.TypeBlock, Devmajor: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			outer := t.TempDir()
			dir := outer + "/a/root"
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for _, h := range hs {
				_ = w.WriteHeader(&h)
			}
			_ = w.Close()
			l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
			if err != nil {
				t.Fatal(err)
			}
			img, _ := mutate.AppendLayers(empty.Image, l)
			t.Logf("extract: %v", extract(img, dir))
			for _, p := range []string{"/out", "/a/out", "/a/root/dev/sda"} {
				if _, err := os.Lstat(outer + p); err == nil {
					t.Errorf("%s was written", p)
				}
			}
			if data, err := os.ReadFile(dir + "/h"); err == nil && strings.Contains(string(data), "root:") {
				t.Error("the hard link reached the host's file")
			}
		})
	}
}

func TestRootlessNetwork(t *testing.T) {
	dir := t.TempDir()
	device := filepath.Join(dir, "tun")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uid    int
		device string
		ok     bool
	}{{0, filepath.Join(dir, "none"), true}, {1000, device, true}, {1000, filepath.Join(dir, "none"), false}} {
		if err := rootlessNetwork(c.uid, c.device); (err == nil) != c.ok {
			t.Errorf("uid %d, %s: %v", c.uid, filepath.Base(c.device), err)
		}
	}
}
