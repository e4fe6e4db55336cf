package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/disk"
)

func TestFS(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.txt": "some text", "d/b.txt": "more", "empty": ""} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fsys := disk.New(dir)
	if err := fstest.TestFS(fsys, "a.txt", "d/b.txt", "empty"); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" {
		t.Skip("files are read by Open there")
	}
	if err := os.Symlink("a.txt", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	plain := fsys.(disk.FS)
	for name, want := range map[string]string{"a.txt": "some text", "d/b.txt": "more"} {
		if got, err := plain.ReadPlain(name, 100); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"link", "d", "empty", "missing", "../" + filepath.Base(dir) + "/a.txt", "/etc/hostname", "a.txt/x"} {
		if got, err := plain.ReadPlain(name, 100); !errors.Is(err, disk.ErrNotPlain) {
			t.Errorf("%s is read as %q, %v", name, got, err)
		}
	}
	if _, err := plain.ReadPlain("a.txt", 5); !errors.Is(err, disk.ErrNotPlain) {
		t.Errorf("a file larger than asked for: %v", err)
	}
}
