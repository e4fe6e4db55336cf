package finding

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// WriteJSON prints one document, indented. Characters that do something to a
// terminal are escaped in it, so that JSON may be looked at as well as parsed.
// The lists of a document that is a struct are written item by item: they can be
// long.
func WriteJSON(w io.Writer, document any) error {
	p := newJSONPrinter(w)
	fields, ok := listFields(reflect.ValueOf(document))
	if !ok {
		p.value(document, 0)
		return p.end()
	}
	p.out = append(p.out, '{')
	for i, f := range fields {
		if i > 0 {
			p.out = append(p.out, ',')
		}
		p.newline(1)
		p.value(f.name, 1)
		p.out = append(p.out, ": "...)
		if f.value.Kind() != reflect.Slice || f.value.Len() == 0 {
			p.value(f.value.Interface(), 1)
			continue
		}
		p.list(f.value)
	}
	p.newline(0)
	p.out = append(p.out, '}')
	return p.end()
}

// writeLastList prints a document like WriteJSON, whose last list is empty in it
// and is made and written item by item. The list stands so many levels deep.
func writeLastList(w io.Writer, document any, depth int, items iter.Seq[any]) error {
	var frame bytes.Buffer
	if err := WriteJSON(&frame, document); err != nil {
		return err
	}
	at := bytes.LastIndex(frame.Bytes(), []byte("[]")) + 1
	p := newJSONPrinter(w)
	p.out = append(p.out, frame.Bytes()[:at]...)
	n := 0
	for item := range items {
		if n++; n > 1 {
			p.out = append(p.out, ',')
		}
		p.newline(depth + 1)
		if p.value(item, depth+1); p.err != nil {
			return p.err
		}
	}
	if n > 0 {
		p.newline(depth)
	}
	p.out = append(p.out, frame.Bytes()[at:]...)
	p.flush()
	return p.err
}

// jsonField is a field of a document.
type jsonField struct {
	name  string
	value reflect.Value
}

// listFields are the fields of a document that is a plain struct and has a list
// among them. Whatever else encoding/json knows is left to it.
func listFields(v reflect.Value) (fields []jsonField, ok bool) {
	if v.Kind() != reflect.Struct || special(v.Type()) {
		return nil, false
	}
	list := false
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous || !f.IsExported() || name == "" || name == "-" || options != "" && options != "omitempty":
			return nil, false
		case options == "omitempty" && empty(v.Field(i)):
			continue
		case f.Type.Kind() == reflect.Slice:
			if special(f.Type) || f.Type.Elem().Kind() == reflect.Uint8 {
				return nil, false
			}
			list = true
		}
		fields = append(fields, jsonField{name, v.Field(i)})
	}
	return fields, list
}

