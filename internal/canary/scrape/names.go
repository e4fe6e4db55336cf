package scrape

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary/expo"
)

// names remembers how series are called: a page writes the same thousand lines
// every few seconds, and most of the time of a look went into their names.
type names struct{ known map[string]name }

// name is a series' key, that without its bound, and the bound of a bucket, NaN
// where there is none.
type name struct {
	key, group string
	le         float64
}

// mostNames bounds what is remembered; pages whose labels never end start over.
const mostNames = 20_000

func (n *names) of(s expo.Series) name {
	if found, ok := n.known[s.Head]; ok && s.Head != "" {
		return found
	}
	made := name{key: key(s, ""), group: key(s, "le"), le: math.NaN()}
	if text, ok := s.Label("le"); ok {
		if le, err := strconv.ParseFloat(text, 64); err == nil {
			made.le = le
		}
	}
	if n.known == nil || len(n.known) >= mostNames {
		n.known = map[string]name{}
	}
	n.known[strings.Clone(s.Head)] = made
	return made
}

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
