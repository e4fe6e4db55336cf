// Package layer turns lists of files into image layers. A layer is a pure
// function of its entries: names, kinds, modes, links and contents; nothing of
// the machine, the clock, the umask or the order of the list gets in.
package layer

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// Entry is one file, folder or symbolic link of a layer.
type Entry struct {
	// Path is slash-separated and relative to the image's root, without "./".
	Path string
	// Mode holds the kind (regular, fs.ModeDir or fs.ModeSymlink) and the
	// permissions; fs.ModeSticky is kept, setuid and setgid are refused.
	Mode fs.FileMode
	// Link is a symbolic link's target.
	Link string
	// Size is a regular file's length in bytes, which Open must deliver.
	Size int64
	// Open gives the contents; it is not needed for an empty file, nor with Raw.
	Open func() (io.ReadCloser, error)
	// Raw is where the contents stand in a wheel, compressed or not; the layer
	// takes them over as they are.
	Raw *wheel.Raw
	// SHA256, unless it is nil, is what the contents must have.
	SHA256 *[32]byte
}

// File is an entry with contents in memory; executable ones get mode 0755.
func File(name string, content []byte, executable bool) Entry {
	mode := fs.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	return Entry{Path: name, Mode: mode, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

// Dir is a folder that everybody may enter.
func Dir(name string) Entry { return Entry{Path: name, Mode: fs.ModeDir | 0o755} }

// Symlink is a symbolic link.
func Symlink(name, target string) Entry {
	return Entry{Path: name, Mode: fs.ModeSymlink | 0o777, Link: target}
}

// normalize sorts entries by path, adds missing parents and refuses what must
// not be in a layer: two entries of one path, paths that are absolute or climb,
// entries below something that is not a folder.
func normalize(entries []Entry) ([]Entry, error) {
	byPath := make(map[string]Entry, len(entries)+1)
	byPath[landmark] = File(landmark, []byte{landmarkContent}, false)
	byPath[tocName] = Entry{} // taken: it comes last
	for _, e := range entries {
		if !fs.ValidPath(e.Path) || e.Path == "." || strings.ContainsRune(e.Path, 0) {
			return nil, fmt.Errorf("building a layer: path %q is not a plain relative path", e.Path)
		}
		if !utf8.ValidString(e.Path) || !utf8.ValidString(e.Link) {
			return nil, fmt.Errorf("building a layer: the name of %q is not UTF-8", e.Path)
		}
		if _, twice := byPath[e.Path]; twice {
			return nil, fmt.Errorf("building a layer: path %q is there twice", e.Path)
		}
		if kind := e.Mode &^ (fs.ModePerm | fs.ModeSticky); kind != 0 && kind != fs.ModeDir && kind != fs.ModeSymlink {
			return nil, fmt.Errorf("building a layer: %q is neither file, folder nor symbolic link (%s)", e.Path, e.Mode)
		}
		byPath[e.Path] = e
	}
	for _, e := range entries {
		for dir := path.Dir(e.Path); dir != "."; dir = path.Dir(dir) {
			parent, ok := byPath[dir]
			if !ok {
				byPath[dir] = Dir(dir)
			} else if !parent.Mode.IsDir() {
				return nil, fmt.Errorf("building a layer: %q stands below %q, which is not a folder", e.Path, dir)
			}
		}
	}
	delete(byPath, tocName)
	// Folders sort as "name/", so that parents precede children and a folder's
	// content stays together.
	key := func(e Entry) string {
		if e.Mode.IsDir() {
			return e.Path + "/"
		}
		return e.Path
	}
	return slices.SortedFunc(maps.Values(byPath), func(a, b Entry) int { return strings.Compare(key(a), key(b)) }), nil
}
