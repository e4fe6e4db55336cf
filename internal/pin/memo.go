package pin

import (
	"bytes"
	"io"
	"io/fs"
)

// memo is a file system that keeps what was read while one file is checked:
// several readers ask for the same bytes. It serves one goroutine.
type memo struct {
	fs.FS
	kept map[string]kept
}

// maxKept bounds the files that are kept; larger ones are read as they stand.
const maxKept = 4 << 20

type kept struct {
	info fs.FileInfo
	data []byte
}

func newMemo(fsys fs.FS) memo { return memo{fsys, map[string]kept{}} }

// Stat describes a file without opening it.
func (m memo) Stat(name string) (fs.FileInfo, error) {
	if k, ok := m.kept[name]; ok {
		return k.info, nil
	}
	return fs.Stat(m.FS, name)
}

// Open opens a file, from memory where it was read before.
func (m memo) Open(name string) (fs.File, error) {
	if k, ok := m.kept[name]; ok {
		return &reader{k, *bytes.NewReader(k.data)}, nil
	}
	f, err := m.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxKept {
		return f, nil // its reader meets the error
	}
	defer f.Close()
	buf := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(f, maxKept+1)); err != nil {
		return nil, err
	}
	if buf.Len() > maxKept { // it grew: as it stands
		return m.FS.Open(name)
	}
	k := kept{info, buf.Bytes()}
	m.kept[name] = k
	return &reader{k, *bytes.NewReader(k.data)}, nil
}

// reader is a file in memory.
type reader struct {
	kept
	bytes.Reader
}

func (r *reader) Stat() (fs.FileInfo, error) { return r.info, nil }
func (r *reader) Close() error               { return nil }

var _ fs.StatFS = memo{}
