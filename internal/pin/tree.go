package pin

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// errLeaves is why a path is not read: nothing outside the tree is.
var errLeaves = errors.New("a symbolic link on it leads out of the checked folder")

// tree is a file system whose symbolic links are followed only inside it.
type tree struct{ fs.FS }

// Open opens a file by the path that its links resolve to.
func (t tree) Open(name string) (fs.File, error) {
	real, err := t.resolve(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return t.FS.Open(real)
}

// resolve follows the links on a path, one component after the other.
func (t tree) resolve(name string) (string, error) {
	links, ok := t.FS.(fs.ReadLinkFS)
	if !ok || name == "." {
		return name, nil // a file system that knows no links
	}
	done, rest := ".", name
	for hops := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		next := path.Join(done, part)
		if !fs.ValidPath(next) {
			return "", errLeaves
		}
		info, err := links.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		target, err := links.ReadLink(next)
		if err != nil {
			return "", err
		}
		if hops++; hops > 40 {
			return "", errors.New("too many symbolic links")
		}
		if path.IsAbs(target) {
			return "", errLeaves
		}
		// The target's own parts may be links: start again with them.
		whole := path.Join(done, target)
		if !fs.ValidPath(whole) {
			return "", errLeaves
		}
		done, rest = ".", path.Join(whole, rest)
	}
	return done, nil
}
