package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
)

// maxFiles bounds what a context may hold.
const maxFiles = 200_000

// tree is a project's folder as far as it may enter an image. It reads through
// an os.Root, so that nothing outside the folder is ever opened.
type tree struct {
	root  *os.Root
	fsys  fs.FS
	files map[string]fs.FileInfo // regular files
	links map[string]string      // symbolic links that stay inside
	notes []string
}

func openTree(dir string) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, failure.New(failure.Usage, "name the project's folder", "opening the context: %w", err)
	}
	return &tree{root: root, fsys: root.FS(), files: map[string]fs.FileInfo{}, links: map[string]string{}}, nil
}

func (t *tree) close() { _ = t.root.Close() }

// scan lists everything that is not ignored. Empty folders do not count: git
// does not know them, and a clone must give the same image.
func (t *tree) scan() error {
	rules, err := newIgnorer(t.fsys)
	if err != nil {
		return err
	}
	return fs.WalkDir(t.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return failure.New(failure.Usage, "", "reading the context: %w", err)
		}
		if name == "." {
			return rules.enter(name)
		}
		if never(t.fsys, name, d.IsDir()) {
			return skipDir(d.IsDir())
		}
		ignored, err := rules.ignores(name, d.IsDir())
		switch {
		case err != nil:
			return err
		case ignored && (!d.IsDir() || rules.prune()):
			return skipDir(d.IsDir())
		case d.IsDir():
			return rules.enter(name)
		}
		return t.take(name, d)
	})
}

func skipDir(dir bool) error {
	if dir {
		return fs.SkipDir
	}
	return nil
}

func (t *tree) take(name string, d fs.DirEntry) error {
	if len(t.files) >= maxFiles {
		return failure.New(failure.Usage, "list what is not needed in .dockerignore", "reading the context: more than %d files", maxFiles)
	}
	switch {
	case d.Type().IsRegular():
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("reading the context: %w", err)
		}
		t.files[name] = info
	case d.Type()&fs.ModeSymlink != 0:
		target, err := t.root.Readlink(name)
		if err != nil {
			return fmt.Errorf("reading the context: %w", err)
		}
		if to := path.Join(path.Dir(name), target); path.IsAbs(target) || to == ".." || strings.HasPrefix(to, "../") {
			return failure.New(failure.Usage, "copy what it points to into the project, or list it in .dockerignore",
				"reading the context: symbolic link %q points outside the context, to %q", name, target)
		}
		t.links[name] = target
	default:
		t.notes = append(t.notes, fmt.Sprintf("%q is neither file, folder nor symbolic link: left out", name))
	}
	return nil
}

// entry is a file of the tree at a place in the image. Of its mode only the
// owner's executable bit counts, as in git.
func (t *tree) entry(name, dest string) layer.Entry {
	mode := fs.FileMode(0o644)
	if t.Executable(name) {
		mode = 0o755
	}
	return layer.Entry{Path: dest, Mode: mode, Size: t.files[name].Size(), Open: func() (io.ReadCloser, error) { return t.root.Open(name) }}
}

// all is the whole tree below a folder of the image.
func (t *tree) all(dest string) []layer.Entry {
	var out []layer.Entry
	for name := range t.files {
		out = append(out, t.entry(name, path.Join(dest, name)))
	}
	for name, target := range t.links {
		out = append(out, layer.Symlink(path.Join(dest, name), target))
	}
	return out
}

// maxRead bounds a file that is read whole.
const maxRead = 1 << 30

// Names lists the regular files, for package project.
func (t *tree) Names() []string { return slices.Collect(maps.Keys(t.files)) }

// Executable says whether a file is one that can be run.
func (t *tree) Executable(name string) bool {
	info, ok := t.files[name]
	return ok && info.Mode()&0o100 != 0
}

// Read returns a file of the context, ignored or not; a missing one gives an
// error that Is fs.ErrNotExist.
func (t *tree) Read(name string) ([]byte, error) {
	f, err := t.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if err == nil && len(b) > maxRead {
		err = errors.New("larger than 1 GiB")
	}
	return b, err
}
