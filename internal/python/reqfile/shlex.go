package reqfile

import (
	"errors"
	"strings"
)

// token is one shell-like word and its range in the logical line.
type token struct {
	text       string
	start, end int
}

func separates(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func quotes(c byte) bool { return c == '\'' || c == '"' || c == '\\' }

// shlex splits as Python's shlex.split does (POSIX mode): quotes and
// backslashes, no comments.
func shlex(s string, base int) ([]token, error) {
	if s == "" {
		return nil, nil
	}
	out := make([]token, 0, 4)
	for i := 0; i < len(s); {
		if separates(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && !separates(s[end]) && !quotes(s[end]) {
			end++
		}
		text := s[i:end]
		if end < len(s) && quotes(s[end]) {
			var err error
			if text, end, err = quoted(s, i); err != nil {
				return nil, err
			}
		}
		out = append(out, token{text, base + i, base + end})
		i = end
	}
	return out, nil
}

// quoted reads the word at i, which has quotes or backslashes in it.
func quoted(s string, i int) (word string, end int, err error) {
	var b strings.Builder
	for i < len(s) && !separates(s[i]) {
		switch c := s[i]; c {
		case '\'', '"':
			end := i + 1
			for end < len(s) && s[end] != c {
				if c == '"' && s[end] == '\\' && end+1 < len(s) && (s[end+1] == '"' || s[end+1] == '\\') {
					end++
				}
				b.WriteByte(s[end])
				end++
			}
			if end >= len(s) {
				return "", 0, errors.New("no closing quotation")
			}
			i = end + 1
		case '\\':
			if i+1 >= len(s) {
				return "", 0, errors.New("no escaped character")
			}
			b.WriteByte(s[i+1])
			i += 2
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), i, nil
}