func special(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// empty is what omitempty leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.String, reflect.Array:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// jsonPrinter writes values as indented JSON.
type jsonPrinter struct {
	w   io.Writer
	out []byte
	buf bytes.Buffer
	enc *json.Encoder
	err error
}

func newJSONPrinter(w io.Writer) *jsonPrinter {
	p := &jsonPrinter{w: w, out: make([]byte, 0, flushAt+flushAt/8)}
	p.enc = json.NewEncoder(&p.buf)
	p.enc.SetEscapeHTML(false)
	return p
}

// flushAt is how much is gathered before it is written, in bytes.
const flushAt = 64 << 10

func (p *jsonPrinter) flush() {
	if p.err == nil {
		_, p.err = p.w.Write(p.out)
	}
	p.out = p.out[:0]
}

func (p *jsonPrinter) end() error {
	p.out = append(p.out, '\n')
	p.flush()
	return p.err
}

// list writes a list, on all processors if it is long.
func (p *jsonPrinter) list(v reflect.Value) {
	p.out = append(p.out, '[')
	const share = 1024
	parts := make([]*jsonPrinter, runtime.GOMAXPROCS(0))
	for from := 0; from < v.Len() && p.err == nil; {
		var g sync.WaitGroup
		for i := range parts {
			to := min(from+share, v.Len())
			if parts[i] == nil {
				parts[i] = newJSONPrinter(nil)
			}
			items, first := v.Slice(from, to), from == 0
			g.Go(func() { parts[i].items(items, first) })
			if from = to; from == v.Len() {
				parts = parts[:i+1]
				break
			}
		}
		g.Wait()
		for _, part := range parts {
			p.out = append(p.out, part.out...)
			p.err = cmp.Or(p.err, part.err)
			part.out = part.out[:0]
			p.flush()
		}
	}
	p.newline(1)
	p.out = append(p.out, ']')
}

func (p *jsonPrinter) items(v reflect.Value, first bool) {
	for k := range v.Len() {
		if k > 0 || !first {
			p.out = append(p.out, ',')
		}
		p.newline(2)
		item := v.Index(k).Addr().Interface()
		if o, ok := item.(jsonObject); ok {
			o.JSONFields((*JSONFields)(p))
			p.newline(2)
			p.out = append(p.out, '}')
			continue
		}
		p.value(item, 2)
	}
}

// jsonObject is an item that writes its own fields: of some kinds there are tens
// of thousands.
type jsonObject interface{ JSONFields(*JSONFields) }

// JSONFields takes the fields of an object in a list, in the order of its struct.
type JSONFields jsonPrinter

func (f *JSONFields) name(name string) {
	c := byte(',')
	if f.out[len(f.out)-1] == ' ' { // the list's indentation
		c = '{'
	}
	f.out = append(append(append(f.out, c), "\n      \""...), name...)
	f.out = append(f.out, "\": "...)
}

// String writes a field. Its value is escaped as encoding/json and WriteJSON do.
func (f *JSONFields) String(name, value string) {
	f.name(name)
	if plain(value) && !strings.ContainsAny(value, `"\`) {
		f.out = append(append(append(f.out, '"'), value...), '"')
		return
	}
	(*jsonPrinter)(f).value(value, 3)
}

// Int writes a field.
func (f *JSONFields) Int(name string, value int) {
	f.name(name)
	f.out = strconv.AppendInt(f.out, int64(value), 10)
}

// Value writes a field of any kind.
func (f *JSONFields) Value(name string, value any) {
	f.name(name)
	(*jsonPrinter)(f).value(value, 3)
}

// JSONFields writes a finding's fields, as its struct's tags say.
func (f *Finding) JSONFields(out *JSONFields) {
	out.String("rule", f.Rule)
	out.String("severity", string(f.Severity))
	out.String("path", f.Path)
	out.Int("line", f.Line)
	out.Int("column", f.Column)
	out.Int("end_line", f.EndLine)
	out.Int("end_column", f.EndColumn)
	out.String("message", f.Message)
	out.String("hint", f.Hint)
	if len(f.Context) > 0 {
		out.Value("context", f.Context)
	}
	if f.Fix != nil {
		out.Value("fix", f.Fix)
	}
}

func (p *jsonPrinter) newline(depth int) {
	p.out = append(p.out, '\n')
	for range depth {
		p.out = append(p.out, "  "...)
	}
}

// value writes one value; its further lines are indented by depth and more.
func (p *jsonPrinter) value(v any, depth int) {
	if p.err != nil {
		return
	}
	p.buf.Reset()
	if err := p.enc.Encode(v); err != nil {
		p.err = fmt.Errorf("writing JSON: %w", err)
		return
	}
	for in := bytes.TrimSuffix(p.buf.Bytes(), []byte("\n")); len(in) > 0; {
		n := 1
		switch c := in[0]; c {
		case '"':
			n = p.text(in)
		case '{', '[':
			p.out = append(p.out, c)
			if in[1] == c+2 { // ASCII has the closing ones two further
				p.out, n = append(p.out, in[1]), 2
				break
			}
			depth++
			p.newline(depth)
		case '}', ']':
			depth--
			p.newline(depth)
			p.out = append(p.out, c)
		case ',':
			p.out = append(p.out, c)
			p.newline(depth)
		case ':':
			p.out = append(p.out, ": "...)
		default:
			p.out = append(p.out, c)
		}
		in = in[n:]
		if len(p.out) >= flushAt && p.w != nil {
			p.flush()
		}
	}
}

// text writes the string with which in begins, and says how long it is there.
func (p *jsonPrinter) text(in []byte) int {
	i, done := 1, 0
	for in[i] != '"' {
		switch c := in[i]; {
		case c == '\\':
			i += 2
		case c < 0x7f:
			i++
		default:
			r, size := utf8.DecodeRune(in[i:])
			if hidden(r) { // encoding/json has escaped the ASCII ones
				p.out = append(p.out, in[done:i]...)
				p.out = appendEscaped(p.out, r)
				done = i + size
			}
			i += size
		}
	}
	p.out = append(p.out, in[done:i+1]...)
	return i + 1
}

func appendEscaped(out []byte, r rune) []byte {
	if r < 0x10000 {
		return fmt.Appendf(out, `\u%04x`, r)
	}
	r -= 0x10000
	return fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
}

// List is findings for a JSON document: never null.
func List(fs []Finding) []Finding {
	if fs == nil {
		return []Finding{}
	}
	return fs
}
