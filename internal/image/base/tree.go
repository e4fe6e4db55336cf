package base

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/image/layer"
)

// tree collects files of this machine for a layer, each at its own absolute
// path. Symbolic links on the way (/lib -> usr/lib) become part of the tree, so
// that every path resolves in the image as it does here.
type tree struct {
	entries map[string]layer.Entry
	// stamps say when files were last touched: what a cache goes by.
	stamps map[string]string
}

func newTree() *tree {
	return &tree{entries: map[string]layer.Entry{}, stamps: map[string]string{}}
}

// add takes in an existing file or folder (without its content) and returns the
// path of what is really there.
func (t *tree) add(name string) (string, error) {
	at := "/"
	todo := strings.Split(strings.Trim(filepath.Clean(name), "/"), "/")
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, part)
		info, err := os.Lstat(next)
		if err != nil {
			return "", fmt.Errorf("collecting the base: %w", err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			if err := t.put(next, info); err != nil {
				return "", err
			}
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("collecting the base: too many symbolic links in %q", name)
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", fmt.Errorf("collecting the base: %w", err)
		}
		t.entries[next] = layer.Symlink(next[1:], target)
		if filepath.IsAbs(target) {
			at = "/"
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return at, nil
}

// put takes in one file or folder, readable by everybody whatever its mode here.
func (t *tree) put(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		t.entries[name] = layer.Dir(name[1:])
	case info.Mode().IsRegular():
		mode := fs.FileMode(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		t.stamps[name] = stamp(info)
		t.entries[name] = layer.Entry{Path: name[1:], Mode: mode, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(name) }}
	default:
		return fmt.Errorf("collecting the base: %q is neither file nor folder", name)
	}
	return nil
}

// addOptional is add for what may be missing.
func (t *tree) addOptional(names ...string) {
	for _, n := range names {
		// A part that is not on this machine is not in the image either.
		_, _ = t.add(n)
	}
}

// set places a made entry.
func (t *tree) set(e layer.Entry) { t.entries["/"+e.Path] = e }

// key names the tree's content for a cache on this machine.
func (t *tree) key() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(t.entries)) {
		e := t.entries[name]
		content := t.stamps[name]
		if content == "" && e.Open != nil { // made by us, and small
			if r, err := e.Open(); err == nil {
				raw, err := io.ReadAll(r)
				content = fmt.Sprintf("%q %v", raw, err)
				_ = r.Close()
			}
		}
		fmt.Fprintf(h, "%q %s %q %d %s\n", e.Path, e.Mode, e.Link, e.Size, content)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (t *tree) list() []layer.Entry {
	out := make([]layer.Entry, 0, len(t.entries))
	for _, e := range t.entries {
		out = append(out, e)
	}
	return out
}
