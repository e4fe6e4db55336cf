// Package source reads Python source without running it: a tokenizer after the
// language reference's lexical analysis (indentation, line joining, all string
// prefixes, f-strings as nested since 3.12), and what a module says about itself
// in the open: its imports and what it assigns at its top level.
//
// Nothing fails: what is not understood is passed over, and a file that is no
// Python yields whatever looks like it.
package source

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSize is the most bytes of a file that are looked at.
const MaxSize = 4 << 20

// Kind is a kind of token.
type Kind int

// The kinds of tokens. Comments, line ends and indentation are none.
const (
	Name Kind = iota
	Number
	String
	Op
)

// Token is one token. Lines and columns count from 1, columns in bytes.
type Token struct {
	Kind   Kind
	Text   string // as written
	Line   int
	Column int
}

// Is says whether the token is this operator or word.
func (t Token) Is(text string) bool { return t.Kind != String && t.Text == text }

// Literal is the value of a plain string; ok is false for other tokens, bytes,
// f-strings and strings with escapes other than of quotes and backslashes.
func (t Token) Literal() (value string, ok bool) {
	if t.Kind != String {
		return "", false
	}
	i := strings.IndexAny(t.Text, `'"`)
	prefix, body := strings.ToLower(t.Text[:i]), t.Text[i:]
	if strings.ContainsAny(prefix, "fbt") {
		return "", false
	}
	n := 1
	if strings.HasPrefix(body, `"""`) || strings.HasPrefix(body, "'''") {
		n = 3
	}
	if len(body) < 2*n || !strings.HasSuffix(body, body[:n]) {
		return "", false // not closed
	}
	body = body[n : len(body)-n]
	if strings.Contains(prefix, "r") || !strings.Contains(body, `\`) {
		return body, true
	}
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		if body[i] == '\\' {
			if i++; i >= len(body) || !strings.ContainsRune(`\'"`, rune(body[i])) {
				return "", false
			}
		}
		b.WriteByte(body[i])
	}
	return b.String(), true
}

// Line is a logical line, or the part of one between semicolons.
type Line struct {
	Indent int // columns, tabs to multiples of 8
	Tokens []Token
}

// Lines tokenizes a file.
func Lines(src []byte) []Line {
	s := &scanner{src: strings.TrimPrefix(string(src[:min(len(src), MaxSize)]), "\ufeff"), line: 1}
	return s.lines()
}

type scanner struct {
	src       string
	pos       int
	line      int
	lineStart int
}

func (s *scanner) lines() []Line {
	var out []Line
	cur := Line{Indent: s.indent()}
	depth := 0
	end := func(indent bool) {
		if len(cur.Tokens) > 0 {
			out = append(out, cur)
		}
		next := cur.Indent
		if indent {
			next = s.indent()
		}
		cur = Line{Indent: next}
	}
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case c == '\n':
			s.newline()
			if depth == 0 {
				end(true)
			}
		case c == ' ' || c == '\t' || c == '\r' || c == '\f':
			s.pos++
		case c == '\\':
			s.pos++ // joins lines; a line end behind it is no end
			for s.pos < len(s.src) && s.src[s.pos] == '\r' {
				s.pos++
			}
			if s.pos < len(s.src) && s.src[s.pos] == '\n' {
				s.newline()
			}
		case c == '#':
			if n := strings.IndexByte(s.src[s.pos:], '\n'); n >= 0 {
				s.pos += n
			} else {
				s.pos = len(s.src)
			}
		case c == ';' && depth == 0:
			s.pos++
			end(false)
		default:
			t := s.token()
			switch {
			case t.Kind != Op:
			case strings.Contains("([{", t.Text):
				depth++
			case strings.Contains(")]}", t.Text) && depth > 0:
				depth--
			}
			cur.Tokens = append(cur.Tokens, t)
		}
	}
	end(false)
	return out
}

func (s *scanner) newline() {
	s.pos++
	s.line++
	s.lineStart = s.pos
}

// indent measures and skips the blanks that a line begins with.
func (s *scanner) indent() int {
	n := 0
	for ; s.pos < len(s.src); s.pos++ {
		switch s.src[s.pos] {
		case ' ':
			n++
		case '\t':
			n += 8 - n%8
		case '\f':
			n = 0
		default:
			return n
		}
	}
	return n
}

// token reads the token at the position; blanks are skipped already.
func (s *scanner) token() Token {
	t := Token{Kind: Op, Line: s.line, Column: s.pos - s.lineStart + 1}
	start := s.pos
	r, size := utf8.DecodeRuneInString(s.src[s.pos:])
	switch {
	case r == '_' || unicode.IsLetter(r):
		t.Kind = Name
		s.while(func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) })
		if s.pos < len(s.src) && (s.src[s.pos] == '"' || s.src[s.pos] == '\'') && isPrefix(s.src[start:s.pos]) {
			t.Kind = String
			s.quoted(strings.ContainsAny(s.src[start:s.pos], "fFtT"))
		}
	case r == '"' || r == '\'':
		t.Kind = String
		s.quoted(false)
	case r >= '0' && r <= '9':
		t.Kind = Number
		s.while(func(r rune) bool { return r == '_' || r == '.' || unicode.IsLetter(r) || unicode.IsDigit(r) })
	default:
		s.pos += size
		for _, op := range []string{"->", ":=", "==", "!=", "<=", ">=", "**", "//"} {
			if strings.HasPrefix(s.src[start:], op) {
				s.pos = start + len(op)
			}
		}
	}
	t.Text = s.src[start:s.pos]
	return t
}

func (s *scanner) while(in func(rune) bool) {
	for s.pos < len(s.src) {
		r, size := utf8.DecodeRuneInString(s.src[s.pos:])
		if !in(r) {
			return
		}
		s.pos += size
	}
}

func isPrefix(s string) bool {
	switch strings.ToLower(s) {
	case "r", "u", "b", "f", "t", "br", "rb", "fr", "rf", "tr", "rt":
		return true
	}
	return false
}

// maxNesting bounds f-strings inside f-strings.
const maxNesting = 20

// quoted skips a string from its opening quote on.
func (s *scanner) quoted(format bool) { s.nested(format, 0) }

func (s *scanner) nested(format bool, level int) {
	quote := s.src[s.pos : s.pos+1]
	if strings.HasPrefix(s.src[s.pos:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	s.pos += len(quote)
	braces := 0
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case braces == 0 && strings.HasPrefix(s.src[s.pos:], quote):
			s.pos += len(quote)
			return
		case c == '\\' && braces == 0:
			s.pos++
			if s.pos < len(s.src) && s.src[s.pos] != '\n' {
				s.pos++
				continue
			}
			if s.pos < len(s.src) {
				s.newline()
			}
		case c == '\n':
			if len(quote) == 1 && braces == 0 {
				return // not closed: the line ends it
			}
			s.newline()
		case format && c == '{' && braces == 0 && strings.HasPrefix(s.src[s.pos:], "{{"):
			s.pos += 2
		case format && c == '{':
			braces++
			s.pos++
		case format && c == '}' && braces > 0:
			braces--
			s.pos++
		case braces > 0 && (c == '"' || c == '\''):
			if strings.HasPrefix(s.src[s.pos:], quote) && (level >= maxNesting || !strings.Contains(s.src[s.pos+len(quote):], quote)) {
				braces = 0 // not closed
				continue
			}
			if level >= maxNesting {
				s.pos++
				continue
			}
			s.nested(false, level+1)
		default:
			s.pos++
		}
	}
}
