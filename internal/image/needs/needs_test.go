package needs_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/needs"
	"github.com/fairlead-ci/fairlead/internal/python/tags"
)

func layerOf(t testing.TB, files map[string]string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func on(python [2]int, full, libc string, version [2]int, libs ...string) needs.Base {
	b := needs.Base{Facts: base.Facts{Target: tags.Target{Python: python, FullVersion: full, Arch: "amd64", Libc: libc, LibcVersion: version}}, Libraries: base.Libraries{}}
	for _, l := range libs {
		b.Libraries[l] = true
	}
	return b
}

func TestNeeds(t *testing.T) {
	so, err := os.ReadFile("testdata/needs.so")
	if err != nil {
		t.Fatal(err)
	}
	n, err := needs.Read([]v1.Layer{
		layerOf(t, map[string]string{
			"app/.venv/lib/python3.11/site-packages/_x.so":                       string(so),
			"app/.venv/lib/python3.11/site-packages/broken.so":                   "\x7fELF" + strings.Repeat("broken", 100),
			"app/.venv/lib/python3.11/site-packages/x-1.0.dist-info/WHEEL":       "Wheel-Version: 1.0\r\nTag: cp311-cp311-manylinux_2_28_x86_64\r\nTag: cp311.cp312-abi3-manylinux_2_17_x86_64\r\n",
			"app/.venv/lib/python3.11/site-packages/x-1.0.dist-info/METADATA":    "Name: x\nRequires-Python: >=3.11.3\n\nRequires-Python: <3\n",
			"app/.venv/lib/python3.11/site-packages/odd-2.0.dist-info/WHEEL":     "Tag: cp311-cp311-linux_riscv64\n",
			"app/.venv/lib/python3.11/site-packages/pure-3.0.dist-info/WHEEL":    "Tag: py3-none-any\n",
			"app/.venv/lib/python3.11/site-packages/not.dist-info.d/sub/WHEEL":   "Tag: nothing\n",
			"app/.venv/lib/python3.11/site-packages/pure-3.0.dist-info/METADATA": "Requires-Python: all of them\n",
		}),
		layerOf(t, map[string]string{"app/.venv/lib/python3.11/site-packages/x.libs/libown.so.1": "\x7fELF"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := n.Wheels["x-1.0.dist-info"]; len(w.Tags) != 3 || w.RequiresPython != ">=3.11.3" || len(n.Wheels) != 3 {
		t.Errorf("wheels: %+v", n.Wheels)
	}
	if n.Glibc != [2]int{2, 38} || len(n.Libraries) != 2 || n.Libraries["libpq.so.5"] == "" {
		t.Errorf("glibc %v, libraries %v", n.Glibc, n.Libraries)
	}
	old := on([2]int{3, 11}, "3.11.9", "glibc", [2]int{2, 41}, "libc.so.6", "libpq.so.5", "libother.so.1")
	for name, c := range map[string]struct {
		to   needs.Base
		want []string // parts of the reasons, in order
	}{
		"the same":         {old, nil},
		"newer":            {on([2]int{3, 11}, "3.11.12", "glibc", [2]int{2, 45}, "libc.so.6", "libpq.so.5"), nil},
		"no libpq":         {on([2]int{3, 11}, "3.11.12", "glibc", [2]int{2, 41}, "libc.so.6"), []string{"_x.so needs libpq.so.5, which it does not have"}},
		"old glibc":        {on([2]int{3, 11}, "3.11.12", "glibc", [2]int{2, 36}, "libc.so.6", "libpq.so.5"), []string{"_x.so needs glibc 2.38, it has 2.36"}},
		"very old glibc":   {on([2]int{3, 11}, "3.11.12", "glibc", [2]int{2, 12}, "libc.so.6", "libpq.so.5"), []string{"x-1.0 is built for cp311-cp311-manylinux_2_28_x86_64", "needs glibc 2.38"}},
		"older patch":      {on([2]int{3, 11}, "3.11.2", "glibc", [2]int{2, 41}, "libc.so.6", "libpq.so.5"), []string{"x-1.0 needs Python >=3.11.3, it has 3.11.2"}},
		"another Python":   {on([2]int{3, 12}, "3.12.2", "musl", [2]int{1, 2}), []string{"it has CPython 3.12", "its C library is musl"}},
		"unknown patch":    {on([2]int{3, 11}, "", "glibc", [2]int{2, 41}, "libc.so.6", "libpq.so.5"), nil},
		"nothing of it is": {on([2]int{3, 11}, "3.11.9", "glibc", [2]int{2, 41}), []string{"needs libc.so.6", "needs libpq.so.5"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := n.Hinders(old, c.to)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.want) || slices.ContainsFunc(c.want, func(w string) bool {
				return !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, w) })
			}) {
				t.Errorf("reasons %q, want %q", got, c.want)
			}
		})
	}
	threaded := old
	threaded.Facts.Target.FreeThreaded = true
	if got, err := n.Hinders(old, threaded); err != nil || len(got) != 1 || !strings.Contains(got[0], "3.11 (free-threaded)") {
		t.Errorf("free-threaded: %q, %v", got, err)
	}
}

func FuzzRead(f *testing.F) {
	so, err := os.ReadFile("testdata/needs.so")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.so", string(so))
	f.Add("x.dist-info/WHEEL", "Tag: a.b-c.d-e.f\n")
	f.Add("x.dist-info/METADATA", "Requires-Python: >=3\n")
	f.Fuzz(func(t *testing.T, name, text string) {
		if name == "" || strings.ContainsRune(name, 0) {
			return
		}
		n, err := needs.Read([]v1.Layer{layerOf(t, map[string]string{name: text})})
		if err != nil {
			return
		}
		b := on([2]int{3, 11}, "3.11.9", "glibc", [2]int{2, 41})
		if _, err := n.Hinders(b, b); err != nil {
			t.Error(err)
		}
	})
}
