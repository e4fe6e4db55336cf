package disk_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/disk"
)

// ways are the functions that replace a file.
func ways() map[string]func(string, fs.FileMode, func(io.Writer) error) error {
	return map[string]func(string, fs.FileMode, func(io.Writer) error) error{"Replace": disk.Replace, "Put": disk.Put}
}

// holds checks that a folder holds one file with a text, and nothing else.
func holds(t *testing.T, file, text string) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil || string(got) != text {
		t.Errorf("%s holds %.40q, %v; want %.40q", filepath.Base(file), got, err, text)
	}
	alone(t, file)
}

func alone(t *testing.T, file string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(file) {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestReplace(t *testing.T) {
	for name, replace := range ways() {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "a file")
			for _, c := range []struct {
				text     string
				mode, is fs.FileMode
			}{{"new", 0, 0o600}, {"longer than before", 0o644, 0o644}, {"short", 0o755, 0o755}, {"", 0, 0o600}} {
				if err := replace(file, c.mode, disk.Bytes([]byte(c.text))); err != nil {
					t.Fatal(err)
				}
				holds(t, file, c.text)
				if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode() != c.is {
					t.Errorf("its mode is %v, %v; want %v", info.Mode(), err, c.is)
				}
			}
			source := filepath.Join(t.TempDir(), "source")
			if err := os.WriteFile(source, []byte("copied"), 0o600); err != nil {
				t.Fatal(err)
			}
			in, err := os.Open(source)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if err := replace(file, 0, disk.From(in)); err != nil {
				t.Fatal(err)
			}
			holds(t, file, "copied")
		})
	}
}

// TestReplaceFails: after any error the old file is as it was, and nothing lies
// beside it.
func TestReplaceFails(t *testing.T) {
	for way, replace := range ways() {
		for name, write := range map[string]func(io.Writer) error{
			"at once": func(io.Writer) error { return syscall.ENOSPC },
			"half way": func(w io.Writer) error {
				if _, err := io.WriteString(w, "half of"); err != nil {
					return err
				}
				return syscall.ENOSPC
			},
			"at its source": disk.From(io.MultiReader(strings.NewReader("half of"), failing{})),
		} {
			t.Run(way+" "+name, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "file")
				if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
					t.Fatal(err)
				}
				err := replace(file, 0o600, write)
				if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), ".fairlead-") {
					t.Errorf("the error is %v", err)
				}
				holds(t, file, "old")
				if info, err := os.Stat(file); err == nil && runtime.GOOS != "windows" && info.Mode() != 0o640 {
					t.Errorf("its mode is %v", info.Mode())
				}
			})
		}
		t.Run(way+" panicking", func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			func() {
				defer func() { _ = recover() }()
				_ = replace(file, 0, func(io.Writer) error { panic("a defect") })
			}()
			holds(t, file, "old")
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestReplaceRefuses: what is no regular file is not replaced by one.
func TestReplaceRefuses(t *testing.T) {
	never := func(io.Writer) error { t.Error("something is written"); return nil }
	dir := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing", "file")
	for name, want := range map[string]string{dir: "no regular file", missing: "no such file"} {
		if runtime.GOOS == "windows" && name != dir {
			continue // other words
		}
		err := disk.Replace(name, 0, never)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), ".fairlead-") {
			t.Errorf("%s: %v; want %q", name, err, want)
		}
	}
	alone(t, dir)
}
