package wheel

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"path"
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
	r       io.ReaderAt
	entries []entry
	byName  map[string]entry
}

// openArchive reads the central directory and refuses everything in which two
// readers could see two different archives (uv's list; facts 8.1).
func openArchive(r io.ReaderAt, size int64, name string) (*archive, error) {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("reading wheel %q: "+format, append([]any{name}, args...)...)
	}
	t, err := readTail(r, size)
	if err != nil {
		return nil, bad("%w", err)
	}
	if t.entries > maxEntries {
		return nil, bad("%d entries are more than %d", t.entries, maxEntries)
	}
	if n, err := t.count(r); err != nil {
		return nil, bad("%w", err)
	} else if n != t.entries {
		return nil, bad("the directory's end counts %d entries and the directory holds %d", t.entries, n)
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, bad("%w", err)
	}
	var total uint64
	for _, f := range z.File {
		if err := checkName(f); err != nil {
			return nil, bad("%w", err)
		}
		if total += f.UncompressedSize64; total > maxUnpacked || f.UncompressedSize64 > maxUnpacked {
			return nil, bad("unpacks to more than %d bytes", int64(maxUnpacked))
		}
		if f.UncompressedSize64 > 1<<20 && f.UncompressedSize64/maxRatio > f.CompressedSize64 {
			return nil, bad("entry %q unpacks to %d times its size", f.Name, f.UncompressedSize64/max(f.CompressedSize64, 1))
		}
	}
	if err := checkBodies(r, z.File, t.directory); err != nil {
		return nil, bad("%w", err)
	}
	a := &archive{name: name, r: r, byName: map[string]entry{}}
	for _, f := range z.File {
		e := entry{f}
		if other, dup := a.byName[f.Name]; dup {
			if err := a.same(other, e); err != nil {
				return nil, err
			}
			continue
		}
		a.byName[f.Name] = e
		if !strings.HasSuffix(f.Name, "/") {
			a.entries = append(a.entries, e)
		}
	}
	return a, a.checkFolders()
}

// same refuses a name that occurs twice, unless with the same content and mode:
// published wheels have such repetitions.
func (a *archive) same(x, y entry) error {
	if x.CRC32 == y.CRC32 && x.UncompressedSize64 == y.UncompressedSize64 && x.ExternalAttrs == y.ExternalAttrs {
		p, err := a.sum(x)
		if err != nil {
			return err
		}
		q, err := a.sum(y)
		if err != nil {
			return err
		}
		if p == q {
			return nil
		}
	}
	return fmt.Errorf("reading wheel %q: entry %q occurs twice, with different contents or modes", a.name, x.Name)
}

// checkFolders refuses a name that is a file and a folder.
func (a *archive) checkFolders() error {
	for _, e := range a.entries {
		for dir := path.Dir(e.Name); dir != "."; dir = path.Dir(dir) {
			if _, file := a.byName[dir]; file {
				return fmt.Errorf("reading wheel %q: entry %q is a file, and %q lies below it", a.name, dir, e.Name)
			}
		}
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

// raw is where an entry's bytes are.
func (a *archive) raw(e entry) (*Raw, error) {
	at, err := e.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("reading wheel %q: entry %q: %w", a.name, e.Name, err)
	}
	return &Raw{Archive: a.r, Offset: at, Size: int64(e.CompressedSize64), CRC32: e.CRC32,
		Stored: e.Method == zip.Store, Name: fmt.Sprintf("wheel %q: %q", a.name, e.Name)}, nil
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

// sum inflates an entry once, for its SHA-256; archive/zip verifies the CRC.
func (a *archive) sum(e entry) ([32]byte, error) {
	got, err := a.digest(e, sha256.New())
	if err != nil {
		return [32]byte{}, err
	}
	return [32]byte(got), nil
}

// digest inflates an entry into a hash.
func (a *archive) digest(e entry, h hash.Hash) ([]byte, error) {
	bad := func(err error) error { return fmt.Errorf("reading wheel %q: entry %q: %w", a.name, e.Name, err) }
	rc, err := e.Open()
	if err != nil {
		return nil, bad(err)
	}
	defer rc.Close()
	n, err := io.Copy(h, io.LimitReader(rc, int64(e.UncompressedSize64)+1))
	if err == nil && uint64(n) != e.UncompressedSize64 {
		err = fmt.Errorf("it has another size than the directory says")
	}
	if err != nil {
		return nil, bad(err)
	}
	return h.Sum(nil), nil
}
