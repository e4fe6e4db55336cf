package image

import (
	"io/fs"
	"path"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// defaultTests are the test files and folders that are looked for.
var defaultTests = []string{"tests", "test", "conftest.py", "pytest.ini"}

// testFiles are the tests, below testDir. They are read whatever .dockerignore
// says: it keeps tests out of images, which is right, and this layer is none
// that is published. Folders are writable, because tests write beside
// themselves.
func (b *builder) testFiles() ([]layer.Entry, error) {
	include := b.Test.Include
	if include == nil {
		include = defaultTests
	}
	found := &tree{root: b.tree.root, fsys: b.tree.fsys, files: map[string]fs.FileInfo{}, links: map[string]string{}}
	for _, name := range include {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
		if !fs.ValidPath(name) {
			return nil, failure.New(failure.Usage, "name files and folders inside the context", "including test files: %q is not a path inside the context", name)
		}
		if _, err := fs.Stat(b.tree.fsys, name); err != nil {
			if b.Test.Include == nil {
				continue
			}
			return nil, failure.New(failure.Usage, "", "including test files: %w", err)
		}
		if err := found.scanAll(name); err != nil {
			return nil, err
		}
	}
	if len(found.files) == 0 {
		return nil, failure.New(failure.Usage, "name the test files with --test-include", "there are no tests: none of %s is in the context", strings.Join(include, ", "))
	}
	entries := found.all(testDir)
	dirs := map[string]bool{testDir: true}
	for _, e := range entries {
		for d := path.Dir(e.Path); d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	for d := range dirs {
		entries = append(entries, layer.Entry{Path: d, Mode: fs.ModeDir | 0o777})
	}
	return entries, nil
}

// scanAll takes everything below a path but what never enters an image.
func (t *tree) scanAll(from string) error {
	return fs.WalkDir(t.fsys, from, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return failure.New(failure.Usage, "", "reading the tests: %w", err)
		case name != "." && never(t.fsys, name, d.IsDir()):
			return skipDir(d.IsDir())
		case d.IsDir():
			return nil
		}
		return t.take(name, d)
	})
}

func sameVersion(a, b string) bool {
	va, errA := version.Parse(a)
	vb, errB := version.Parse(b)
	return errA == nil && errB == nil && va.Compare(vb) == 0
}
