package finding

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// WriteJSON prints one document, indented. Characters that do something to a
// terminal are escaped in it, so that JSON may be looked at as well as parsed.
func WriteJSON(w io.Writer, document any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	var out bytes.Buffer
	out.Grow(buf.Len())
	for rest := buf.Bytes(); len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		// encoding/json has escaped the ASCII ones; others stand in strings only.
		switch {
		case r < 0x7f || !hidden(r):
			out.Write(rest[:size])
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		rest = rest[size:]
	}
	_, err := w.Write(out.Bytes())
	return err
}

// List is findings for a JSON document: never null.
func List(fs []Finding) []Finding {
	if fs == nil {
		return []Finding{}
	}
	return fs
}
