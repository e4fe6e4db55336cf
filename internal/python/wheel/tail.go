package wheel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// tail is what the end of an archive says of it (APPNOTE 4.3.14 to 4.3.16).
type tail struct {
	directory int64 // where the central directory begins
	length    int64 // of it, in bytes
	entries   uint64
}

const (
	endSize       = 22 // of the end of central directory record, without its comment
	locatorSize   = 20
	end64Size     = 56 // of the ZIP64 record, without extensible data
	end64Declared = end64Size - 12
)

// readTail reads the end of the central directory and refuses what readers may
// understand differently: bytes behind it, a comment that hides an archive,
// ZIP64 data that only some know, a directory that does not end where it says.
func readTail(r io.ReaderAt, size int64) (tail, error) {
	n := min(size, endSize+65535+4096)
	buf := make([]byte, n)
	if _, err := r.ReadAt(buf, size-n); err != nil && err != io.EOF {
		return tail{}, err
	}
	i := bytes.LastIndex(buf, []byte("PK\x05\x06"))
	if i < 0 || len(buf)-i < endSize {
		return tail{}, fmt.Errorf("no end of central directory")
	}
	le := binary.LittleEndian
	end := i + endSize + int(le.Uint16(buf[i+20:]))
	if end > len(buf) {
		return tail{}, fmt.Errorf("the archive's comment is cut off")
	}
	if bytes.ContainsAny(buf[i+endSize:end], "\x01\x02\x03\x04\x05\x06\x07\x08") {
		return tail{}, fmt.Errorf("the archive's comment hides another archive")
	}
	if rest := bytes.Trim(buf[end:], "\x00"); len(rest) > 0 {
		return tail{}, fmt.Errorf("%d bytes follow the archive's end", len(rest))
	}
	if le.Uint16(buf[i+4:]) != 0 || le.Uint16(buf[i+6:]) != 0 {
		return tail{}, fmt.Errorf("a part of an archive in several volumes")
	}
	at := size - n + int64(i) // of the record in the file
	t := tail{entries: uint64(le.Uint16(buf[i+10:])), directory: int64(le.Uint32(buf[i+16:]))}
	length := int64(le.Uint32(buf[i+12:]))
	if i >= locatorSize && bytes.HasPrefix(buf[i-locatorSize:], []byte("PK\x06\x07")) {
		var err error
		if t, length, at, err = readEnd64(r, t, length, int64(le.Uint64(buf[i-locatorSize+8:])), at-locatorSize); err != nil {
			return tail{}, err
		}
	}
	if t.directory < 0 || length < 0 || t.directory > at || t.directory+length != at {
		return tail{}, fmt.Errorf("the directory is not where the archive's end says")
	}
	t.length = length
	return t, nil
}

// maxDirectory bounds the central directory: 200 000 long names fit.
const maxDirectory = 64 << 20

// count counts the directory's headers (APPNOTE 4.3.12).
func (t tail) count(r io.ReaderAt) (uint64, error) {
	if t.length > maxDirectory {
		return 0, fmt.Errorf("the directory has %d bytes, more than %d", t.length, maxDirectory)
	}
	buf := make([]byte, t.length)
	if _, err := r.ReadAt(buf, t.directory); err != nil && err != io.EOF {
		return 0, fmt.Errorf("reading the directory: %w", err)
	}
	le := binary.LittleEndian
	n := uint64(0)
	for ; len(buf) > 0; n++ {
		if len(buf) < 46 || !bytes.HasPrefix(buf, []byte("PK\x01\x02")) {
			return 0, fmt.Errorf("the directory holds something else behind %d entries", n)
		}
		size := 46 + int(le.Uint16(buf[28:])) + int(le.Uint16(buf[30:])) + int(le.Uint16(buf[32:]))
		if size > len(buf) {
			return 0, fmt.Errorf("the directory's entry %d is cut off", n+1)
		}
		buf = buf[size:]
	}
	return n, nil
}

// readEnd64 reads the ZIP64 record before its locator, which is at the given
// place. Values of the older record that are not marked as too large must agree.
func readEnd64(r io.ReaderAt, t tail, length, at, locator int64) (tail, int64, int64, error) {
	le := binary.LittleEndian
	buf := make([]byte, end64Size)
	if at < 0 || at > locator-end64Size {
		return t, 0, 0, fmt.Errorf("the ZIP64 record is not where its locator says")
	}
	if _, err := r.ReadAt(buf, at); err != nil {
		return t, 0, 0, fmt.Errorf("reading the ZIP64 record: %w", err)
	}
	if !bytes.HasPrefix(buf, []byte("PK\x06\x06")) {
		return t, 0, 0, fmt.Errorf("the ZIP64 record is not where its locator says")
	}
	if le.Uint64(buf[4:]) != end64Declared || at+end64Size != locator {
		return t, 0, 0, fmt.Errorf("ZIP64 extensible data, which readers skip differently")
	}
	entries, bytesLong, directory := le.Uint64(buf[32:]), le.Uint64(buf[40:]), le.Uint64(buf[48:])
	if t.entries != 0xffff && t.entries != entries || length != 0xffffffff && uint64(length) != bytesLong || t.directory != 0xffffffff && uint64(t.directory) != directory {
		return t, 0, 0, fmt.Errorf("the ZIP64 record and the older one differ")
	}
	if bytesLong > 1<<40 || directory > 1<<40 {
		return t, 0, 0, fmt.Errorf("the directory is not where the archive's end says")
	}
	return tail{directory: int64(directory), entries: entries}, int64(bytesLong), at, nil
}
