package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// readLock reads a lock of the context, or one outside it that the user named
// with an absolute path. Where the default is not there, the context's own lock
// of another tool is taken.
func (b *builder) readLock(name string) (lock.Lock, error) {
	if !filepath.IsAbs(name) {
		name = filepath.ToSlash(filepath.Clean(name))
		if name == defaultLock {
			if _, err := fs.Stat(b.tree.fsys, name); errors.Is(err, fs.ErrNotExist) {
				found, err := lock.Find(b.tree.fsys, ".")
				if err != nil {
					return lock.Lock{}, err
				}
				name = found
			}
		}
		return lock.Read(b.tree.fsys, name, b.deps.Getenv)
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return lock.Lock{}, failure.New(failure.Usage, "", "opening the lock's folder: %w", err)
	}
	defer func() { _ = root.Close() }()
	return lock.Read(root.FS(), filepath.Base(name), b.deps.Getenv)
}

// verifiable refuses packages that no hash ties to a wheel.
func verifiable(l lock.Lock, selected []lock.Package) error {
	var bad []string
	for _, p := range selected {
		if why := p.Unverifiable(); why != "" {
			bad = append(bad, fmt.Sprintf("%s: %s: %s", p.At(), p.Name, why))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return failure.New(failure.Usage, "lock an index's release of it, or build a wheel of it and give it with --find-links and its hash in the lock",
		"reading the lock %s: not every package is a wheel that a hash verifies:\n%s", l.Path, strings.Join(bad, "\n"))
}
