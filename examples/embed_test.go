package examples

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEmbeddedTreeIsTheFolder(t *testing.T) {
	embedded, _, err := Release(1)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir("hello", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "__pycache__" || d.Name() == ".pytest_cache" || d.Name() == ".venv" || strings.HasSuffix(d.Name(), ".egg-info") {
				return fs.SkipDir
			}
			return nil
		}
		rel := filepath.ToSlash(strings.TrimPrefix(path, "hello"+string(filepath.Separator)))
		seen[rel] = true
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := fs.ReadFile(embedded, rel)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not embedded as it stands: %v", rel, err)
		}
		return nil
	})
	if err != nil || len(seen) < 15 {
		t.Fatalf("%d files, %v", len(seen), err)
	}
}

func TestReleasesApply(t *testing.T) {
	for n := 1; n <= 3; n++ {
		if _, title, err := Release(n); err != nil || title == "" {
			t.Errorf("release %d: %q, %v", n, title, err)
		}
	}
	if _, _, err := Release(4); err == nil {
		t.Error("there is a release 4")
	}
	if _, err := MissingTemplate(); err != nil {
		t.Error(err)
	}
}
