package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// readLock reads a lock of the context, or one outside it that the user named
// with an absolute path. Where the default is not there, the context's own lock
// of another tool is taken.
func (b *builder) readLock(name string) (placed, error) {
	dir := b.Context
	if filepath.IsAbs(name) {
		dir, name = filepath.Split(name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return placed{}, failure.New(failure.Usage, "", "opening the lock's folder: %w", err)
	}
	defer func() { _ = root.Close() }()
	name = filepath.ToSlash(filepath.Clean(name))
	if isDefault(name) && dir == b.Context {
		if _, err := fs.Stat(root.FS(), name); errors.Is(err, fs.ErrNotExist) {
			if name, err = lock.Find(root.FS(), "."); err != nil {
				return placed{}, err
			}
		}
	}
	l, err := lock.Read(root.FS(), name, b.deps.Getenv)
	return placed{Lock: l, dir: filepath.Join(dir, filepath.FromSlash(path.Dir(name)))}, err
}

func isDefault(name string) bool { return filepath.ToSlash(filepath.Clean(name)) == defaultLock }

// verifiable refuses packages that no hash ties to a wheel.
func verifiable(l placed, selected []lock.Package) error {
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
