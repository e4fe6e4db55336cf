package layer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/layer/frozen"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// assembly writes a layer: gzip members, one after the other, that unpack to one
// tar (RFC 1952, section 2.2). Each file that is not empty has two: what stands
// before its contents in the tar, and the contents, which for a wheel's file is
// the wheel's own deflate stream. So nothing is compressed again, and the digest
// is a function of the wheel's bytes.
type assembly struct {
	out    blob
	packed hash.Hash // of out
	plain  hash.Hash // of the tar
	// plainSize is the length of the tar so far, without pending.
	plainSize int64
	// pending is what of the tar is in no member yet.
	pending   []byte
	encoder   frozen.Encoder
	scratch   []byte
	toc       []byte
	tocDigest v1.Hash
}

// gzipHeader begins every member: no name, no time, no system.
var gzipHeader = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

// maxPending bounds what waits for a file with contents.
const maxPending = 1 << 20

func newAssembly(dir string) *assembly {
	return &assembly{out: blob{dir: dir}, packed: sha256.New(), plain: sha256.New(), toc: []byte(`{"version":1,"entries":[`)}
}

// own appends bytes that are the layer's own.
func (a *assembly) own(p []byte) error {
	a.packed.Write(p)
	return a.out.own(p)
}

// ranged appends bytes of an archive, which were read already.
func (a *assembly) ranged(r *wheel.Raw, skip int64, content []byte) {
	a.packed.Write(content)
	a.out.ranged(r.Archive, r.Offset+skip, int64(len(content)))
}

// trailer ends a member.
func (a *assembly) trailer(crc uint32, size int64) error {
	var t [8]byte
	binary.LittleEndian.PutUint32(t[:], crc)
	binary.LittleEndian.PutUint32(t[4:], uint32(size)) // modulo 2^32, as gzip has it
	return a.own(t[:])
}

// flush makes a member of what is pending.
func (a *assembly) flush() error {
	if len(a.pending) == 0 {
		return nil
	}
	a.plain.Write(a.pending)
	a.plainSize += int64(len(a.pending))
	a.scratch = a.encoder.Append(append(a.scratch[:0], gzipHeader...), a.pending)
	if err := a.own(a.scratch); err != nil {
		return err
	}
	err := a.trailer(crc32.ChecksumIEEE(a.pending), int64(len(a.pending)))
	a.pending = a.pending[:0]
	return err
}

// announce puts an entry's header before what follows.
func (a *assembly) announce(e Entry) error {
	h, err := header(e)
	if err != nil {
		return err
	}
	a.pending = append(a.pending, h...)
	return nil
}

// list enters an entry into the table of contents.
func (a *assembly) list(e Entry, offset int64, digest [32]byte) {
	if a.toc[len(a.toc)-1] == '}' {
		a.toc = append(a.toc, ',')
	}
	a.toc = tocEntry(a.toc, e, offset, digest)
}

// bare adds an entry without contents.
func (a *assembly) bare(e Entry) error {
	if e.Mode.Type() == 0 && e.SHA256 != nil && *e.SHA256 != sha256.Sum256(nil) || e.Raw != nil && e.Raw.CRC32 != 0 {
		return damaged(e, errors.New("it is empty and has another digest than its record says"))
	}
	if err := a.announce(e); err != nil {
		return err
	}
	a.list(e, 0, [32]byte{})
	if len(a.pending) > maxPending {
		return a.flush()
	}
	return nil
}

// body adds a file with contents, whose member write writes between the gzip
// header and the trailer; it returns the contents' checksum and digest.
func (a *assembly) body(e Entry, write func() (uint32, [32]byte, error)) error {
	if err := a.announce(e); err != nil {
		return err
	}
	if err := a.flush(); err != nil {
		return err
	}
	offset := a.out.size
	if err := a.own(gzipHeader); err != nil {
		return err
	}
	crc, digest, err := write()
	if err != nil {
		return err
	}
	if e.SHA256 != nil && *e.SHA256 != digest {
		return damaged(e, errors.New("it does not match its digest in RECORD"))
	}
	if err := a.trailer(crc, e.Size); err != nil {
		return err
	}
	a.plainSize += e.Size
	a.list(e, offset, digest)
	a.pending = append(a.pending, make([]byte, padding(e.Size))...)
	return nil
}

// finish adds the table of contents and the footer.
func (a *assembly) finish() error {
	if err := a.flush(); err != nil {
		return err
	}
	a.toc = append(a.toc, "]}\n"...)
	digest := sha256.Sum256(a.toc)
	a.tocDigest = v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", digest)}
	offset := a.out.size
	if err := a.announce(Entry{Path: tocName, Mode: 0o644, Size: int64(len(a.toc))}); err != nil {
		return err
	}
	a.pending = append(a.pending, a.toc...)
	a.pending = append(a.pending, make([]byte, padding(int64(len(a.toc)))+2*blockSize)...)
	if err := a.flush(); err != nil {
		return err
	}
	if err := a.own(footer(offset)); err != nil {
		return err
	}
	a.toc, a.pending, a.scratch = nil, nil, nil
	return a.out.seal()
}

// damaged is a file that is not what its archive promised.
func damaged(e Entry, err error) error {
	if e.Raw == nil {
		return fmt.Errorf("copying %q into a layer: %w", e.Path, err)
	}
	return failure.New(failure.Answer, "report it to the project; nothing was built", "installing %s: %w", e.Raw.Name, err)
}
