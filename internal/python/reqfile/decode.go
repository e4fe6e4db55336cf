package reqfile

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// coding is a PEP 263 comment's encoding.
var coding = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`coding[:=]\s*([-\w.]+)`) })

// decode turns a file's bytes into text as pip does: a byte order mark decides,
// else a PEP 263 comment in the first two lines, else it is UTF-8. What is none
// of these is taken as Latin-1 and reported, so that positions stay those of
// bytes; pip would use the machine's locale.
func decode(data []byte) (text string, offset int, problem string) {
	for _, b := range []struct {
		mark string
		read func([]byte) string
	}{
		{"\xef\xbb\xbf", nil},
		{"\xff\xfe\x00\x00", func(b []byte) string { return utf32(b, binary.LittleEndian) }},
		{"\x00\x00\xfe\xff", func(b []byte) string { return utf32(b, binary.BigEndian) }},
		{"\xff\xfe", func(b []byte) string { return wide(b, binary.LittleEndian) }},
		{"\xfe\xff", func(b []byte) string { return wide(b, binary.BigEndian) }},
	} {
		rest, ok := bytes.CutPrefix(data, []byte(b.mark))
		if !ok {
			continue
		}
		if b.read != nil {
			return b.read(rest), 0, ""
		}
		if !utf8.Valid(rest) {
			return latin1(rest), 3, "marked as UTF-8 and not valid UTF-8"
		}
		return string(rest), 3, ""
	}
	for i, line := range bytes.SplitN(data, []byte("\n"), 3) {
		if i == 2 || len(line) == 0 || line[0] != '#' {
			continue
		}
		m := coding().FindSubmatch(line)
		if m == nil {
			continue
		}
		switch name := strings.ReplaceAll(strings.ToLower(string(m[1])), "_", "-"); name {
		case "latin-1", "latin1", "iso-8859-1", "iso8859-1", "l1":
			return latin1(data), 0, ""
		case "utf-8", "utf8", "u8", "ascii", "us-ascii", "utf-8-sig":
		default:
			return latin1(data), 0, "the encoding that its first lines name is not known here; save the file as UTF-8"
		}
		break
	}
	if utf8.Valid(data) {
		return string(data), 0, ""
	}
	return latin1(data), 0, "not valid UTF-8; read as Latin-1"
}

func latin1(data []byte) string {
	r := make([]rune, len(data))
	for i, b := range data {
		r[i] = rune(b)
	}
	return string(r)
}

func wide(data []byte, order binary.ByteOrder) string {
	u := make([]uint16, len(data)/2)
	for i := range u {
		u[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(u))
}

func utf32(data []byte, order binary.ByteOrder) string {
	r := make([]rune, len(data)/4)
	for i := range r {
		r[i] = rune(order.Uint32(data[4*i:]) & 0x7fffffff)
	}
	return string(r)
}
