package reqfile

import (
	"iter"
	"regexp"
	"sort"
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
func splitLines(text string) iter.Seq[physical] {
	return func(yield func(physical) bool) {
		line, start, odd := 1, 0, false
		for i := 0; i < len(text); {
			r, size := rune(text[i]), 1
			if r >= ' ' && r < utf8.RuneSelf {
				i++
				continue
			}
			if r >= utf8.RuneSelf {
				r, size = utf8.DecodeRuneInString(text[i:])
			}
			end := i + size
			switch r {
			case '\r', '\n':
				if r == '\r' && end < len(text) && text[end] == '\n' {
					end++
				}
				if !yield(physical{text[start:i], line, start, odd}) {
					return
				}
				line, start, odd = line+1, end, false
			case '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
				if !yield(physical{text[start:i], line, start, odd}) {
					return
				}
				start, odd = end, true
			}
			i = end
		}
		if start < len(text) {
			yield(physical{text[start:], line, start, odd})
		}
	}
}

// logical is a line after continuations are joined and comments stripped, with
// the places in the file of its pieces.
type logical struct {
	text   string
	skip   int // bytes that were cut off in front of text
	pieces []piece
	line   int // of its first physical line
	odd    bool
	// expanded says that a variable's value stands in the text.
	expanded bool
}

// piece is where a part of a logical line stands in the file.
type piece struct {
	from  int // the offset in the line at which it begins; it ends where the next one begins
	start int // its offset in the file's text
	// width is how many bytes of the file all of it stands for: a ${VARIABLE}. 0
	// says that it is those bytes.
	width int
}

// place is the range of the file's text that the byte at i stands for.
func (l *logical) place(i int) (start, end int) {
	i += l.skip
	n := len(l.pieces) - 1
	if n > 0 {
		n = sort.Search(len(l.pieces), func(k int) bool { return l.pieces[k].from > i }) - 1
	}
	p := l.pieces[n]
	if p.width > 0 {
		return p.start, p.start + p.width
	}
	return p.start + i - p.from, p.start + i - p.from + 1
}

// quote shows a piece of the line in a message, unless the value of a variable
// may stand in it: that can be a secret.
func (l *logical) quote(s string) string {
	if l.expanded {
		return "the value (not shown: a variable stands in the line)"
	}
	return strconv.Quote(s)
}

// joining is a logical line while lines are joined to it.
type joining struct {
	logical
	open   bool
	length int
	first  string // the text of the first piece
	all    []byte // that of all, where there are several
}

func (j *joining) add(s string, start int) {
	switch len(j.pieces) {
	case 0:
		j.first = s
	case 1:
		j.all = append(append(j.all[:0], j.first...), s...)
	default:
		j.all = append(j.all, s...)
	}
	j.pieces = append(j.pieces, piece{from: j.length, start: start})
	j.length += len(s)
}

// joinLines joins continuation lines as pip's join_lines does: before comments
// are stripped, a comment line ends a continuation, backslashes at the ends of a
// joined line go. A line is good until the next one is asked for.
func joinLines(lines iter.Seq[physical]) iter.Seq[*logical] {
	return func(yield func(*logical) bool) {
		var cur joining
		begin := func(p physical) {
			if !cur.open {
				cur.logical = logical{line: p.line, pieces: cur.pieces[:0]}
				cur.length, cur.open = 0, true
			}
			cur.odd = cur.odd || p.odd
		}
		done := func() bool {
			cur.open = false
			if cur.text = cur.first; len(cur.pieces) > 1 {
				cur.text = string(cur.all)
			}
			return yield(&cur.logical)
		}
		for p := range lines {
			begin(p)
			comment := isComment(p.text)
			if strings.HasSuffix(p.text, "\\") && !comment {
				body := strings.Trim(p.text, "\\")
				cur.add(body, p.start+len(p.text)-len(strings.TrimLeft(p.text, "\\")))
				continue
			}
			if comment && cur.length > 0 {
				// pip puts a space in front so that it is still seen as a comment.
				cur.add(" ", p.start)
			}
			cur.add(p.text, p.start)
			if !done() {
				return
			}
		}
		if cur.open {
			done()
		}
	}
}

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func isComment(s string) bool {
	if s == "" || s[0] > '#' && s[0] < utf8.RuneSelf {
		return false
	}
	return strings.HasPrefix(strings.TrimLeftFunc(s, isSpace), "#")
}

// stripComment cuts a comment (white space, or the line's beginning, before "#")
// and surrounding white space.
func (l *logical) stripComment() {
	for i := 0; ; i++ {
		n := strings.IndexByte(l.text[i:], '#')
		if n < 0 {
			break
		}
		i += n
		if before, _ := utf8.DecodeLastRuneInString(l.text[:i]); i == 0 || isSpace(before) {
			l.text = l.text[:i]
			break
		}
	}
	l.text = strings.TrimRightFunc(l.text, isSpace)
	trimmed := strings.TrimLeftFunc(l.text, isSpace)
	l.skip += len(l.text) - len(trimmed)
	l.text = trimmed
}

// envVar is what pip expands: ${NAME} in capitals, digits and underscores.
var envVar = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`) })

// expand puts in the values of ${NAME}; unset and empty ones stay as written.
// All bytes of a value stand where the variable stood.
func (l *logical) expand(getenv func(string) string) {
	if !strings.Contains(l.text, "${") {
		return
	}
	var text strings.Builder
	var pieces []piece
	last := 0
	keep := func(to int) { // what stands between variables
		for last < to {
			k := sort.Search(len(l.pieces), func(k int) bool { return l.pieces[k].from > last+l.skip })
			end := to
			if k < len(l.pieces) {
				end = min(to, l.pieces[k].from-l.skip)
			}
			start, _ := l.place(last)
			pieces = append(pieces, piece{from: text.Len(), start: start})
			text.WriteString(l.text[last:end])
			last = end
		}
	}
	for _, m := range envVar().FindAllStringSubmatchIndex(l.text, -1) {
		v := getenv(l.text[m[2]:m[3]])
		if v == "" {
			continue
		}
		keep(m[0])
		start, _ := l.place(m[0])
		_, end := l.place(m[1] - 1)
		pieces = append(pieces, piece{text.Len(), start, end - start})
		text.WriteString(v)
		last = m[1]
	}
	if len(pieces) == 0 {
		return
	}
	keep(len(l.text))
	l.text, l.skip, l.pieces, l.expanded = text.String(), 0, pieces, true
}
