//go:build conformance

package conform

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// node is one installed file.
type node struct {
	sum  [32]byte
	exec bool
	text []byte // of small files that are looked into
}

// tree maps paths, relative to a --target folder, to files.
type tree map[string]node

// lookedInto says whether a difference in the file may have an explanation that
// its text shows.
func lookedInto(name string) bool {
	return strings.HasPrefix(name, "bin/") || path.Base(name) == "RECORD" || path.Base(name) == "INSTALLER"
}

func newNode(name string, mode fs.FileMode, r io.Reader) (node, error) {
	n := node{exec: mode&0o111 != 0}
	var text bytes.Buffer
	h := sha256.New()
	w := io.Writer(h)
	if lookedInto(name) {
		w = io.MultiWriter(h, &text)
	}
	_, err := io.Copy(w, r)
	copy(n.sum[:], h.Sum(nil))
	n.text = text.Bytes()
	return n, err
}

// onDisk reads what a peer installed.
func onDisk(t *testing.T, root string) tree {
	t.Helper()
	out := tree{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", rel)
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		info, err := d.Info()
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)], err = newNode(filepath.ToSlash(rel), info.Mode(), f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// inImage reads the virtual environment of an image, with site-packages at the
// root as --target has it.
func inImage(t *testing.T, img v1.Image, g target) tree {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	site := fmt.Sprintf("lib/python%d.%d/site-packages/", g.python[0], g.python[1])
	out := tree{}
	for _, l := range layers {
		r, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		for tr := tar.NewReader(r); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			name, ok := strings.CutPrefix(h.Name, "app/.venv/")
			if !ok || h.Typeflag != tar.TypeReg || name == "pyvenv.cfg" || name == "bin/fairlead-start" {
				continue // links, settings and starter of the environment itself
			}
			name = strings.TrimPrefix(name, site)
			if _, twice := out[name]; twice {
				t.Errorf("%s is in two layers", name)
			}
			if out[name], err = newNode(name, fs.FileMode(h.Mode), tr); err != nil {
				t.Fatal(err)
			}
		}
		_ = r.Close()
	}
	return out
}

// compare returns the differences, each with its explanation ("" for none).
func compare(ours, theirs tree) map[string]string {
	out := map[string]string{}
	for name, n := range ours {
		other, ok := theirs[name]
		switch {
		case !ok:
			out[name] = onlyOurs(name)
		case n.sum != other.sum:
			out[name] = different(name, n, other)
		case n.exec != other.exec:
			out[name] = modes(name, n)
		}
	}
	for name := range theirs {
		if _, ok := ours[name]; !ok {
			out[name] = onlyTheirs(name)
		}
	}
	return out
}

// The explanations: every difference between what build-image and its peers
// install has one of these, or is a defect.
const (
	whyInstaller = "INSTALLER names the tool that installed"
	whyRecord    = "RECORD differs in the rows of files that differ, and in line ends and order"
	whyRequested = "REQUESTED marks what was named on a command line; it would tie a layer to the requirement graph"
	whyWrapper   = "the first line of a command names the interpreter"
	whyUVWrapper = "uv writes an older text for commands"
	whyCache     = "byte code that a wheel carries is not installed: nobody can read what it does"
	whyLock      = "uv leaves its lock file in a --target folder"
	whyHeaders   = "headers go where the virtual environment's Python looks for them; --target has no such place"
	whyModes     = "uv takes x-bits of files whose type bits do not say regular file"
)

func onlyOurs(name string) string {
	if strings.HasPrefix(name, "include/") {
		return whyHeaders
	}
	return ""
}

func onlyTheirs(name string) string {
	switch {
	case path.Base(name) == "REQUESTED" && strings.HasSuffix(path.Dir(name), ".dist-info"):
		return whyRequested
	case strings.Contains("/"+name, "/__pycache__/"):
		return whyCache
	case name == ".lock":
		return whyLock
	case strings.HasPrefix(name, "include/"):
		return whyHeaders
	}
	return ""
}

func different(name string, ours, theirs node) string {
	switch {
	case path.Base(name) == "INSTALLER" && strings.HasSuffix(path.Dir(name), ".dist-info"):
		return whyInstaller
	case path.Base(name) == "RECORD" && strings.HasSuffix(path.Dir(name), ".dist-info"):
		if sameRecord(ours.text, theirs.text) {
			return whyRecord
		}
	case strings.HasPrefix(name, "bin/") && ours.exec && theirs.exec:
		_, a, _ := bytes.Cut(ours.text, []byte("\n"))
		_, b, _ := bytes.Cut(theirs.text, []byte("\n"))
		if bytes.Equal(a, b) {
			return whyWrapper
		}
		if imports(a) != "" && imports(a) == imports(b) {
			return whyUVWrapper
		}
	}
	return ""
}

// imports is what a command's text imports and calls.
func imports(text []byte) string {
	var from, call string
	for _, l := range strings.Split(string(text), "\n") {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "from ") {
			from = l
		}
		if strings.HasPrefix(l, "sys.exit(") {
			call = l
		}
	}
	if from == "" || call == "" {
		return ""
	}
	return from + "; " + call
}

func modes(name string, ours node) string {
	if !ours.exec && !strings.HasPrefix(name, "bin/") {
		return whyModes
	}
	return ""
}

// sameRecord compares the rows of files that are the same in both trees.
func sameRecord(a, b []byte) bool {
	rows := func(text []byte) map[string]string {
		out := map[string]string{}
		r := csv.NewReader(bytes.NewReader(text))
		r.FieldsPerRecord = -1
		all, err := r.ReadAll()
		if err != nil {
			return nil
		}
		for _, row := range all {
			name := strings.TrimLeft(row[0], "./")
			switch base := path.Base(name); {
			case base == "RECORD", base == "INSTALLER", base == "REQUESTED", strings.Contains(name, "__pycache__/"),
				strings.HasPrefix(name, "bin/"), strings.HasPrefix(name, "include/"):
				continue
			}
			out[name] = strings.Join(row[1:], ",")
		}
		return out
	}
	x, y := rows(a), rows(b)
	if x == nil || len(x) != len(y) {
		return false
	}
	for k, v := range x {
		if y[k] != v {
			return false
		}
	}
	return true
}
