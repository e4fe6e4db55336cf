package base

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Limits for what a stranger's image may make us read.
const (
	maxEntries  = 2_000_000
	maxCaptured = 16 << 20
	maxUnpacked = 64 << 30
	maxLinks    = 64 // symbolic links followed in one look-up
)

// rootFS is the merged listing of an image's layers, with the contents of the
// few files that say something about the base.
type rootFS struct {
	nodes   map[string]node
	content map[string][]byte
}

type node struct {
	dir  bool
	link string // a symbolic link's target
}

// captured are the files whose contents are kept: C libraries and loaders carry
// their version in a string, PEP 739's description speaks for Python,
// package databases fill the gaps, and os-release says whose system it is.
var captured = regexp.MustCompile(`(^|/)(libc\.so\.6|libc-2\.\d+\.so|ld-musl-[a-z0-9_]+\.so\.1|libc\.musl-[a-z0-9_]+\.so\.1|build-details\.json|dpkg/status|dpkg/status\.d/[^/]*python3[^/]*|apk/db/installed|etc/os-release|usr/lib/os-release)$`)

// readRoot merges the layers, the topmost first: what an upper layer says about
// a path hides the lower ones, and whiteouts hide what they name (OCI image
// specification, "layer.md").
func readRoot(img v1.Image) (*rootFS, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the base image's layers: %w", err)
	}
	root := &rootFS{nodes: map[string]node{}, content: map[string][]byte{}}
	hidden := &whiteouts{gone: map[string]bool{}, opaque: map[string]bool{}}
	for i := len(layers) - 1; i >= 0; i-- {
		if err := root.addLayer(layers[i], hidden); err != nil {
			return nil, fmt.Errorf("reading layer %d of the base image: %w", i+1, err)
		}
	}
	return root, nil
}

func (r *rootFS) addLayer(l v1.Layer, hidden *whiteouts) error {
	rc, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = rc.Close() }()
	below := &whiteouts{gone: map[string]bool{}, opaque: map[string]bool{}}
	here := map[string]bool{}
	for tr := tar.NewReader(io.LimitReader(rc, maxUnpacked)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if len(r.nodes) > maxEntries {
			return fmt.Errorf("more than %d files", maxEntries)
		}
		name := path.Join("/", h.Name)
		dir, base := path.Split(name)
		if base == ".wh..wh..opq" {
			below.opaque[path.Clean(dir)] = true
			continue
		}
		if victim, ok := strings.CutPrefix(base, ".wh."); ok {
			below.gone[path.Join(dir, victim)] = true
			continue
		}
		if _, upper := r.nodes[name]; (upper && !here[name]) || hidden.covers(name) {
			continue
		}
		here[name] = true
		if err := r.add(name, h, tr); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
	}
	hidden.merge(below, r.nodes, here)
	return nil
}

func (r *rootFS) add(name string, h *tar.Header, body io.Reader) error {
	delete(r.content, name)
	switch h.Typeflag {
	case tar.TypeDir:
		r.nodes[name] = node{dir: true}
	case tar.TypeSymlink:
		r.nodes[name] = node{link: h.Linkname}
	case tar.TypeLink:
		// A hard link is another name of a file of the same layer; as an absolute
		// symbolic link it resolves to the same content.
		r.nodes[name] = node{link: path.Join("/", h.Linkname)}
	case tar.TypeReg:
		r.nodes[name] = node{}
		if captured.MatchString(name) && h.Size <= maxCaptured {
			b, err := io.ReadAll(io.LimitReader(body, maxCaptured))
			if err != nil {
				return err
			}
			r.content[name] = b
		}
	}
	return nil
}

// whiteouts is what upper layers removed.
type whiteouts struct {
	gone   map[string]bool // the path and all below
	opaque map[string]bool // all below the path
}

func (w *whiteouts) covers(name string) bool {
	if w.gone[name] {
		return true
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if w.gone[dir] || w.opaque[dir] {
			return true
		}
		if dir == "/" {
			return false
		}
	}
}

// merge adds a layer's own removals, and its non-folders: a file over a lower
// folder hides what is in the folder.
func (w *whiteouts) merge(from *whiteouts, nodes map[string]node, here map[string]bool) {
	for p := range from.gone {
		w.gone[p] = true
	}
	for p := range from.opaque {
		w.opaque[p] = true
	}
	for p := range here {
		if !nodes[p].dir {
			w.opaque[p] = true
		}
	}
}

// resolve follows symbolic links inside the root and returns the path of what
// is really there.
func (r *rootFS) resolve(name string) (string, bool) {
	todo := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	at, links := "/", 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		n, ok := r.nodes[next]
		if ok && n.link != "" {
			if links++; links > maxLinks {
				return "", false
			}
			if path.IsAbs(n.link) {
				at = "/"
			}
			todo = append(strings.Split(n.link, "/"), todo...)
			continue
		}
		if !ok && !r.implied(next) {
			return "", false
		}
		at = next
	}
	return at, true
}

// implied says whether a folder exists only because something is in it.
func (r *rootFS) implied(dir string) bool {
	for p := range r.nodes {
		if strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

// list returns the names directly in a folder, links followed.
func (r *rootFS) list(dir string) []string {
	real, ok := r.resolve(dir)
	if !ok {
		return nil
	}
	var out []string
	for p := range r.nodes {
		if path.Dir(p) == real && p != "/" {
			out = append(out, path.Base(p))
		}
	}
	return out
}
