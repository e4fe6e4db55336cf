package wheel

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of an archive that is read at all.
const (
	maxEntries  = 200_000
	maxUnpacked = 16 << 30
	maxRatio    = 1200 // deflate itself cannot pass 1032:1
	maxMeta     = 16 << 20
)

// entry is one regular file of the archive.
type entry struct {
	*zip.File
}

// archive is a wheel's zip after every check that can be made without inflating.
type archive struct {
	name    string
	entries []entry
	byName  map[string]entry
}

// openArchive reads the central directory and refuses everything in which two
// readers could see two different archives (uv's list; facts 8.1).
func openArchive(r io.ReaderAt, size int64, name string) (*archive, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("reading wheel %q: "+format, append([]any{name}, args...)...)
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, bad("%w", err)
	}
	if len(z.File) > maxEntries {
		return nil, bad("%d entries are more than %d", len(z.File), maxEntries)
	}
	if i := strings.IndexFunc(z.Comment, func(c rune) bool { return c >= 1 && c <= 8 }); i >= 0 {
		return nil, bad("the archive's comment hides another archive")
	}
	if err := checkTail(r, size, len(z.File), len(z.Comment)); err != nil {
		return nil, bad("%w", err)
	}
	a := &archive{name: name, byName: map[string]entry{}}
	var total uint64
	covered := make([]span, 0, len(z.File))
	for _, f := range z.File {
		if err := checkName(f); err != nil {
			return nil, bad("%w", err)
		}
		sp, err := checkLocal(r, f)
		if err != nil {
			return nil, bad("entry %q: %w", f.Name, err)
		}
		covered = append(covered, sp)
		if _, dup := a.byName[f.Name]; dup {
			return nil, bad("entry %q occurs twice", f.Name)
		}
		if total += f.UncompressedSize64; total > maxUnpacked {
			return nil, bad("unpacks to more than %d bytes", int64(maxUnpacked))
		}
		if f.UncompressedSize64 > 1<<20 && f.UncompressedSize64/maxRatio > f.CompressedSize64 {
			return nil, bad("entry %q unpacks to %d times its size", f.Name, f.UncompressedSize64/max(f.CompressedSize64, 1))
		}
		e := entry{f}
		a.byName[f.Name] = e
		if !strings.HasSuffix(f.Name, "/") {
			a.entries = append(a.entries, e)
		}
	}
	if err := checkOverlap(covered); err != nil {
		return nil, bad("%w", err)
	}
	return a, nil
}

// checkTail looks at what follows the end-of-central-directory record, and that
// the record counts the entries that were found.
func checkTail(r io.ReaderAt, size int64, entries, comment int) error {
	const fixed = 22
	n := min(size, fixed+65535+4096)
	buf := make([]byte, n)
	if _, err := r.ReadAt(buf, size-n); err != nil && err != io.EOF {
		return err
	}
	i := bytes.LastIndex(buf, []byte("PK\x05\x06"))
	if i < 0 || len(buf)-i < fixed {
		return fmt.Errorf("no end of central directory")
	}
	end := i + fixed + int(binary.LittleEndian.Uint16(buf[i+20:]))
	if end > len(buf) {
		return fmt.Errorf("the archive's comment is cut off")
	}
	if rest := bytes.Trim(buf[end:], "\x00"); len(rest) > 0 {
		return fmt.Errorf("%d bytes follow the archive's end", len(rest))
	}
	count := int(binary.LittleEndian.Uint16(buf[i+10:]))
	if count != 0xffff && count != entries {
		return fmt.Errorf("the directory counts %d entries and holds %d", count, entries)
	}
	return nil
}

// checkName refuses names that could be written elsewhere or shown as something else.
func checkName(f *zip.File) error {
	n := f.Name
	switch {
	case n == "" || n == "/":
		return fmt.Errorf("an entry has an empty name")
	case !utf8.ValidString(n):
		return fmt.Errorf("entry %q: the name is not UTF-8", n)
	case strings.ContainsFunc(n, func(r rune) bool { return unicode.Is(unicode.C, r) }):
		return fmt.Errorf("entry %q: the name holds a control character", n)
	case strings.HasPrefix(n, "/") || strings.Contains(n, "\\") || len(n) > 1 && n[1] == ':':
		return fmt.Errorf("entry %q: the path is absolute or not a zip path", n)
	}
	for _, part := range strings.Split(strings.TrimSuffix(n, "/"), "/") {
		if part == ".." || part == "." || part == "" {
			return fmt.Errorf("entry %q: the path leaves its folder", n)
		}
	}
	mode := f.ExternalAttrs >> 16 & 0xf000
	if f.CreatorVersion>>8 == 3 && mode != 0 && mode != 0x8000 && mode != 0x4000 {
		return fmt.Errorf("entry %q: not a regular file (a link or a device)", n)
	}
	if f.Flags&1 != 0 {
		return fmt.Errorf("entry %q: encrypted", n)
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return fmt.Errorf("entry %q: compression method %d is not stored or deflated", n, f.Method)
	}
	if strings.HasSuffix(n, "/") && f.UncompressedSize64 != 0 {
		return fmt.Errorf("entry %q: a folder with content", n)
	}
	return nil
}

// span is the bytes of the file that an entry takes.
type span struct {
	start, end int64
	name       string
}

