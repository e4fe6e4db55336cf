package wheel

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// localSize is a local header's size without name and extra field.
const localSize = 30

// checkBodies walks the archive as a reader that streams it does, header by
// header, and compares with the directory: both kinds of readers must see the
// same entries, in the same bytes, with none hidden between them. directory is
// where the bodies must end.
func checkBodies(r io.ReaderAt, files []*zip.File, directory int64) error {
	type body struct {
		*zip.File
		at int64
	}
	all := make([]body, len(files))
	for i, f := range files {
		at, err := f.DataOffset()
		if err != nil {
			return fmt.Errorf("entry %q: the directory lists it and there is no local header: %w", f.Name, err)
		}
		all[i] = body{f, at}
	}
	slices.SortStableFunc(all, func(a, b body) int { return int(max(-1, min(1, a.at-b.at))) })
	cursor := int64(0)
	for i, b := range all {
		if b.at < cursor+localSize {
			return fmt.Errorf("entries %q and %q overlap", all[max(0, i-1)].Name, b.Name)
		}
		head, err := readLocal(r, cursor, b.at)
		if err != nil {
			return fmt.Errorf("before entry %q: %w", b.Name, err)
		}
		n, err := compareLocal(r, head, b.File, b.at)
		if err != nil {
			return fmt.Errorf("entry %q: %w", b.Name, err)
		}
		cursor = b.at + n
	}
	if cursor > directory {
		return fmt.Errorf("the last entry reaches into the directory")
	}
	if cursor < directory {
		_, err := readLocal(r, cursor, directory)
		if err == nil {
			err = fmt.Errorf("bytes that belong to no entry")
		}
		return fmt.Errorf("before the directory: %w", err)
	}
	return nil
}

// readLocal reads the local header at a place; its body must begin where the
// directory's next one does.
func readLocal(r io.ReaderAt, at, body int64) ([]byte, error) {
	head := make([]byte, min(body-at, localSize+2*65535))
	if _, err := r.ReadAt(head, at); err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x07\x08")):
		return nil, fmt.Errorf("an unexpected data descriptor")
	case len(head) < localSize || !bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return nil, fmt.Errorf("%d bytes that belong to no entry", body-at)
	}
	name, extra := int(binary.LittleEndian.Uint16(head[26:])), int(binary.LittleEndian.Uint16(head[28:]))
	if localSize+name+extra != len(head) {
		return nil, fmt.Errorf("an entry %q that the directory does not list, or lists with other lengths", head[localSize:min(len(head), localSize+name)])
	}
	return head, nil
}

// compareLocal compares an entry's local header and data descriptor with the
// directory and returns the length of body and descriptor.
func compareLocal(r io.ReaderAt, head []byte, f *zip.File, body int64) (int64, error) {
	le := binary.LittleEndian
	flags, method := le.Uint16(head[6:]), le.Uint16(head[8:])
	crc, csize, usize := le.Uint32(head[14:]), uint64(le.Uint32(head[18:])), uint64(le.Uint32(head[22:]))
	nameEnd := localSize + int(le.Uint16(head[26:]))
	name, extra := string(head[localSize:nameEnd]), head[nameEnd:]
	if name != f.Name {
		return 0, fmt.Errorf("the local header names %q", name)
	}
	for _, x := range [][]byte{extra, f.Extra} {
		if err := secondName(x, name); err != nil {
			return 0, err
		}
	}
	if method != f.Method || flags&^0x0006 != f.Flags&^0x0006 {
		return 0, fmt.Errorf("local header and directory differ in method or flags")
	}
	long := int64(f.CompressedSize64)
	if long < 0 {
		return 0, fmt.Errorf("its size is not possible")
	}
	if flags&8 != 0 {
		n, err := descriptor(r, body+long, f)
		return long + n, err
	}
	if csize == 0xffffffff || usize == 0xffffffff {
		var err error
		if csize, usize, err = zip64(extra, csize, usize); err != nil {
			return 0, err
		}
	}
	if crc != f.CRC32 || csize != f.CompressedSize64 || usize != f.UncompressedSize64 {
		return 0, fmt.Errorf("local header and directory differ in checksum or sizes")
	}
	return long, nil
}

// field finds an extra field by its id; nil: there is none.
func field(extra []byte, id uint16) []byte {
	for len(extra) >= 4 {
		n := int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			return nil
		}
		if binary.LittleEndian.Uint16(extra) == id {
			return extra[4 : 4+n : 4+n]
		}
		extra = extra[4+n:]
	}
	return nil
}

// secondName refuses a Unicode path field (Info-ZIP, 0x7075) with another name:
// readers that know the field would see that one.
func secondName(extra []byte, name string) error {
	if x := field(extra, 0x7075); len(x) > 5 && string(x[5:]) != name {
		return fmt.Errorf("it has a second name, %q", x[5:])
	}
	return nil
}

// zip64 reads the sizes that do not fit a local header (APPNOTE 4.5.3).
func zip64(extra []byte, csize, usize uint64) (uint64, uint64, error) {
	x := field(extra, 1)
	if len(x) < 16 { // a local header must have both
		return csize, usize, fmt.Errorf("a large file without its ZIP64 sizes")
	}
	return binary.LittleEndian.Uint64(x[8:]), binary.LittleEndian.Uint64(x), nil
}

// descriptor checks the data descriptor behind a body and returns its length.
func descriptor(r io.ReaderAt, at int64, f *zip.File) (int64, error) {
	buf := make([]byte, 24)
	n, err := r.ReadAt(buf, at)
	if err != nil && err != io.EOF {
		return 0, err
	}
	buf = buf[:n]
	le := binary.LittleEndian
	for _, sig := range []int{4, 0} {
		if sig == 4 && !bytes.HasPrefix(buf, []byte("PK\x07\x08")) {
			continue
		}
		b := buf[sig:]
		// The long form first: of an empty file it begins as the short one does.
		if len(b) >= 20 && le.Uint32(b) == f.CRC32 && le.Uint64(b[4:]) == f.CompressedSize64 && le.Uint64(b[12:]) == f.UncompressedSize64 {
			return int64(sig) + 20, nil
		}
		if len(b) >= 12 && le.Uint32(b) == f.CRC32 && uint64(le.Uint32(b[4:])) == f.CompressedSize64 && uint64(le.Uint32(b[8:])) == f.UncompressedSize64 {
			return int64(sig) + 12, nil
		}
	}
	return 0, fmt.Errorf("the data descriptor is missing or differs from the directory")
}
