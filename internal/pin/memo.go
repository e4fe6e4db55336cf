package pin

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"time"
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
	if plain, ok := m.FS.(plainReader); ok {
		if data, err := plain.ReadPlain(name, maxKept); err == nil {
			return m.keep(name, kept{fileInfo{name, int64(len(data))}, data}), nil
		}
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
	return m.keep(name, kept{info, buf.Bytes()}), nil
}

func (m memo) keep(name string, k kept) fs.File {
	m.kept[name] = k
	return &reader{k, *bytes.NewReader(k.data)}
}

// reader is a file in memory.
type reader struct {
	kept
	bytes.Reader
}

func (r *reader) Stat() (fs.FileInfo, error) { return r.info, nil }
func (r *reader) Close() error               { return nil }

var _ fs.StatFS = memo{}

// fileInfo describes a file that was read by the short way.
type fileInfo struct {
	path string
	size int64
}

func (i fileInfo) Name() string       { return path.Base(i.path) }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return 0o444 }
func (i fileInfo) ModTime() time.Time { return time.Time{} }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return nil }
