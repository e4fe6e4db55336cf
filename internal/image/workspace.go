package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// placed is a lock and the folder that its paths are relative to.
type placed struct {
	lock.Lock
	dir string
}

// settle finds the lock and the project: the context, or the member of a
// workspace or monorepo that it or --member names.
func (b *builder) settle() error {
	if err := b.findLock(); err != nil {
		return err
	}
	if err := b.findMember(); err != nil {
		return err
	}
	if b.project == b.Context {
		return nil
	}
	t, err := openTree(b.project)
	if err != nil {
		return err
	}
	b.tree.close()
	b.tree = t
	return nil
}

// findLock reads the lock that the request names, else the context's, else that
// of the workspace which the context is a member of.
func (b *builder) findLock() error {
	b.project = b.Context
	l, err := b.readLock(b.Lock)
	if err == nil || filepath.IsAbs(b.Lock) || !isDefault(b.Lock) || !errors.Is(err, fs.ErrNotExist) {
		b.lock = l
		return err
	}
	above, found := workspaceOf(b.Context)
	if !found {
		return err
	}
	if l, err = b.readLock(filepath.Join(above, "uv.lock")); err != nil {
		return err
	}
	rel, err := relative(above, b.Context)
	if err != nil {
		return err
	}
	m := memberAt(l, rel)
	if m == "" {
		return failure.New(failure.Usage, "its members are at: "+strings.Join(memberPaths(l), ", ")+"; add this one to [tool.uv.workspace], or give the project a lock of its own",
			"finding the lock: %q has none, and the workspace of %s has no member there", b.Context, filepath.Join(above, "uv.lock"))
	}
	b.lock, b.member = l, m
	return nil
}

// findMember settles which project of a workspace or monorepo is built.
func (b *builder) findMember() error {
	l := b.lock
	switch {
	case b.member != "":
		return nil // the context is one
	case b.Member == "":
		if len(l.Members) > 1 && memberAt(l, ".") == "" {
			return failure.New(failure.Usage, "name it by --member, or give its folder as the context: "+strings.Join(memberPaths(l), ", "),
				"%s: the workspace has %d members, and an image is of one", l.Path, len(l.Members))
		}
		return nil
	}
	if name := requirement.NormalizeName(b.Member); slices.Contains(l.Members, name) {
		b.member = name
	} else {
		b.member = memberAt(l, path.Clean(filepath.ToSlash(b.Member)))
	}
	where := b.Member
	switch {
	case b.member != "":
		where = memberPath(l, b.member)
	case len(l.Members) > 0:
		return failure.New(failure.Usage, "it has: "+strings.Join(memberPaths(l), ", "), "%s: the workspace has no member %q", l.Path, b.Member)
	}
	if !filepath.IsLocal(filepath.FromSlash(where)) {
		return failure.New(failure.Usage, "a member is a folder inside the context", "member %q is outside the context", where)
	}
	b.project = filepath.Join(l.dir, filepath.FromSlash(where))
	return nil
}

// memberAt is the name of the workspace's member in a folder, "" if none is.
func memberAt(l placed, rel string) string {
	for _, p := range l.Packages {
		if slices.Contains(l.Members, p.Name) && isTree(p) && path.Clean(p.Source.Path) == rel {
			return p.Name
		}
	}
	return ""
}

func memberPath(l placed, name string) string {
	for _, p := range l.Packages {
		if p.Name == name && isTree(p) {
			return path.Clean(p.Source.Path)
		}
	}
	return ""
}

func memberPaths(l placed) []string {
	var out []string
	for _, m := range l.Members {
		out = append(out, m+" ("+memberPath(l, m)+")")
	}
	return out
}

// isTree says whether a package is a folder beside the lock.
func isTree(p lock.Package) bool {
	switch p.Source.Kind {
	case lock.FromMember, lock.FromDirectory, lock.FromEditable:
		return true
	}
	return false
}

// workspaceOf is the nearest folder above dir that has a uv.lock, up to the
// repository's root.
func workspaceOf(dir string) (string, bool) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for at := abs; ; {
		if exists(filepath.Join(at, ".git")) || filepath.Dir(at) == at {
			return "", false
		}
		at = filepath.Dir(at)
		if exists(filepath.Join(at, "uv.lock")) {
			return at, true
		}
	}
}

// repositoryOf is the folder that holds .git, at dir or above, else dir itself.
func repositoryOf(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	for at := abs; ; at = filepath.Dir(at) {
		if exists(filepath.Join(at, ".git")) {
			return at
		}
		if filepath.Dir(at) == at {
			return abs
		}
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// relative is the path of a folder below another, with slashes.
func relative(from, to string) (string, error) {
	a, errA := filepath.Abs(from)
	b, errB := filepath.Abs(to)
	rel, err := filepath.Rel(a, b)
	if err := errors.Join(errA, errB, err); err != nil {
		return "", fmt.Errorf("finding the project in its workspace: %w", err)
	}
	return filepath.ToSlash(rel), nil
}
