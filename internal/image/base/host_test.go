package base

import (
	"context"
	"os/exec"
	"testing"
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
	a, facts, err := Host(ctx, python, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := Host(ctx, python, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	da, _ := a.Digest()
	db, _ := b.Digest()
	if da != db {
		t.Errorf("two runs differ: %s and %s", da, db)
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
