package reqfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

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
	at   []int // at[i] is the offset in the file's text of text[i]
	to   []int // and to[i] the end of what it stands for: a byte, or a ${VARIABLE}
	line int   // of its first physical line
	odd  bool
	// expanded says that a variable's value stands in the text.
	expanded bool
	build    []byte // text while lines are joined
}

func (l *logical) append(s string, start int) {
	l.build = append(l.build, s...)
	for i := range len(s) {
		l.at, l.to = append(l.at, start+i), append(l.to, start+i+1)
	}
}

// done ends the joining of lines.
func (l *logical) done() logical {
	l.text, l.build = string(l.build), nil
	return *l
}

// quote shows a piece of the line in a message, unless the value of a variable
// may stand in it: that can be a secret.
func (l *logical) quote(s string) string {
	if l.expanded {
		return "the value (not shown: a variable stands in the line)"
	}
	return strconv.Quote(s)
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
			if comment && len(cur.build) > 0 {
				// pip puts a space in front so that it is still seen as a comment.
				cur.append(" ", p.start)
			}
			cur.append(p.text, p.start)
			cur.odd = cur.odd || p.odd
			out = append(out, cur.done())
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
		out = append(out, cur.done())
	}
	return out
}

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func isComment(s string) bool { return strings.HasPrefix(strings.TrimLeftFunc(s, isSpace), "#") }

// stripComment cuts a comment (white space, or the line's beginning, before "#")
// and surrounding white space.
func (l *logical) stripComment() {
	cut := len(l.text)
	space := true
	for i, r := range l.text {
		if r == '#' && space {
			cut = i
			break
		}
		space = isSpace(r)
	}
	l.slice(0, cut)
	left := len(l.text) - len(strings.TrimLeftFunc(l.text, isSpace))
	l.slice(left, max(left, len(strings.TrimRightFunc(l.text, isSpace))))
}

func (l *logical) slice(i, j int) {
	l.text, l.at, l.to = l.text[i:j], l.at[i:j], l.to[i:j]
}

// envVar is what pip expands: ${NAME} in capitals, digits and underscores.
var envVar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`) })

// expand puts in the values of ${NAME}; unset and empty ones stay as written.
// All bytes of a value stand where the variable stood.
func (l *logical) expand(getenv func(string) string) {
	out := logical{}
	var text strings.Builder
	last := 0
	for _, m := range envVar().FindAllStringSubmatchIndex(l.text, -1) {
		v := getenv(l.text[m[2]:m[3]])
		if v == "" {
			continue
		}
		text.WriteString(l.text[last:m[0]] + v)
		out.at, out.to = append(out.at, l.at[last:m[0]]...), append(out.to, l.to[last:m[0]]...)
		for range len(v) {
			out.at, out.to = append(out.at, l.at[m[0]]), append(out.to, l.to[m[1]-1])
		}
		last = m[1]
	}
	if last == 0 {
		return
	}
	text.WriteString(l.text[last:])
	out.at, out.to = append(out.at, l.at[last:]...), append(out.to, l.to[last:]...)
	l.text, l.at, l.to, l.expanded = text.String(), out.at, out.to, true
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
