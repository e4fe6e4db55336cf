// Package basetest makes base images for tests: they say that they hold a Python
// and a C library, and nothing in them runs.
package basetest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Base describes a base image.
type Base struct {
	Python string // full version
	Glibc  string // such as "2.36"; or
	Musl   string // such as "1.2.5"
	// Bin is the interpreter's folder; default usr/local/bin.
	Bin       string
	Libraries []string // further files of usr/lib
	Env       []string
	Labels    map[string]string
	Arches    []string // default amd64 and arm64
}

// Index makes the image of every architecture, and an index of them.
func (b Base) Index() (v1.ImageIndex, error) {
	arches := b.Arches
	if arches == nil {
		arches = []string{"amd64", "arm64"}
	}
	var add []mutate.IndexAddendum
	for _, arch := range arches {
		img, err := b.image(arch)
		if err != nil {
			return nil, err
		}
		add = append(add, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	return mutate.AppendManifests(empty.Index, add...), nil
}

func (b Base) image(arch string) (v1.Image, error) {
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[arch]
	dir := b.Bin
	if dir == "" {
		dir = "usr/local/bin"
	}
	minor := b.Python[:max(0, strings.LastIndex(b.Python, "."))]
	files := map[string]string{dir + "/python" + minor: "not really"}
	if b.Musl != "" {
		files["lib/ld-musl-"+machine+".so.1"] = "musl libc\x00" + b.Musl + "\x00"
	} else {
		files["usr/lib/"+machine+"-linux-gnu/libc.so.6"] = "GNU C Library (Debian) stable release version " + b.Glibc + ".\n"
	}
	for _, l := range b.Libraries {
		files["usr/lib/"+l] = "library"
	}
	l, err := layerOf(files)
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		return nil, fmt.Errorf("stacking layers: %w", err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("making a config: %w", err)
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", arch
	c.Config.Env = append([]string{"PATH=/usr/local/bin:/usr/bin", "PYTHON_VERSION=" + b.Python}, b.Env...)
	c.Config.Labels = b.Labels
	if img, err = mutate.ConfigFile(img, c); err != nil {
		return nil, fmt.Errorf("making a config: %w", err)
	}
	return img, nil
}

func layerOf(files map[string]string) (v1.Layer, error) {
	var names []string
	for n := range files {
		names = append(names, n)
	}
	slices.Sort(names)
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, n := range names {
		if err := w.WriteHeader(&tar.Header{Name: n, Mode: 0o755, Size: int64(len(files[n])), Typeflag: tar.TypeReg}); err != nil {
			return nil, fmt.Errorf("writing a layer: %w", err)
		}
		if _, err := io.WriteString(w, files[n]); err != nil {
			return nil, fmt.Errorf("writing a layer: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
}
