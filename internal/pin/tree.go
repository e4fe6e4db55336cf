package pin

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// errLeaves is why a path is not read: nothing outside the tree is.
var errLeaves = errors.New("a symbolic link on it leads out of the checked folder")

// tree is a file system whose symbolic links are followed only inside it.
type tree struct {
	fs.FS
	folders *sync.Map // of those that were resolved: what they are
}

func newTree(fsys fs.FS) tree { return tree{fsys, &sync.Map{}} }

// Open opens a file by the path that its links resolve to.
func (t tree) Open(name string) (fs.File, error) {
	real, err := t.resolve(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return t.FS.Open(real)
}

// Stat describes a file, that which a link leads to.
func (t tree) Stat(name string) (fs.FileInfo, error) {
	real, err := t.resolve(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return fs.Stat(t.FS, real)
}

// ReadPlain reads a file that is no link, where the file system has a short way
// of doing so.
func (t tree) ReadPlain(name string, most int64) ([]byte, error) {
	plain, ok := t.FS.(plainReader)
	if !ok || !fs.ValidPath(name) {
		return nil, errors.ErrUnsupported
	}
	links, _ := t.FS.(fs.ReadLinkFS)
	dir, err := t.folder(links, path.Dir(name))
	if err != nil {
		return nil, err
	}
	return plain.ReadPlain(path.Join(dir, path.Base(name)), most)
}

// plainReader is disk.FS.
type plainReader interface {
	ReadPlain(name string, most int64) ([]byte, error)
}

// folder is what a folder's path resolves to.
type folder struct {
	real string
	err  error
}

// resolve follows the links on a path. Folders are looked at once in a run.
func (t tree) resolve(name string) (string, error) {
	links, ok := t.FS.(fs.ReadLinkFS)
	if !ok || name == "." {
		return name, nil // a file system that knows no links
	}
	dir, err := t.folder(links, path.Dir(name))
	if err != nil {
		return "", err
	}
	return follow(links, dir, path.Base(name))
}

// folder is a folder without links on its path.
func (t tree) folder(links fs.ReadLinkFS, dir string) (string, error) {
	if dir == "." || links == nil {
		return dir, nil
	}
	known, ok := t.folders.Load(dir)
	if !ok {
		var f folder
		f.real, f.err = follow(links, ".", dir)
		known, _ = t.folders.LoadOrStore(dir, f)
	}
	f := known.(folder)
	return f.real, f.err
}

// follow resolves rest below a folder without links, one component after the
// other.
func follow(links fs.ReadLinkFS, done, rest string) (string, error) {
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
