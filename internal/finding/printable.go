package finding

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable makes text that anybody may have written safe to show: control
// characters and direction marks, which could move the cursor, hide or reorder
// what is read, become visible escapes. Newlines and tabs stay.
func Printable(s string) string {
	bad := func(r rune) bool {
		return r != '\n' && r != '\t' && (unicode.Is(unicode.C, r) || r == unicode.ReplacementChar || r == 0x2028 || r == 0x2029)
	}
	if strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !bad(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
