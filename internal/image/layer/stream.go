package layer

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// chunk is how much of a large file is inflated ahead, a few times over.
const chunk = 256 << 10

// streamer adds files that are too large to be held in memory.
type streamer struct {
	a        *assembly
	inflater inflater
}

// sums are what is computed of a file's contents on their way.
type sums struct {
	a      *assembly
	crc    hash.Hash32
	digest hash.Hash
	n      int64
}

func (s *streamer) sums() *sums {
	return &sums{a: s.a, crc: crc32.NewIEEE(), digest: sha256.New()}
}

// Write implements io.Writer.
func (s *sums) Write(p []byte) (int, error) {
	s.n += int64(len(p))
	_, _ = s.a.plain.Write(p)
	_, _ = s.crc.Write(p)
	return s.digest.Write(p)
}

func (s *sums) result() (uint32, [32]byte) { return s.crc.Sum32(), [32]byte(s.digest.Sum(nil)) }

// file adds the contents of a file.
func (s *streamer) file(e Entry) (uint32, [32]byte, error) {
	sums := s.sums()
	var err error
	switch {
	case e.Raw == nil:
		err = s.encode(e, sums)
	case e.Raw.Stored:
		err = s.stored(e, sums)
	default:
		err = s.inflate(e, sums)
	}
	crc, digest := sums.result()
	if err == nil && e.Raw != nil && crc != e.Raw.CRC32 {
		err = damaged(e, errChecksum)
	}
	return crc, digest, err
}

// inflate checks a wheel's stream, whose bytes enter the layer as they are.
func (s *streamer) inflate(e Entry, sums *sums) error {
	r := e.Raw
	section := io.NewSectionReader(r.Archive, r.Offset, r.Size)
	in := bufio.NewReaderSize(io.TeeReader(section, s.a.packed), chunk)
	if err := s.inflater.reset(in); err != nil {
		return damaged(e, err)
	}
	// Inflating runs ahead of hashing.
	type part struct {
		content []byte
		err     error
	}
	parts, free := make(chan part, 4), make(chan []byte, 5)
	for range cap(free) {
		free <- make([]byte, chunk)
	}
	go func() {
		defer close(parts)
		for left := e.Size; left > 0; {
			b := <-free
			n, err := io.ReadFull(s.inflater.z, b[:min(left, chunk)])
			left -= int64(n)
			parts <- part{b[:n], err}
			if err != nil {
				return
			}
		}
	}()
	var failed error
	for p := range parts {
		_, _ = sums.Write(p.content)
		if failed = p.err; failed == nil {
			free <- p.content[:chunk]
		}
	}
	switch {
	case errors.Is(failed, io.EOF) || errors.Is(failed, io.ErrUnexpectedEOF):
		return damaged(e, errSize)
	case failed != nil:
		return damaged(e, failed)
	}
	if err := atEnd(s.inflater.z); err != nil {
		return damaged(e, err)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return damaged(e, errors.Join(errSlack, err))
	}
	s.a.out.ranged(r.Archive, r.Offset, r.Size)
	return nil
}

// stored wraps a file that the wheel does not compress.
func (s *streamer) stored(e Entry, sums *sums) error {
	if e.Raw.Size != e.Size {
		return damaged(e, errSize)
	}
	// Whole stored blocks, so that a large file has the same blocks as a small one.
	content := make([]byte, 8*maxStored)
	for at := int64(0); at < e.Size; {
		part := content[:min(int64(len(content)), e.Size-at)]
		if _, err := io.ReadFull(io.NewSectionReader(e.Raw.Archive, e.Raw.Offset+at, int64(len(part))), part); err != nil {
			return damaged(e, err)
		}
		_, _ = sums.Write(part)
		if err := s.a.stored(e, at, part, at+int64(len(part)) == e.Size); err != nil {
			return err
		}
		at += int64(len(part))
	}
	return nil
}

// maxStored is what a stored block of deflate holds (RFC 1951, section 3.2.4).
const maxStored = 65535

// stored adds a part of a stored file, which begins at an offset of it, as
// stored blocks.
func (a *assembly) stored(e Entry, at int64, content []byte, last bool) error {
	for len(content) > 0 {
		n := min(len(content), maxStored)
		head := [5]byte{0, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)}
		if last && n == len(content) {
			head[0] = 1
		}
		if err := a.own(head[:]); err != nil {
			return err
		}
		a.ranged(e.Raw, at, content[:n])
		content = content[n:]
		at += int64(n)
	}
	return nil
}

// encode compresses a large file of the machine's.
func (s *streamer) encode(e Entry, sums *sums) error {
	r, err := e.Open()
	if err != nil {
		return fmt.Errorf("opening %q for a layer: %w", e.Path, err)
	}
	defer func() { _ = r.Close() }()
	// One byte more than announced shows a file that grew meanwhile.
	_, err = s.a.encoder.Copy(ownWriter{s.a}, io.TeeReader(io.LimitReader(r, e.Size+1), sums))
	if err != nil {
		return fmt.Errorf("copying %q into a layer: %w", e.Path, err)
	}
	if sums.n != e.Size {
		return changed(e)
	}
	return nil
}

type ownWriter struct{ a *assembly }

// Write implements io.Writer.
func (w ownWriter) Write(p []byte) (int, error) { return len(p), w.a.own(p) }
