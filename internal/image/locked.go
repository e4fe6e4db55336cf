package image

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
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
	l, err := lock.Read(root.FS(), name, b.variable)
	return placed{Lock: l, dir: filepath.Join(dir, filepath.FromSlash(path.Dir(name)))}, err
}

// variable gives a requirements file the value of ${NAME}, as pip does, but none
// of the workflow's own credentials: whoever writes the file says where it goes.
func (b *builder) variable(name string) string {
	if b.deps.Getenv == nil || credential.MatchString(name) {
		return ""
	}
	return b.deps.Getenv(name)
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

// located makes the addresses of a lock's files complete: paths are relative to
// the lock, or to the local index that the lock names. Addresses with
// credentials are refused: whoever may write a lock would choose where they go.
func (b *builder) located(l placed, packages []lock.Package) ([]lock.Package, error) {
	out := slices.Clone(packages)
	for i := range out {
		p := &out[i]
		if p.Version == "" && (p.Source.Kind == lock.FromURL || p.Source.Kind == lock.FromPath) && len(p.Files) > 0 {
			if n, err := wheel.ParseName(p.Files[0].Name); err == nil {
				p.Version = n.Version
			}
		}
		p.Files = slices.Clone(p.Files)
		for k := range p.Files {
			f := &p.Files[k]
			if u, err := url.Parse(f.URL); err == nil && u.User != nil {
				return nil, failure.New(failure.Usage, "give credentials by netrc, or in the environment ("+index.Variable(u.Host, "PASSWORD")+"), and lock without them",
					"%s: the address of %s holds credentials", p.At(), p.Name)
			}
			if f.URL != "" && !strings.Contains(f.URL, "://") {
				f.URL, f.Path = "", f.URL
			}
			if f.URL != "" || f.Path == "" {
				continue
			}
			name := filepath.FromSlash(strings.TrimPrefix(f.Path, "file://"))
			if !filepath.IsAbs(name) {
				if p.Source.Kind == lock.FromIndex && !strings.Contains(p.Source.URL, "://") {
					name = filepath.Join(filepath.FromSlash(p.Source.URL), name) // a folder as an index (uv)
				}
				if !filepath.IsAbs(name) {
					name = filepath.Join(l.dir, name)
				}
			}
			if inside, err := relative(repositoryOf(l.dir), name); err != nil || inside == ".." || strings.HasPrefix(inside, "../") {
				return nil, failure.New(failure.Usage, "give the folder with --find-links", "%s: %s is %q, outside the repository", p.At(), p.Name, f.Path)
			}
			f.Path = name
			if !exists(name) {
				f.Path = "" // perhaps it is among the find-links
			}
		}
	}
	return out, nil
}