// checkLocal compares an entry's local header and data descriptor with the
// central directory: readers that trust either must see the same file.
func checkLocal(r io.ReaderAt, f *zip.File) (span, error) {
	body, err := f.DataOffset()
	if err != nil {
		return span{}, fmt.Errorf("no local header: %w", err)
	}
	// The header is 30 bytes, then name and extra field, whose lengths it holds.
	// DataOffset added them; read backwards from the name's known place.
	head, start, err := localHeader(r, body, len(f.Name))
	if err != nil {
		return span{}, err
	}
	le := binary.LittleEndian
	flags, method := le.Uint16(head[6:]), le.Uint16(head[8:])
	crc, csize, usize := le.Uint32(head[14:]), uint64(le.Uint32(head[18:])), uint64(le.Uint32(head[22:]))
	if string(head[30:30+len(f.Name)]) != f.Name {
		return span{}, fmt.Errorf("the local header names %q", head[30:30+len(f.Name)])
	}
	if method != f.Method || flags&^0x0006 != f.Flags&^0x0006 {
		return span{}, fmt.Errorf("local header and directory differ in method or flags")
	}
	end := body + int64(f.CompressedSize64)
	if flags&8 != 0 {
		n, err := descriptor(r, end, f)
		return span{start, end + n, f.Name}, err
	}
	if csize == 0xffffffff || usize == 0xffffffff {
		extra := head[30+len(f.Name):]
		if csize, usize, err = zip64(extra, csize, usize); err != nil {
			return span{}, err
		}
	}
	if crc != f.CRC32 || csize != f.CompressedSize64 || usize != f.UncompressedSize64 {
		return span{}, fmt.Errorf("local header and directory differ in checksum or sizes")
	}
	return span{start, end, f.Name}, nil
}

// localHeader finds and reads the header that ends at body.
func localHeader(r io.ReaderAt, body int64, nameLen int) (head []byte, start int64, err error) {
	for _, window := range []int64{512, 30 + 65535 + 65535} {
		n := min(window, body)
		buf := make([]byte, n)
		if _, err := r.ReadAt(buf, body-n); err != nil && err != io.EOF {
			return nil, 0, err
		}
		for i := len(buf) - 30 - nameLen; i >= 0; i-- {
			if !bytes.HasPrefix(buf[i:], []byte("PK\x03\x04")) {
				continue
			}
			nl, el := int(binary.LittleEndian.Uint16(buf[i+26:])), int(binary.LittleEndian.Uint16(buf[i+28:]))
			if nl == nameLen && i+30+nl+el == len(buf) {
				return buf[i:], body - n + int64(i), nil
			}
		}
	}
	return nil, 0, fmt.Errorf("the local header has another name length than the directory")
}

func zip64(extra []byte, csize, usize uint64) (uint64, uint64, error) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			break
		}
		if id == 1 && n >= 16 {
			return binary.LittleEndian.Uint64(extra[12:]), binary.LittleEndian.Uint64(extra[4:]), nil
		}
		extra = extra[4+n:]
	}
	return csize, usize, fmt.Errorf("a large file without its ZIP64 sizes")
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
		if len(b) >= 12 && le.Uint32(b) == f.CRC32 && uint64(le.Uint32(b[4:])) == f.CompressedSize64 && uint64(le.Uint32(b[8:])) == f.UncompressedSize64 {
			return int64(sig) + 12, nil
		}
		if len(b) >= 20 && le.Uint32(b) == f.CRC32 && le.Uint64(b[4:]) == f.CompressedSize64 && le.Uint64(b[12:]) == f.UncompressedSize64 {
			return int64(sig) + 20, nil
		}
	}
	return 0, fmt.Errorf("the data descriptor is missing or differs from the directory")
}

// checkOverlap refuses entries that share bytes: the way to write a small file
// that unpacks to a huge one.
func checkOverlap(spans []span) error {
	sortSpans(spans)
	for i := 1; i < len(spans); i++ {
		if spans[i].start < spans[i-1].end {
			return fmt.Errorf("entries %q and %q overlap", spans[i-1].name, spans[i].name)
		}
	}
	return nil
}

// small reads a metadata file whole.
func (a *archive) small(name string) ([]byte, bool, error) {
	e, ok := a.byName[name]
	if !ok {
		return nil, false, nil
	}
	if e.UncompressedSize64 > maxMeta {
		return nil, true, fmt.Errorf("reading wheel %q: %q has %d bytes", a.name, name, e.UncompressedSize64)
	}
	data, err := a.content(e)
	return data, true, err
}

// content inflates an entry; archive/zip checks CRC and size at the end.
func (a *archive) content(e entry) ([]byte, error) {
	rc, err := e.Open()
	if err != nil {
		return nil, fmt.Errorf("reading wheel %q: entry %q: %w", a.name, e.Name, err)
	}
	defer rc.Close()
	data, err := io.ReadAll(io.LimitReader(rc, int64(e.UncompressedSize64)+1))
	if err == nil && uint64(len(data)) != e.UncompressedSize64 {
		err = fmt.Errorf("it has another size than the directory says")
	}
	if err != nil {
		return nil, fmt.Errorf("reading wheel %q: entry %q: %w", a.name, e.Name, err)
	}
	return data, nil
}
