package base

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// python returns an interpreter for the tests of base host.
func pythonForTest(t *testing.T) string {
	t.Helper()
	p, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH; base host is not tested")
	}
	return p
}

func TestHostIsDeterministicAndKnowsItself(t *testing.T) {
	python := pythonForTest(t)
	ctx := context.Background()
	a, facts, err := Host(ctx, python, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for range 2 { // the second time from the cache
		b, _, err := Host(ctx, python, t.TempDir(), cache)
		if err != nil {
			t.Fatal(err)
		}
		if db, _ := b.Digest(); db.String() != digestOf(t, a) {
			t.Errorf("two runs differ: %s and %s", db, digestOf(t, a))
		}
	}
	p, err := probe(ctx, python)
	if err != nil {
		t.Fatal(err)
	}
	if facts.Interpreter != p.Executable || facts.Target.FullVersion != p.Version || facts.Target.Arch != ociArch[p.Machine] {
		t.Errorf("facts = %+v; the interpreter says %+v", facts, p)
	}
	if facts.Target.LibcVersion[0] == 0 {
		t.Errorf("no C library version: %+v", facts.Target)
	}
	size, _ := a.Size()
	layers, _ := a.Layers()
	n, _ := layers[0].Size()
	t.Logf("%s, layer %d kB, manifest %d bytes, notes %q", facts.Target, n/1000, size, facts.Notes)
}

func digestOf(t *testing.T, img v1.Image) string {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func TestModulesThatCannotBeLoadedAreLeftOut(t *testing.T) {
	python := pythonForTest(t)
	ctx := context.Background()
	p, err := probe(ctx, python)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLinker(ctx, p.Executable)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "broken.cpython-311.so"), []byte("no object"), 0o644); err != nil {
		t.Fatal(err)
	}
	tr := newTree()
	notes, err := addExtensions(tr, l, []string{dir})
	if err != nil || len(notes) != 1 || len(tr.entries) != 0 {
		t.Errorf("notes %q, %d entries, %v", notes, len(tr.entries), err)
	}
	if _, err := l.find("libdoesnotexist.so.9", object{}, nil); !errors.Is(err, errNoLibrary) {
		t.Errorf("finding an absent library = %v", err)
	}
}

func TestHostRefuses(t *testing.T) {
	for name, script := range map[string]string{
		"not there":     "",
		"not cpython":   "#!/bin/sh\necho '{\"Platform\":\"linux\",\"Implementation\":\"pypy\",\"Machine\":\"x86_64\"}'\n",
		"not linux":     "#!/bin/sh\necho '{\"Platform\":\"darwin\",\"Implementation\":\"cpython\",\"Machine\":\"arm64\"}'\n",
		"no sense":      "#!/bin/sh\necho hello\n",
		"fails to run":  "#!/bin/sh\necho broken >&2\nexit 3\n",
		"odd processor": "#!/bin/sh\necho '{\"Platform\":\"linux\",\"Implementation\":\"cpython\",\"Machine\":\"riscv64\"}'\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "python3")
			if script != "" {
				if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := Host(context.Background(), file, t.TempDir(), ""); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestLinksOnTheWayArePartOfTheTree(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "usr", "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "usr", "lib", "a"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"lib": "usr/lib", "deep": filepath.Join(dir, "lib", "a"), "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	tr := newTree()
	real, err := tr.add(filepath.Join(dir, "deep"))
	if err != nil || real != filepath.Join(dir, "usr", "lib", "a") {
		t.Errorf("add = %q, %v", real, err)
	}
	for _, want := range []string{"deep", "lib", "usr", "usr/lib", "usr/lib/a"} {
		e, ok := tr.entries[filepath.Join(dir, want)]
		if !ok {
			t.Errorf("%q is missing", want)
		}
		if e.Mode.IsRegular() && e.Mode != 0o644 || e.Mode.IsDir() && e.Mode.Perm() != 0o755 {
			t.Errorf("%q has mode %s: not everybody can read it", want, e.Mode)
		}
	}
	if _, err := tr.add(filepath.Join(dir, "loop")); err == nil {
		t.Error("a link to itself was followed")
	}
}
