package finding

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable makes text that somebody else wrote safe to show: control
// characters (also the C1 ones that terminals obey), characters that reorder or
// hide text, and bytes that are no UTF-8 appear as escapes such as \x1b. New
// lines and tabs stay.
func Printable(s string) string { return escape(s, "\n\t") }

// PrintableLine is Printable for text that must stay on its line: new lines and
// tabs are escaped too.
func PrintableLine(s string) string { return escape(s, "") }

func escape(s, keep string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || hidden(r) && !strings.ContainsRune(keep, r) {
			b.WriteString(escaped(r, s[i]))
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// escaped is what stands for a rune that must not reach a terminal; first is
// its first byte, which is shown when it is no UTF-8.
func escaped(r rune, first byte) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r == '\r':
		return `\r`
	case r == utf8.RuneError:
		return fmt.Sprintf(`\x%02x`, first)
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// hidden says whether a rune does something to a terminal instead of showing
// itself: control characters, format characters (among them the bidirectional
// ones of "trojan source"), and the separators that some readers break lines at.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029
}

// plain says whether s is printable ASCII, the common case.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
