package wheel

import (
	"archive/zip"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Metadata is what a package says about itself in its METADATA (core metadata
// specification).
type Metadata struct {
	Name, Version string
	Requires      []string // Requires-Dist, each a requirement
}

// ParseMetadata reads a METADATA file, or the answer of an index that serves it
// apart from the wheel (PEP 658).
func ParseMetadata(data []byte) (Metadata, error) {
	h := headers(data)
	m := Metadata{first(h, "name"), first(h, "version"), h["requires-dist"]}
	if m.Name == "" || m.Version == "" {
		return Metadata{}, fmt.Errorf("it is no METADATA: it has no name or no version")
	}
	for _, r := range m.Requires {
		if _, err := requirement.Parse(r); err != nil {
			return Metadata{}, fmt.Errorf("Requires-Dist %q: %w", r, err)
		}
	}
	return m, nil
}

// PeekMetadata reads the METADATA of a wheel with as few reads as possible, for a
// wheel that is far away. It looks at the directory and that one file alone, so it
// is no proof that the wheel can be installed.
func PeekMetadata(r io.ReaderAt, size int64, filename string) (Metadata, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return Metadata{}, fmt.Errorf("reading wheel %q: %w", filename, err)
	}
	for _, f := range z.File {
		dir, name, ok := strings.Cut(f.Name, "/")
		if !ok || name != "METADATA" || !strings.HasSuffix(dir, ".dist-info") {
			continue
		}
		in, err := f.Open()
		if err != nil {
			return Metadata{}, fmt.Errorf("reading wheel %q: %w", filename, err)
		}
		defer in.Close()
		data, err := io.ReadAll(io.LimitReader(in, maxPeek))
		if err != nil {
			return Metadata{}, fmt.Errorf("reading wheel %q: %w", filename, err)
		}
		return ParseMetadata(data)
	}
	return Metadata{}, fmt.Errorf("reading wheel %q: it has no METADATA", filename)
}

// maxPeek bounds a METADATA file, in bytes.
const maxPeek = 8 << 20

// ReadMetadata reads the METADATA of a wheel without unpacking it.
func ReadMetadata(r io.ReaderAt, size int64, filename string) (Metadata, error) {
	n, err := ParseName(filename)
	if err != nil {
		return Metadata{}, err
	}
	a, err := openArchive(r, size, filename)
	if err != nil {
		return Metadata{}, err
	}
	dir, err := a.distInfo(n)
	if err != nil {
		return Metadata{}, err
	}
	data, ok, err := a.small(dir + "/METADATA")
	if err != nil {
		return Metadata{}, err
	}
	if !ok {
		return Metadata{}, fmt.Errorf("reading wheel %q: it has no METADATA", filename)
	}
	m, err := ParseMetadata(data)
	if err != nil {
		return Metadata{}, fmt.Errorf("reading wheel %q: %w", filename, err)
	}
	return m, nil
}
