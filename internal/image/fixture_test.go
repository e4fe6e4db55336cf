package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

func TestMain(m *testing.M) {
	if engine.InitMain(os.Args) {
		return
	}
	// Without make, too, containers start on machines where the defaults fail.
	if os.Getenv("CONTAINERS_CONF") == "" {
		if conf, err := filepath.Abs("../../containers.conf"); err == nil {
			_ = os.Setenv("CONTAINERS_CONF", conf)
		}
	}
	os.Exit(m.Run())
}

// world is a folder of wheels, a base for two platforms and a project.
type world struct {
	t       *testing.T
	wheels  string
	base    string
	context string
	sums    map[string]string // SHA-256 of the wheels, by file name
}

// wheels are the fixture's, by file name.
var wheels = sync.OnceValues(func() (order []wheeltest.Wheel, files map[string][]byte) {
	files = map[string][]byte{}
	for _, w := range fixture() {
		order, files[w.Filename()] = append(order, w), w.Build()
	}
	return order, files
})

// fixture: one pure wheel with a command, one large, one native.
func fixture() []wheeltest.Wheel {
	native := func(machine string) wheeltest.Wheel {
		return wheeltest.Wheel{Name: "speed", Version: "1.2", Tag: "cp311-cp311-manylinux_2_17_" + machine,
			Files: map[string]string{"speed/__init__.py": "", "speed/_c.cpython-311-" + machine + "-linux-gnu.so": "\x7fELF " + machine}}
	}
	big := make([]byte, 600<<10)
	state := uint32(1)
	for i := range big { // incompressible, and the same everywhere
		state = state*1664525 + 1013904223
		big[i] = byte(state >> 24)
	}
	return []wheeltest.Wheel{
		{Name: "served", Version: "2.0", Files: map[string]string{"served/__init__.py": "def main(): pass\n"}, EntryPoints: "[console_scripts]\nserved = served:main\n"},
		{Name: "Large.Thing", Version: "0.9", Files: map[string]string{"large_thing/data.bin": string(big)}},
		native("x86_64"), native("aarch64"),
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, wheels: t.TempDir(), base: filepath.Join(t.TempDir(), "base"), context: t.TempDir(), sums: map[string]string{}}
	var lock strings.Builder
	hashes := map[string][]string{}
	var order []string
	all, files := wheels()
	for _, f := range all {
		raw := files[f.Filename()]
		w.write(filepath.Join(w.wheels, f.Filename()), string(raw))
		sum := sha256.Sum256(raw)
		pin := f.Name + "==" + f.Version
		if hashes[pin] == nil {
			order = append(order, pin)
		}
		w.sums[f.Filename()] = hex.EncodeToString(sum[:])
		hashes[pin] = append(hashes[pin], "--hash=sha256:"+hex.EncodeToString(sum[:]))
	}
	for _, pin := range order {
		fmt.Fprintf(&lock, "%s \\\n    %s\n", pin, strings.Join(hashes[pin], " \\\n    "))
	}
	w.file("requirements.txt", lock.String())
	w.file("Procfile", "web: served --workers 2 shop:app\n")
	w.file("shop.py", "app = 1\n")
	w.file(".dockerignore", "*.md\nsecret*\n")
	w.file("README.md", "not in the image")
	w.file("__pycache__/shop.pyc", "never in an image")
	if err := oci.WriteLayout(w.base, baseIndex(t), ""); err != nil {
		t.Fatal(err)
	}
	return w
}

// add offers a further wheel and locks it.
func (w *world) add(f wheeltest.Wheel) {
	w.t.Helper()
	raw := f.Build()
	w.write(filepath.Join(w.wheels, f.Filename()), string(raw))
	sum := sha256.Sum256(raw)
	w.sums[f.Filename()] = hex.EncodeToString(sum[:])
	name := filepath.Join(w.context, "requirements.txt")
	lock, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(name, string(lock)+fmt.Sprintf("%s==%s --hash=sha256:%s\n", f.Name, f.Version, hex.EncodeToString(sum[:])))
}

