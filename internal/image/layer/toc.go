package layer

import (
	"encoding/hex"
	"fmt"
	"strconv"
)

// What makes a layer an eStargz, which runtimes can pull lazily: a table of
// contents as the last file, its place in a footer, and a landmark that says
// that nothing is to be fetched ahead
// (github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md).
const (
	tocName         = "stargz.index.json"
	landmark        = ".no.prefetch.landmark"
	landmarkContent = 0x0f
	modtime         = "1970-01-01T00:00:01Z" // mtime in RFC 3339
)

// tocEntry appends an entry of the table of contents, whose format is ours to
// keep: a changed byte is a changed digest. digest and offset are those of
// non-empty files.
func tocEntry(out []byte, e Entry, offset int64, digest [32]byte) []byte {
	name, kind := e.Path, "reg"
	switch {
	case e.Mode.IsDir():
		name, kind = name+"/", "dir"
	case e.Mode.Type() != 0:
		kind = "symlink"
	}
	out = append(out, `{"name":`...)
	out = quote(out, name)
	out = append(out, `,"type":"`+kind+`"`...)
	if kind == "reg" && e.Size > 0 {
		out = strconv.AppendInt(append(out, `,"size":`...), e.Size, 10)
	}
	out = append(out, `,"modtime":"`+modtime+`"`...)
	if kind == "symlink" {
		out = quote(append(out, `,"linkName":`...), e.Link)
	}
	out = strconv.AppendInt(append(out, `,"mode":`...), permissions(e), 10)
	if kind == "reg" && e.Size > 0 {
		hexed := hex.EncodeToString(digest[:])
		out = strconv.AppendInt(append(out, `,"offset":`...), offset, 10)
		out = append(out, `,"digest":"sha256:`+hexed+`","chunkDigest":"sha256:`+hexed+`"`...)
	}
	return append(out, '}')
}

// quote appends a JSON string; s is UTF-8.
func quote(out []byte, s string) []byte {
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// footer says where the table of contents begins: an empty gzip member of 51
// bytes with an extra field.
func footer(offset int64) []byte {
	out := []byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, 'S', 'G', 22, 0}
	out = fmt.Appendf(out, "%016xSTARGZ", offset)
	return append(out, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0)
}
