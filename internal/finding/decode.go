package finding

import (
	"bytes"
	"unicode/utf16"
)

// text is a file's text in UTF-8. Files in UTF-16 say so with a byte order mark;
// positions in them are those of the decoded text.
func text(data []byte) []byte {
	var big bool
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		big = true
	default:
		return data
	}
	units := make([]uint16, (len(data)-2)/2)
	for i := range units {
		a, b := uint16(data[2+2*i]), uint16(data[3+2*i])
		if big {
			a, b = b, a
		}
		units[i] = b<<8 | a
	}
	return []byte(string(utf16.Decode(units)))
}
