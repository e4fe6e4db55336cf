package devcontainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tidwall/jsonc"
)

// Span is the byte range [Start, End) of the file.
type Span struct{ Start, End int }

// node is a value with its place.
type node struct {
	span    Span
	value   any // string, bool, json.Number or nil; for an object or a list, its delimiter
	members []member
	items   []node
}

type member struct {
	name  string
	span  Span // of the name, without its quotes
	value node
}

// Problem is why a file cannot be read, and where.
type Problem struct {
	Offset int
	Msg    string
}

// Error says what is wrong; the place is for the caller to tell.
func (p *Problem) Error() string { return p.Msg }

// Limits of what is read.
const (
	maxDepth = 100
	maxNodes = 100000
)

// parse reads JSON with comments and trailing commas, as editors do.
func parse(data []byte) (node, error) {
	begin := 0
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		begin = 3
	}
	// It has the same length, with spaces where comments were.
	plain := jsonc.ToJSON(data[begin:])
	if !utf8.Valid(plain) {
		return node{}, &Problem{begin, "it is not UTF-8"}
	}
	p := &parser{dec: json.NewDecoder(bytes.NewReader(plain)), src: plain, base: begin, left: maxNodes}
	p.dec.UseNumber()
	n, err := p.value(0)
	if err == nil {
		if _, err = p.dec.Token(); errors.Is(err, io.EOF) {
			return n, nil
		}
		if err == nil {
			err = errors.New("more follows behind the value")
		}
	}
	var known *Problem
	if errors.As(err, &known) {
		return node{}, err
	}
	at := int(p.dec.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = max(at, int(syntax.Offset)-1)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		at, err = len(plain), errors.New("it ends too early")
	}
	return node{}, &Problem{begin + min(at, len(plain)), "not JSON: " + err.Error()}
}

type parser struct {
	dec  *json.Decoder
	src  []byte
	base int
	left int
}

// token is the next one with its place.
func (p *parser) token() (json.Token, Span, error) {
	start := int(p.dec.InputOffset())
	for start < len(p.src) && bytes.IndexByte([]byte(" \t\r\n,:"), p.src[start]) >= 0 {
		start++
	}
	t, err := p.dec.Token()
	if p.left--; p.left < 0 && err == nil {
		err = &Problem{p.base + start, fmt.Sprintf("it has more than %d values", maxNodes)}
	}
	return t, Span{p.base + start, p.base + int(p.dec.InputOffset())}, err
}

func (p *parser) value(depth int) (node, error) {
	t, span, err := p.token()
	if err != nil {
		return node{}, err
	}
	n := node{span: span, value: t}
	if depth > maxDepth {
		return n, &Problem{span.Start, "it nests too deeply"}
	}
	switch t {
	case json.Delim('{'):
		for p.dec.More() {
			name, at, err := p.token()
			if err != nil {
				return n, err
			}
			text, ok := name.(string)
			if !ok {
				return n, &Problem{at.Start, "a name is expected here"}
			}
			v, err := p.value(depth + 1)
			if err != nil {
				return n, err
			}
			n.members = append(n.members, member{text, Span{at.Start + 1, at.End - 1}, v})
		}
	case json.Delim('['):
		for p.dec.More() {
			v, err := p.value(depth + 1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, v)
		}
	default:
		return n, nil
	}
	_, end, err := p.token()
	n.span.End = end.End
	return n, err
}

// text is a string's value and, for each of its bytes, where it stands in the
// file; what an escape stands for stands at its backslash.
func (n node) text(data []byte) (s string, at []int, ok bool) {
	s, ok = n.value.(string)
	if !ok {
		return "", nil, false
	}
	for i := n.span.Start + 1; i < n.span.End-1 && len(at) < len(s); {
		size, width := 1, 1
		if data[i] == '\\' && i+1 < n.span.End {
			size = 2
			if data[i+1] == 'u' {
				size = 6
				r, _ := utf8.DecodeRuneInString(s[len(at):])
				if width = utf8.RuneLen(r); r > 0xffff {
					size = 12
				}
			}
		}
		for range width {
			at = append(at, i)
		}
		i += size
	}
	if len(at) != len(s) {
		return s, nil, true
	}
	return s, at, true
}

// inside is the place of a string without its quotes.
func (n node) inside() Span { return Span{n.span.Start + 1, n.span.End - 1} }

// quote writes a word for a shell, and where each byte of it stands.
func quote(s string, at []int, whole Span) (string, []int) {
	out, places := []byte{'\''}, []int{whole.Start}
	for i := range len(s) {
		where := whole.Start
		if at != nil {
			where = at[i]
		}
		if s[i] == '\'' {
			out, places = append(out, `'\''`...), append(places, where, where, where, where)
			continue
		}
		out, places = append(out, s[i]), append(places, where)
	}
	return string(append(out, '\'')), append(places, whole.End-1)
}
