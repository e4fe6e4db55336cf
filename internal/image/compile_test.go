package image_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// Byte code is compiled once, the same each time, and only when asked for.
func TestBytecode(t *testing.T) {
	if _, err := exec.LookPath("python3.11"); err != nil {
		t.Skip("NOT TESTED: compiling for the base of the tests needs python3.11")
	}
	const site = "app/.venv/lib/python3.11/site-packages/"
	w := newWorld(t)
	out := filepath.Join(t.TempDir(), "oci")
	r := w.request()
	r.Platforms, r.Outputs = []string{"linux/amd64"}, []image.Output{{Kind: image.OutputOCI, Path: out}}
	plain := build(t, r, deps())
	r.Bytecode = image.BytecodeAuto
	first, second := build(t, r, deps()), build(t, r, deps())
	if first.Digest != second.Digest || first.Digest == plain.Digest {
		t.Errorf("digests %s, %s; without byte code %s", first.Digest, second.Digest, plain.Digest)
	}
	var from []string
	for _, l := range first.Layers {
		from = append(from, l.From)
	}
	if got := strings.Join(from, " "); got != "base venv wheels wheels wheels bytecode app" {
		t.Errorf("layers %s", got)
	}
	for i, l := range plain.Layers[:5] {
		if first.Layers[i].Digest != l.Digest {
			t.Errorf("layer %d, %s, is another with byte code", i, l.From)
		}
	}
	img, err := oci.ReadLayout(out, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	files := contents(t, img, 1)
	for _, name := range []string{site + "served/__pycache__/__init__.cpython-311.pyc", "app/__pycache__/shop.cpython-311.pyc"} {
		if code := files[name]; len(code) < 16 || code[4:8] != "\x01\x00\x00\x00" {
			t.Errorf("%s: %q", name, code)
		}
	}
}

func TestBytecodeNeedsACompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	w := newWorld(t)
	r := w.request()
	r.Platforms = []string{"linux/amd64"}
	plain := build(t, r, deps())
	r.Bytecode = image.BytecodeAuto
	res := build(t, r, deps())
	if res.Digest != plain.Digest || !strings.Contains(strings.Join(res.Notes, "\n"), "no byte code in the image: this machine has no CPython 3.11") {
		t.Errorf("digests %s and %s, notes %q", plain.Digest, res.Digest, res.Notes)
	}
}
