package bytecode

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func here(t *testing.T) *Compiler {
	t.Helper()
	for minor := 9; minor < 20; minor++ {
		if c, err := Find(t.Context(), [2]int{3, minor}, exec.LookPath); err == nil {
			return c
		}
	}
	t.Skip("NOT TESTED: there is no CPython to compile with")
	return nil
}

func source(name, text string) Source {
	return Source{Path: name, Size: int64(len(text)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

func TestCompile(t *testing.T) {
	c := here(t)
	files := []Source{
		source("app/m.py", "import sys\nraise SystemExit('run')\ndef f(a: int = 1, *, b={'x', 'y', 'z'}):\n    'doc'\n    return [a, 'x', 2.5, (1, 2, 'x')]\n"),
		source("app/broken.py", "def f(:\n"),
		source("app/null.py", "a = 1\x00"),
		source("app/empty.py", ""),
		source("app/deep.py", strings.Repeat("(", 5000)+strings.Repeat(")", 5000)),
		source("app/huge.py", strings.Repeat("#", maxSource+1)),
	}
	var first, second bytes.Buffer
	codes, differing, err := c.Compile(t.Context(), files, &first)
	if err != nil || len(differing) > 0 {
		t.Fatal(err, differing)
	}
	if len(codes) != 2 || codes[0].Path != "app/__pycache__/m."+c.Tag+".pyc" || codes[1].Offset != codes[0].Size || int(codes[1].Offset+codes[1].Size) != first.Len() {
		t.Fatalf("codes %+v of %d bytes", codes, first.Len())
	}
	// Unchecked, by the hash of the source (PEP 552).
	if head := first.Bytes()[4:8]; !bytes.Equal(head, []byte{1, 0, 0, 0}) {
		t.Errorf("flags %v", head)
	}
	if !bytes.Contains(first.Bytes(), []byte("/app/m.py")) {
		t.Error("the byte code does not know its place in the image")
	}
	if _, _, err := c.Compile(t.Context(), files, &second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("compiled twice, it differs (%v)", err)
	}
	// The interpreter takes it, without the source.
	dir := t.TempDir()
	code := filepath.Join(dir, "m.pyc")
	if err := os.WriteFile(code, first.Bytes()[:codes[0].Size], 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := exec.Command(c.Path, "-I", code).CombinedOutput()
	if string(out) != "run\n" {
		t.Errorf("running it: %q", out)
	}
}

// What the two processes do not agree on is left out.
func TestDisagreement(t *testing.T) {
	c := *here(t)
	dir := t.TempDir()
	script := "#!/bin/sh\nexec " + c.Path + " -I -c 'import sys, struct, os\nwhile h := sys.stdin.buffer.read(8):\n n, m = struct.unpack(\">II\", h)\n sys.stdin.buffer.read(n + m)\n b = str(os.getpid()).encode()\n sys.stdout.buffer.write(struct.pack(\">I\", len(b)) + b)\n sys.stdout.buffer.flush()'\n"
	c.Path = filepath.Join(dir, "python")
	if err := os.WriteFile(c.Path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	codes, differing, err := c.Compile(t.Context(), []Source{source("a.py", "")}, io.Discard)
	if err != nil || len(codes) != 0 || len(differing) != 1 {
		t.Errorf("%v, %v, %v", codes, differing, err)
	}
	if err := os.WriteFile(c.Path, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Compile(t.Context(), []Source{source("a.py", "")}, io.Discard); err == nil {
		t.Error("an interpreter that dies is no error")
	}
}

func TestFind(t *testing.T) {
	if _, err := Find(t.Context(), [2]int{3, 99}, exec.LookPath); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if _, err := Find(t.Context(), [2]int{3, 11}, func(string) (string, error) { return "/does/not/exist", nil }); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