// serve is an index that answers everything with one status.
func (w *world) serve(status int) index.Config {
	s := serve(w.t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
	return index.Config{IndexURL: s.URL + "/simple", Sleep: func(context.Context, time.Duration) error { return nil }}
}

func (w *world) file(name, content string) { w.write(filepath.Join(w.context, name), content) }

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) request() image.Request {
	return image.Request{
		Context: w.context, Base: "oci:" + w.base, Platforms: []string{"linux/arm64", "linux/amd64"},
		Index: index.Config{NoIndex: true, FindLinks: []string{w.wheels}},
	}
}

func deps() image.Deps {
	return image.Deps{
		Registry: oci.New(oci.Options{Keychain: anonymous{}, RetryDelay: time.Millisecond, Tries: 2}),
		Now:      func() time.Time { return time.Unix(1_700_000_000, 0) },
		Getenv:   func(string) string { return "" },
	}
}

type anonymous struct{}

// Resolve knows no credentials: tests must not read the user's.
func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// baseIndex is a base image for two platforms that says it holds CPython 3.11
// and glibc 2.36. Nothing in it runs.
func baseIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	var add []mutate.IndexAddendum
	for _, arch := range []string{"amd64", "arm64"} {
		triplet := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch] + "-linux-gnu"
		img := rootImage(t, arch, map[string]string{
			"usr/local/bin/python3.11":            "not really",
			"usr/lib/" + triplet + "/libc.so.6":   "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n",
			"usr/local/bin/python3 -> python3.11": "",
			"lib -> usr/lib":                      "",
		}, "PYTHON_VERSION=3.11.9", "PATH=/usr/local/bin:/usr/bin")
		add = append(add, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	return mutate.AppendManifests(empty.Index, add...)
}

// rootImage is an image of one layer; a name "a -> b" is a symbolic link.
func rootImage(t *testing.T, arch string, files map[string]string, env ...string) v1.Image {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	var names []string
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		h := &tar.Header{Name: n, Mode: 0o755, Size: int64(len(files[n])), Typeflag: tar.TypeReg}
		if from, to, ok := strings.Cut(n, " -> "); ok {
			h.Name, h.Linkname, h.Typeflag, h.Size = from, to, tar.TypeSymlink, 0
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(tw, files[n]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Config.Env = "linux", arch, env
	if img, err = mutate.ConfigFile(img, c); err != nil {
		t.Fatal(err)
	}
	return img
}

// build builds and fails the test on an error.
func build(t *testing.T, r image.Request, d image.Deps) *image.Result {
	t.Helper()
	res, err := image.Build(context.Background(), r, d)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// contents lists a platform's files with their contents, our layers only.
func contents(t *testing.T, img v1.Image, below int) map[string]string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, l := range layers[below:] {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			if h.Name == "stargz.index.json" || h.Name == ".no.prefetch.landmark" {
				continue // a layer's own (eStargz), in every layer
			}
			switch h.Typeflag {
			case tar.TypeReg:
				out[h.Name] = string(body)
			case tar.TypeSymlink:
				out[h.Name] = "-> " + h.Linkname
			}
		}
		_ = r.Close()
	}
	return out
}

// serve runs a server until the test ends, at a port that answers: on some
// machines a few do not, whoever listens.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	for tries := 0; ; tries++ {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err == nil {
			_ = c.Close()
			return s
		}
		if tries == 3 {
			t.Fatal(err)
		}
	}
}

// index serves the wheels as a package index that can misbehave.
func (w *world) index() (*registry.Trouble, index.Config) {
	mux := http.NewServeMux()
	mux.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(w.wheels))))
	mux.HandleFunc("/simple/{name}/", func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		all, _ := os.ReadDir(w.wheels)
		for _, e := range all {
			dist, _, _ := strings.Cut(e.Name(), "-")
			if strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(dist, "_", "-")), ".", "-") != req.PathValue("name") {
				continue
			}
			raw, _ := os.ReadFile(filepath.Join(w.wheels, e.Name()))
			sum := sha256.Sum256(raw)
			fmt.Fprintf(rw, "<a href=\"/files/%s#sha256=%x\">%s</a>\n", e.Name(), sum, e.Name())
		}
	})
	tr := &registry.Trouble{Next: mux}
	return tr, index.Config{IndexURL: serve(w.t, tr).URL + "/simple", HTTP: &http.Client{Timeout: 500 * time.Millisecond}, Sleep: func(context.Context, time.Duration) error { return nil }}
}
