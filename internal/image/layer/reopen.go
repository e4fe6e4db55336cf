package layer

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/klauspost/compress/gzip"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// maxTOC bounds a table of contents that is read.
const maxTOC = 256 << 20

// Reopen finds the files of a layer that was made here, by their paths in the
// image, so that a new layer can take them over as it takes them from wheels.
// What they hold is verified when that is done.
func Reopen(r io.ReaderAt, size int64) (map[string]*wheel.Raw, error) {
	toc, err := readTOC(r, size)
	if err != nil {
		return nil, fmt.Errorf("opening a layer again: %w", err)
	}
	out := map[string]*wheel.Raw{}
	in := &inflater{}
	for _, e := range toc.Entries {
		if e.Type != "reg" || e.Size == 0 {
			continue
		}
		raw, err := in.find(r, size, e.Offset, e.Size)
		if err != nil {
			return nil, fmt.Errorf("opening a layer again: %q: %w", e.Name, err)
		}
		raw.Name = fmt.Sprintf("layer: %q", e.Name)
		out[e.Name] = raw
	}
	return out, nil
}

type contentsTable struct {
	Entries []struct {
		Name, Type   string
		Size, Offset int64
	}
}

func readTOC(r io.ReaderAt, size int64) (*contentsTable, error) {
	foot := make([]byte, len(footer(0)))
	if size < int64(len(foot)) {
		return nil, errors.New("too short")
	}
	if _, err := r.ReadAt(foot, size-int64(len(foot))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	at, err := strconv.ParseInt(string(foot[16:32]), 16, 64)
	if err != nil || at < 0 || at >= size || !bytes.Equal(foot, footer(at)) {
		return nil, errors.New("it has no footer of an eStargz")
	}
	z, err := gzip.NewReader(io.NewSectionReader(r, at, size-int64(len(foot))-at))
	if err != nil {
		return nil, err
	}
	t := tar.NewReader(io.LimitReader(z, maxTOC))
	if h, err := t.Next(); err != nil || h.Name != tocName {
		return nil, fmt.Errorf("it has no table of contents (%w)", err)
	}
	var toc contentsTable
	if err := json.NewDecoder(t).Decode(&toc); err != nil {
		return nil, err
	}
	return &toc, nil
}

// find measures the deflate stream in the gzip member at an offset.
func (f *inflater) find(r io.ReaderAt, size, at, plain int64) (*wheel.Raw, error) {
	at += int64(len(gzipHeader))
	if at < 0 || at > size || plain < 0 {
		return nil, errors.New("it stands beyond the layer's end")
	}
	section := io.NewSectionReader(r, at, size-at)
	in := &counting{r: bufio.NewReaderSize(section, 32<<10)}
	if err := f.reset(in); err != nil {
		return nil, err
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(f.z, plain+1)); err != nil || n != plain {
		return nil, errors.Join(errSize, err)
	}
	if err := atEnd(f.z); err != nil {
		return nil, err
	}
	var crc [4]byte
	if _, err := r.ReadAt(crc[:], at+in.n); err != nil {
		return nil, err
	}
	return &wheel.Raw{Archive: r, Offset: at, Size: in.n, CRC32: binary.LittleEndian.Uint32(crc[:])}, nil
}

// counting counts what a decoder takes, byte by byte.
type counting struct {
	r *bufio.Reader
	n int64
}

// ReadByte implements io.ByteReader.
func (c *counting) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// Read implements io.Reader.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
