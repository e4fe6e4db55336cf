package layer

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// inMemory is how many bytes of its own a layer keeps in memory; what goes
// beyond is written to a file.
const inMemory = 4 << 20

// blob is a sequence of bytes in pieces: some of our own, the others where they
// are, in wheels. It can be read any number of times.
type blob struct {
	dir    string
	pieces []piece
	size   int64

	memory []byte
	spill  *os.File
	spilt  int64
	name   string // of the file that holds pieces without a source
}

// piece is a range of a source; without one, of the layer's own bytes.
type piece struct {
	from      io.ReaderAt
	spilt     bool // own bytes, in the file
	offset, n int64
}

// fileBlob is a file as a blob.
func fileBlob(name string, size int64) blob {
	return blob{name: name, size: size, pieces: []piece{{spilt: true, n: size}}}
}

// own appends bytes of the layer's own.
func (b *blob) own(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	next := piece{n: int64(len(p))}
	if b.spill == nil && len(b.memory)+len(p) <= inMemory {
		next.offset = int64(len(b.memory))
		b.memory = append(b.memory, p...)
	} else {
		if b.spill == nil {
			f, err := os.CreateTemp(b.dir, "layer-*.part")
			if err != nil {
				return fmt.Errorf("making a file for a layer: %w", err)
			}
			b.spill, b.name = f, f.Name()
		}
		if _, err := b.spill.Write(p); err != nil {
			return fmt.Errorf("writing a layer: %w", err)
		}
		next.spilt, next.offset = true, b.spilt
		b.spilt += next.n
	}
	b.add(next)
	return nil
}

// ranged appends bytes that stay where they are.
func (b *blob) ranged(from io.ReaderAt, offset, n int64) {
	if n > 0 {
		b.add(piece{from: from, offset: offset, n: n})
	}
}

func (b *blob) add(p piece) {
	b.size += p.n
	if last := len(b.pieces) - 1; last >= 0 {
		l := &b.pieces[last]
		if l.from == nil && p.from == nil && l.spilt == p.spilt && l.offset+l.n == p.offset {
			l.n += p.n
			return
		}
	}
	b.pieces = append(b.pieces, p)
}

// seal ends the writing.
func (b *blob) seal() error {
	if b.spill == nil {
		return nil
	}
	err := b.spill.Close()
	b.spill = nil
	if err != nil {
		return fmt.Errorf("writing a layer: %w", err)
	}
	return nil
}

// discard removes what was written so far.
func (b *blob) discard() {
	if b.spill != nil {
		_ = b.spill.Close()
		_ = os.Remove(b.name)
	}
}

// open reads the blob from its beginning.
func (b *blob) open() (io.ReadCloser, error) {
	r := &blobReader{blob: b}
	if b.name != "" {
		f, err := os.Open(b.name)
		if err != nil {
			return nil, fmt.Errorf("opening a layer: %w", err)
		}
		r.file = f
	}
	return &opened{bufio.NewReaderSize(r, 1<<17), r}, nil
}

// opened is a blob that is read.
type opened struct {
	*bufio.Reader
	raw *blobReader
}

// Close implements io.Closer.
func (o *opened) Close() error { return o.raw.Close() }

// Skip leaves out bytes; it is called before anything is read.
func (o *opened) Skip(n int64) error {
	for n > 0 {
		if o.raw.piece == len(o.raw.pieces) {
			return fmt.Errorf("reading a layer: %w", io.ErrUnexpectedEOF)
		}
		step := min(n, o.raw.pieces[o.raw.piece].n-o.raw.done)
		n -= step
		if o.raw.done += step; o.raw.done == o.raw.pieces[o.raw.piece].n {
			o.raw.piece++
			o.raw.done = 0
		}
	}
	return nil
}

type blobReader struct {
	*blob
	file  *os.File
	piece int
	done  int64 // bytes of the current piece
}

// Read implements io.Reader.
func (r *blobReader) Read(p []byte) (int, error) {
	if r.piece == len(r.pieces) {
		return 0, io.EOF
	}
	now := r.pieces[r.piece]
	p = p[:min(int64(len(p)), now.n-r.done)]
	n, err := 0, error(nil)
	switch at := now.offset + r.done; {
	case now.from != nil:
		n, err = now.from.ReadAt(p, at)
	case now.spilt:
		n, err = r.file.ReadAt(p, at)
	default:
		n = copy(p, r.memory[at:])
	}
	if err == io.EOF && n < len(p) {
		err = io.ErrUnexpectedEOF // the wheel got shorter
	}
	if n == len(p) {
		err = nil
	}
	if r.done += int64(n); r.done == now.n {
		r.piece++
		r.done = 0
	}
	if err != nil {
		return n, fmt.Errorf("reading a layer: %w", err)
	}
	return n, nil
}

// Close implements io.Closer.
func (r *blobReader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
