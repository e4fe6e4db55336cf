package scrape

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary/expo"
)

// key names a series, independent of the order of its labels; without those of
// one name, if it is given.
func key(s expo.Series, without string) string {
	parts, size := make([]expo.Label, 0, 16), len(s.Name)+2
	for _, l := range s.Labels {
		if without == "" || l.Name != without {
			parts, size = append(parts, l), size+len(l.Name)+len(l.Value)+6
		}
	}
	slices.SortFunc(parts, func(a, b expo.Label) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	out := append(make([]byte, 0, size), s.Name...)
	out = append(out, '{')
	for i, l := range parts {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendQuoted(out, l.Name)
		out = append(out, '=')
		out = appendQuoted(out, l.Value)
	}
	return string(append(out, '}'))
}

// appendQuoted is strconv.AppendQuote, quick for what nearly all labels are.
func appendQuoted(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return strconv.AppendQuote(out, s)
		}
	}
	return append(append(append(out, '"'), s...), '"')
}
