package workflow

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// reader walks the nodes of one file.
type reader struct {
	src      []byte
	lines    []int // where lines begin, as YAML counts lines
	out      File
	seen     map[*yaml.Node]bool
	defaults runDefaults // of the job that is read
	left     int         // steps that may still be read
	last     struct{ line, col, at int }
}

// open parses the first document of data, as GitHub does.
func open(data []byte) (*reader, *yaml.Node, error) {
	r := &reader{src: data, seen: map[*yaml.Node]bool{}, left: maxSteps}
	r.lines = lineStarts(data)
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, nil, &Problem{Span{}, "it is UTF-16; save it as UTF-8"}
	}
	if at := firstControl(data); at >= 0 {
		return nil, nil, &Problem{Span{at, at + 1}, "not text in UTF-8, or it has a control character that YAML forbids"}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, nil, r.problem(err)
	}
	var doc yaml.Node
	if err := loader.Load(&doc); err != nil {
		return nil, nil, r.problem(err)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 || resolve(doc.Content[0]).Kind != yaml.MappingNode {
		return nil, nil, &Problem{Span{}, "the file is no mapping"}
	}
	return r, resolve(doc.Content[0]), nil
}

// problem gives a YAML error its place in bytes.
func (r *reader) problem(err error) error {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return &Problem{Span{}, "not YAML: the file has no document"}
	}
	msg := load.Message
	if load.ContextMsg != "" {
		msg += ", " + load.ContextMsg
	}
	at := r.offset(load.Mark.Line, load.Mark.Column)
	return &Problem{Span{at, at}, "not YAML: " + msg}
}

// firstControl is the first byte that go-yaml refuses without saying where, or -1.
func firstControl(data []byte) int {
	for i := 0; i < len(data); {
		if c := data[i]; c >= 0x20 && c < 0x7f || c == '\n' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 || r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return i
		}
		i += size
	}
	return -1
}

// lineStarts finds lines as YAML 1.1 does: they end at \n, \r, \r\n, U+0085,
// U+2028 and U+2029. A byte order mark takes no column.
func lineStarts(data []byte) []int {
	begin := 0
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		begin = 3
	}
	starts := append(make([]int, 0, bytes.Count(data, []byte("\n"))+2), begin)
	for i := begin; i < len(data); {
		if c := data[i]; c >= 0x20 && c < 0x7f {
			i++
			continue
		}
		c, size := utf8.DecodeRune(data[i:])
		i += size
		switch c {
		case '\r':
			if i < len(data) && data[i] == '\n' {
				i++
			}
			starts = append(starts, i)
		case '\n', 0x85, 0x2028, 0x2029:
			starts = append(starts, i)
		}
	}
	return starts
}

// offset turns YAML's line and column (in characters, both from 1) into bytes.
func (r *reader) offset(line, column int) int {
	if line < 1 || line > len(r.lines) {
		return len(r.src)
	}
	// Most positions come in order: go on from the last one of the line.
	col, at := 1, r.lines[line-1]
	if r.last.line == line && r.last.col <= column {
		col, at = r.last.col, r.last.at
	}
	for ; col < column && at < len(r.src); col++ {
		_, size := utf8.DecodeRune(r.src[at:])
		at += size
	}
	r.last.line, r.last.col, r.last.at = line, col, at
	return at
}

// span is the bytes of a scalar's value: without quotes, anchors and tags, and
// for a block scalar its text below the indicator. A value that is not written
// as it reads (escapes, folding) gets the rest of its first line.
func (r *reader) span(n *yaml.Node) Span {
	at := r.offset(n.Line, n.Column)
	for at < len(r.src) && (r.src[at] == '&' || r.src[at] == '!') {
		at += len(r.src[at:]) - len(bytes.TrimLeftFunc(r.src[at:], notSpace))
		at += len(r.src[at:]) - len(bytes.TrimLeft(r.src[at:], " \t\r\n"))
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		if i := bytes.IndexAny(r.src[at:], "\r\n"); i >= 0 {
			at += i
		}
		at += len(r.src[at:]) - len(bytes.TrimLeft(r.src[at:], " \t\r\n"))
	}
	value := []byte(strings.TrimSpace(n.Value))
	if i := bytes.Index(r.src[at:min(len(r.src), at+len(value)+64)], value); i >= 0 && len(value) > 0 {
		return Span{at + i, at + i + len(value)}
	}
	end := at
	for end < len(r.src) && end < at+maxLine && r.src[end] != '\n' && r.src[end] != '\r' {
		end++
	}
	return Span{at, at + len(bytes.TrimRight(r.src[at:end], " \t"))}
}

// maxLine is how much of a long line is looked at behind a value.
const maxLine = 4096

func notSpace(c rune) bool { return !strings.ContainsRune(" \t\r\n", c) }

// comment is the comment behind offset at on its line.
func (r *reader) comment(at int) string {
	rest := r.src[at:min(len(r.src), at+maxLine)]
	if i := bytes.IndexAny(rest, "\r\n"); i >= 0 {
		rest = rest[:i]
	}
	for i, c := range rest {
		if c == '#' && (i == 0 || rest[i-1] == ' ' || rest[i-1] == '\t') {
			return strings.TrimSpace(string(rest[i+1:]))
		}
	}
	return ""
}

// once says whether a node is met for the first time: what an alias repeats is
// one subject.
func (r *reader) once(n *yaml.Node) bool {
	if r.seen[n] {
		return false
	}
	r.seen[n] = true
	return true
}

// pair is one entry of a mapping.
type pair struct {
	key   string
	value *yaml.Node
}

// pairs lists a mapping's entries, duplicates too, aliases resolved, merge keys
// followed.
func (r *reader) pairs(n *yaml.Node) []pair { return pairsDepth(n, 0) }

func pairsDepth(n *yaml.Node, depth int) []pair {
	n = resolve(n)
	if n.Kind != yaml.MappingNode || depth > 10 {
		return nil
	}
	out := make([]pair, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), resolve(n.Content[i+1])
		if key.Value == "<<" && value.Kind == yaml.MappingNode {
			out = append(out, pairsDepth(value, depth+1)...)
			continue
		}
		out = append(out, pair{key.Value, value})
	}
	return out
}

// get lists the values of a mapping's key: several if it is duplicated.
func (r *reader) get(n *yaml.Node, key string) []*yaml.Node {
	var out []*yaml.Node
	for _, p := range r.pairs(n) {
		if p.key == key {
			out = append(out, p.value)
		}
	}
	return out
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	for range 10 {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}
