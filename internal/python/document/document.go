// Package document reads the TOML and JSON files of Python projects: with
// limits, without links that lead out, and with the places of what it read.
// Errors name the file, line and column.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// MaxSize is the most bytes of a file that are read; the largest real locks
// have some 5 MiB.
const MaxSize = 32 << 20

// Pos is a place in a file: line and column count from 1, columns in bytes.
type Pos struct{ Line, Column int }

// Read returns a regular file's bytes.
func Read(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(path.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, reason(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, reason(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("reading %s: it is no regular file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, reason(err))
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("reading %s: larger than %d MiB", name, MaxSize>>20)
	}
	return data, nil
}

// reason drops the path that an fs.PathError repeats.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// TOML decodes data, the text of the file called name, into v.
func TOML(name string, data []byte, v any) error {
	err := toml.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	var d *toml.DecodeError
	if errors.As(err, &d) {
		line, column := d.Position()
		if key := d.Key(); len(key) > 0 {
			return fmt.Errorf("%s:%d:%d: not what is expected here (%s): %w", name, line, column, dotted(key), err)
		}
		return fmt.Errorf("%s:%d:%d: not TOML: %w", name, line, column, err)
	}
	return fmt.Errorf("%s: not TOML: %w", name, err)
}

func dotted(key []string) string {
	s := ""
	for i, k := range key {
		if i > 0 {
			s += "."
		}
		s += k
	}
	return s
}

// JSON decodes data, the text of the file called name, into v.
func JSON(name string, data []byte, v any) error {
	err := json.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	offset := int64(0)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset - 1
	case errors.As(err, &kind):
		offset = kind.Offset - 1
	}
	at := NewLines(data).At(int(max(offset, 0)))
	return fmt.Errorf("%s:%d:%d: not what is expected here: %w", name, at.Line, at.Column, err)
}

// Lines finds the line of an offset.
type Lines struct{ starts []int }

// NewLines notes where the lines of data begin.
func NewLines(data []byte) Lines {
	l := Lines{[]int{0}}
	for i, b := range data {
		if b == '\n' {
			l.starts = append(l.starts, i+1)
		}
	}
	return l
}

// At is the place of a byte offset.
func (l Lines) At(offset int) Pos {
	i := sort.SearchInts(l.starts, offset+1) - 1
	return Pos{i + 1, offset - l.starts[i] + 1}
}

// TableArray lists where the elements of a top-level array of tables stand:
// the places of the headers [[name]], or, where it is written as one value
// (name = [{…}]), the places of its elements. It is in the order in which a
// decoder numbers them.
func TableArray(data []byte, name string) []Pos {
	lines := NewLines(data)
	var out []Pos
	var p unstable.Parser
	p.Reset(data)
	top := true
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table:
			top = false
		case unstable.ArrayTable:
			top = false
			if at, ok := key(e, name); ok {
				pos := lines.At(at)
				pos.Column = max(pos.Column-2, 1) // the brackets
				out = append(out, pos)
			}
		case unstable.KeyValue:
			at, ok := key(e, name)
			if !top || !ok || e.Value().Kind != unstable.Array {
				continue
			}
			for c := e.Value().Children(); c.Next(); {
				out = append(out, lines.At(first(c.Node(), at)))
			}
		}
	}
	return out
}

// key says whether an expression's key is the one word name, and where.
func key(e *unstable.Node, name string) (offset int, ok bool) {
	it := e.Key()
	if !it.Next() || string(it.Node().Data) != name || !it.IsLast() {
		return 0, false
	}
	return int(it.Node().Raw.Offset), true
}

// first is the offset of an inline table's first key, or the fallback.
func first(n *unstable.Node, fallback int) int {
	for c := n.Children(); c.Next(); {
		for k := c.Node().Key(); k.Next(); {
			return int(k.Node().Raw.Offset)
		}
	}
	return fallback
}

// ObjectKeys lists where the keys of a top-level member of a JSON object stand:
// ObjectKeys(data, "default") are the places of the keys in {"default": {…}}.
func ObjectKeys(data []byte, object string) map[string]Pos {
	lines := NewLines(data)
	out := map[string]Pos{}
	dec := json.NewDecoder(bytes.NewReader(data))
	depth, inside := 0, false
	for {
		t, err := dec.Token()
		if err != nil {
			return out
		}
		end := int(dec.InputOffset())
		switch v := t.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			switch {
			case !isKey(data, end):
			case depth == 1:
				inside = v == object
			case depth == 2 && inside:
				if _, twice := out[v]; !twice {
					start := bytes.LastIndexByte(data[:end-1], '"')
					out[v] = lines.At(max(start, 0))
				}
			}
		}
	}
}

// isKey says whether the string that ends at offset is a key: a colon follows.
func isKey(data []byte, end int) bool {
	rest := bytes.TrimLeft(data[min(end, len(data)):], " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}
