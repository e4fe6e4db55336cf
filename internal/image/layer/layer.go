package layer

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// level is the compressor's effort. It and the pinned version of the compressor
// decide the digest: changing either is a new layout (see LayoutVersion).
const level = 6

// LayoutVersion names the way files become layer bytes.
const LayoutVersion = "1"

// Layer is a finished layer in a file. It implements v1.Layer.
type Layer struct {
	// Wheels are the file names of the wheels inside.
	Wheels []string
	// From says what it is made of, in a word; Comment says what it is, for the
	// image's history.
	From    string
	Comment string

	file   string
	digest v1.Hash
	diffID v1.Hash
	size   int64
}

var _ v1.Layer = (*Layer)(nil)

// FromWheels makes the layer that installs wheels under prefix ("app/.venv").
// Contents of wheels enter layers here and nowhere else.
func FromWheels(wheels []*wheel.Installed, prefix, dir string) (*Layer, error) {
	var entries []Entry
	var names []string
	seen := map[string]bool{}
	for _, w := range wheels {
		names = append(names, w.Filename)
		for _, f := range w.Files {
			p := prefix + "/" + f.Path
			if seen[p] {
				continue // equal in bytes: collisions were refused before
			}
			seen[p] = true
			entries = append(entries, Entry{Path: p, Mode: f.Mode.Perm(), Size: f.Size, Open: f.Open})
		}
	}
	l, err := FromEntries(entries, dir)
	if err != nil {
		return nil, err
	}
	l.Wheels = names
	return l, nil
}

// FromEntries writes a layer into a new file in dir, which must outlive it.
func FromEntries(entries []Entry, dir string) (*Layer, error) {
	sorted, err := normalize(entries)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "layer-*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("making a file for a layer: %w", err)
	}
	l, err := write(f, sorted)
	if closing := f.Close(); err == nil && closing != nil {
		err = fmt.Errorf("writing a layer: %w", closing)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return nil, err
	}
	l.file = f.Name()
	return l, nil
}

func write(f io.Writer, entries []Entry) (*Layer, error) {
	out := &sized{w: bufio.NewWriterSize(f, 1<<18), sum: sha256.New()}
	zip, err := gzip.NewWriterLevel(out, level)
	if err != nil {
		return nil, fmt.Errorf("preparing a layer's compressor: %w", err)
	}
	plain := sha256.New()
	tar := io.MultiWriter(zip, plain)
	buffer := make([]byte, 1<<16)
	for _, e := range entries {
		if err := add(tar, e, buffer); err != nil {
			return nil, err
		}
	}
	if _, err := tar.Write(make([]byte, 2*blockSize)); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := zip.Close(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	if err := out.w.Flush(); err != nil {
		return nil, fmt.Errorf("writing a layer: %w", err)
	}
	return &Layer{digest: sum(out.sum), diffID: sum(plain), size: out.n}, nil
}

func add(tar io.Writer, e Entry, buffer []byte) error {
	h, err := header(e)
	if err != nil {
		return err
	}
	if _, err := tar.Write(h); err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	if !e.Mode.IsRegular() && e.Mode.Type() != 0 || e.Size == 0 {
		return nil
	}
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("opening %q for a layer: %w", e.Path, err)
	}
	// One byte more than announced shows a file that grew meanwhile.
	n, err := io.CopyBuffer(onlyWriter{tar}, io.LimitReader(r, e.Size+1), buffer)
	if closing := r.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("copying %q into a layer: %w", e.Path, err)
	}
	if n != e.Size {
		return fmt.Errorf("copying %q into a layer: its length changed from %d bytes while it was read", e.Path, e.Size)
	}
	if _, err := tar.Write(make([]byte, padding(e.Size))); err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	return nil
}

// onlyWriter hides ReadFrom, so that CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }

type sized struct {
	w   *bufio.Writer
	sum hash.Hash
	n   int64
}

// Write implements io.Writer.
func (s *sized) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	return n, err
}

func sum(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// Digest returns the hash of the compressed layer.
func (l *Layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID returns the hash of the tar inside.
func (l *Layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size returns the compressed length in bytes.
func (l *Layer) Size() (int64, error) { return l.size, nil }

// MediaType returns OCI's tar+gzip.
func (l *Layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed opens the layer as it is sent.
func (l *Layer) Compressed() (io.ReadCloser, error) {
	f, err := os.Open(l.file)
	if err != nil {
		return nil, fmt.Errorf("opening a layer: %w", err)
	}
	return f, nil
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
