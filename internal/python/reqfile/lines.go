package reqfile

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// decode turns a file's bytes into text as pip does: a byte order mark decides,
// else UTF-8 (a PEP 263 comment naming another encoding is reported), else the
// bytes are taken as Latin-1 so that positions stay those of bytes.
func decode(data []byte) (text string, offset int, problem string) {
	u16 := func(big bool) string {
		n := (len(data) - 2) / 2
		u := make([]uint16, n)
		for i := range n {
			a, b := uint16(data[2+2*i]), uint16(data[3+2*i])
			if big {
				u[i] = a<<8 | b
			} else {
				u[i] = b<<8 | a
			}
		}
		return string(utf16.Decode(u))
	}
	switch {
	case strings.HasPrefix(string(data), "\xef\xbb\xbf"):
		return string(data[3:]), 3, ""
	case strings.HasPrefix(string(data), "\xff\xfe\x00\x00"), strings.HasPrefix(string(data), "\x00\x00\xfe\xff"):
		return "", 0, "UTF-32 is not supported; save the file as UTF-8"
	case strings.HasPrefix(string(data), "\xff\xfe"):
		return u16(false), 0, ""
	case strings.HasPrefix(string(data), "\xfe\xff"):
		return u16(true), 0, ""
	case utf8.Valid(data):
		return string(data), 0, ""
	}
	r := make([]rune, len(data))
	for i, b := range data {
		r[i] = rune(b)
	}
	return string(r), 0, "not valid UTF-8; read as Latin-1"
}

// physical is one line of the file as Python's str.splitlines sees it.
type physical struct {
	text  string
	line  int // 1-based, counted by the line ends that editors count
	start int // byte offset in the text
	odd   bool
}

// splitLines splits at every boundary that str.splitlines knows. Only \n, \r\n
// and \r count as lines for positions; a line begun by another boundary is odd:
// a reader that knows only newlines does not see it.
func splitLines(text string) []physical {
	var out []physical
	line, start, odd := 1, 0, false
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		end := i + size
		switch r {
		case '\r':
			if end < len(text) && text[end] == '\n' {
				end++
			}
			fallthrough
		case '\n':
			out = append(out, physical{text[start:i], line, start, odd})
			line, start, odd = line+1, end, false
		case '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
			out = append(out, physical{text[start:i], line, start, odd})
			start, odd = end, true
		}
		i = end
	}
	if start < len(text) {
		out = append(out, physical{text[start:], line, start, odd})
	}
	return out
}

// logical is a line after continuations are joined and comments stripped, with
// the place in the file of each of its bytes.
type logical struct {
	text string
	at   []int // at[i] is the offset in the file's text of text[i]; one more for the end
	line int   // of its first physical line
	odd  bool
}

func (l *logical) append(s string, start int) {
	l.text += s
	for i := range len(s) {
		l.at = append(l.at, start+i)
	}
}

// joinLines joins continuation lines as pip's join_lines does: before comments
// are stripped, a comment line ends a continuation, backslashes at the ends of a
// joined line go.
func joinLines(lines []physical) []logical {
	var out []logical
	var cur *logical
	for _, p := range lines {
		comment := isComment(p.text)
		if !strings.HasSuffix(p.text, "\\") || comment {
			if cur == nil {
				cur = &logical{line: p.line}
			}
			if comment && cur.text != "" {
				// pip puts a space in front so that it is still seen as a comment.
				cur.append(" ", p.start)
			}
			cur.append(p.text, p.start)
			cur.odd = cur.odd || p.odd
			out = append(out, *cur)
			cur = nil
			continue
		}
		if cur == nil {
			cur = &logical{line: p.line}
		}
		cur.odd = cur.odd || p.odd
		body := strings.Trim(p.text, "\\")
		lead := len(p.text) - len(strings.TrimLeft(p.text, "\\"))
		cur.append(body, p.start+lead)
	}
	if cur != nil {
		out = append(out, *cur)
	}
	return out
}

func isComment(s string) bool { return strings.HasPrefix(strings.TrimLeft(s, " \t"), "#") }

// stripComment cuts a comment (white space, or the line's beginning, before "#")
// and surrounding white space.
func (l *logical) stripComment() {
	cut := len(l.text)
	for i := range len(l.text) {
		if l.text[i] == '#' && (i == 0 || strings.IndexByte(" \t\v\f", l.text[i-1]) >= 0) {
			cut = i
			break
		}
	}
	l.slice(0, cut)
	left := len(l.text) - len(strings.TrimLeft(l.text, " \t\v\f\r\n"))
	l.slice(left, max(left, len(strings.TrimRight(l.text, " \t\v\f\r\n"))))
}

func (l *logical) slice(i, j int) {
	l.text, l.at = l.text[i:j], l.at[i:j]
}

// envVar is what pip expands: ${NAME} in capitals, digits and underscores.
var envVar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`) })

// expand puts in the values of ${NAME}; unset and empty ones stay as written.
// All bytes of a value stand where the variable stood.
func (l *logical) expand(getenv func(string) string) {
	var out logical
	last := 0
	for _, m := range envVar().FindAllStringSubmatchIndex(l.text, -1) {
		v := getenv(l.text[m[2]:m[3]])
		if v == "" {
			continue
		}
		out.text += l.text[last:m[0]] + v
		out.at = append(out.at, l.at[last:m[0]]...)
		for range len(v) {
			out.at = append(out.at, l.at[m[0]])
		}
		last = m[1]
	}
	if last == 0 {
		return
	}
	out.text += l.text[last:]
	out.at = append(out.at, l.at[last:]...)
	l.text, l.at = out.text, out.at
}

// token is one shell-like word and its range in the logical line.
type token struct {
	text       string
	start, end int
}

// shlex splits as Python's shlex.split does (POSIX mode): quotes and
// backslashes, no comments.
func shlex(s string, base int) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		if strings.IndexByte(" \t\r\n", s[i]) >= 0 {
			i++
			continue
		}
		start := i
		var b strings.Builder
		for i < len(s) && strings.IndexByte(" \t\r\n", s[i]) < 0 {
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
					return nil, fmt.Errorf("no closing quotation")
				}
				i = end + 1
			case '\\':
				if i+1 >= len(s) {
					return nil, fmt.Errorf("no escaped character")
				}
				b.WriteByte(s[i+1])
				i += 2
			default:
				b.WriteByte(c)
				i++
			}
		}
		out = append(out, token{b.String(), base + start, base + i})
	}
	return out, nil
}
