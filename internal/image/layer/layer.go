package layer

import (
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// LayoutVersion names the way files become layer bytes. Where two releases of
// Fairlead have the same, they make the same layers.
const LayoutVersion = "2"

// The annotations of a layer's descriptor that lazy pulling needs (eStargz).
const (
	tocDigestAnnotation = "containerd.io/snapshot/stargz/toc.digest"
	plainSizeAnnotation = "io.containers.estargz.uncompressed-size"
)

// Layer is a finished layer: which bytes it is made of, most of them still in
// the wheels, which must stay open. It implements v1.Layer.
type Layer struct {
	// Wheels are the file names of the wheels inside.
	Wheels []string
	// From says what it is made of, in a word; Comment says what it is, for the
	// image's history.
	From    string
	Comment string

	blob   blob
	digest v1.Hash
	diffID v1.Hash
	toc    v1.Hash // of the table of contents
	plain  int64   // bytes of the tar inside

	elsewhere func() (io.ReadCloser, error) // instead of blob
}

var _ v1.Layer = (*Layer)(nil)

// FromWheels makes the layer that installs wheels under prefix ("app/.venv").
// Contents of wheels enter layers here and nowhere else; every one is held
// against its checksum, size and digest on the way.
func FromWheels(wheels []*wheel.Installed, prefix, dir string) (*Layer, error) {
	var entries []Entry
	var names []string
	seen := map[string]bool{}
	for _, w := range wheels {
		names = append(names, w.Filename)
		for i := range w.Files {
			f := &w.Files[i]
			p := prefix + "/" + f.Path
			if seen[p] {
				continue // equal in bytes: collisions were refused before
			}
			seen[p] = true
			entries = append(entries, Entry{Path: p, Mode: f.Mode.Perm(), Size: f.Size, Open: f.Open, Raw: f.Raw, SHA256: &f.SHA256})
		}
	}
	l, err := FromEntries(entries, dir)
	if err != nil {
		return nil, err
	}
	l.Wheels = names
	return l, nil
}

// FromEntries makes a layer. Files of its own, which must outlive it, go to dir.
func FromEntries(entries []Entry, dir string) (*Layer, error) {
	sorted, err := normalize(entries)
	if err != nil {
		return nil, err
	}
	a := newAssembly(dir)
	if err := a.fill(sorted); err != nil {
		a.out.discard()
		return nil, err
	}
	if err := a.finish(); err != nil {
		a.out.discard()
		return nil, err
	}
	return &Layer{blob: a.out, digest: sum(a.packed), diffID: sum(a.plain), toc: a.tocDigest, plain: a.plainSize}, nil
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// Digest returns the hash of the compressed layer.
func (l *Layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID returns the hash of the tar inside.
func (l *Layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size returns the compressed length in bytes.
func (l *Layer) Size() (int64, error) { return l.blob.size, nil }

// MediaType returns OCI's tar+gzip.
func (l *Layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Descriptor describes the layer as a manifest does, with the annotations that
// runtimes need to pull it lazily.
func (l *Layer) Descriptor() (*v1.Descriptor, error) {
	return &v1.Descriptor{MediaType: types.OCILayer, Digest: l.digest, Size: l.blob.size, Annotations: map[string]string{
		tocDigestAnnotation: l.toc.String(),
		plainSizeAnnotation: strconv.FormatInt(l.plain, 10),
	}}, nil
}

// Compressed opens the layer as it is sent.
func (l *Layer) Compressed() (io.ReadCloser, error) {
	if l.elsewhere != nil {
		return l.elsewhere()
	}
	return l.blob.open()
}

// Uncompressed opens the tar inside.
func (l *Layer) Uncompressed() (io.ReadCloser, error) {
	f, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("decompressing a layer: %w", err)
	}
	return both{z, f}, nil
}

type both struct {
	io.Reader
	io.Closer
}

// Known is a layer that exists elsewhere: described as a manifest describes it,
// and read with open, which verifies.
func Known(d v1.Descriptor, diffID v1.Hash, open func() (io.ReadCloser, error)) (*Layer, error) {
	l := &Layer{digest: d.Digest, diffID: diffID, blob: blob{size: d.Size}, elsewhere: open}
	if t := d.Annotations[tocDigestAnnotation]; t != "" {
		var err error
		if l.toc, err = v1.NewHash(t); err != nil {
			return nil, fmt.Errorf("reading the description of layer %s: %w", d.Digest, err)
		}
	}
	if n := d.Annotations[plainSizeAnnotation]; n != "" {
		var err error
		if l.plain, err = strconv.ParseInt(n, 10, 64); err != nil || l.plain < 0 {
			return nil, fmt.Errorf("reading the description of layer %s: %q is no size", d.Digest, n)
		}
	}
	return l, nil
}
