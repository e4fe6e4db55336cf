package expo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
)

// Reader reads the pages of one address. A page writes the same lines every few
// seconds with other values: a Reader keeps what it has read of them, so that a
// line costs a comparison and its number. The zero value is ready; it is for one
// goroutine at a time.
type Reader struct {
	in *bufio.Reader
	// last are the lines of the page before in their order, known the same by what
	// stands before their values.
	last  []Series
	known map[string]*Line
	// declared are TYPE comments by their text, order those of the page before.
	declared map[string]*declaration
	order    []*declaration
	types    map[string]string
}

type declaration struct{ metric, kind string }

// slack is how many lines beyond the last page's are kept.
const slack = 1000

// Parse reads the next page. See [Parse]. What it returns stays as it is.
func (r *Reader) Parse(from io.Reader) (Page, error) {
	if r.in == nil {
		r.in = bufio.NewReaderSize(nil, maxLine)
		r.known, r.declared = map[string]*Line{}, map[string]*declaration{}
	}
	r.in.Reset(from)
	defer func() { r.in.Reset(nil); r.forget() }()
	page := Page{Series: make([]Series, 0, len(r.last))}
	order := make([]*declaration, 0, len(r.order))
	lines := 0
	for n := 1; ; n++ {
		raw, err := r.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return Page{}, fmt.Errorf("line %d is longer than %d bytes", n, maxLine)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return Page{}, fmt.Errorf("reading line %d: %w", n, err)
		}
		line := trim(raw)
		switch {
		case len(line) == 0:
		case line[0] == '#':
			lines++
			if d := r.comment(line); d != nil && len(order) < maxSeries {
				order = append(order, d)
			}
		default:
			lines++
			s, perr := r.line(line, len(page.Series))
			if perr != nil {
				return Page{}, fmt.Errorf("line %d: %w", n, perr)
			}
			if err != nil { // a cut value would be a wrong count
				return Page{}, fmt.Errorf("line %d: the page ends in the middle of a line", n)
			}
			if len(page.Series) >= maxSeries {
				return Page{}, fmt.Errorf("line %d: more than %d series", n, maxSeries)
			}
			page.Series = append(page.Series, s)
		}
		if err != nil {
			break
		}
	}
	if lines == 0 {
		return Page{}, ErrEmpty
	}
	page.Types = r.kinds(order)
	r.last = page.Series
	return page, nil
}

// trim takes the line's end and blanks around it away.
func trim(raw []byte) []byte {
	if n := len(raw); n > 0 && raw[n-1] == '\n' {
		raw = raw[:n-1]
	}
	return bytes.Trim(raw, " \t\r")
}

// line reads the page's i-th sample line: mostly the i-th of the page before with
// another value.
func (r *Reader) line(text []byte, i int) (Series, error) {
	if i < len(r.last) {
		if l := r.last[i].Line; len(text) > len(l.head) && string(text[:len(l.head)]) == l.head {
			rest := text[len(l.head):]
			if v, ok := plain(rest); ok {
				return Series{l, v}, nil
			}
			if v, err := value(string(rest)); err == nil {
				return Series{l, v}, nil
			}
		}
	}
	s, err := parseLine(string(text))
	if err != nil {
		return Series{}, err
	}
	if l, ok := r.known[s.head]; ok {
		s.Line = l
	} else {
		r.known[s.head] = s.Line
	}
	return s, nil
}

// plain reads a whole number as counters write it, "17" or "17.0", with nothing
// behind it. All else is left to [value].
func plain(text []byte) (float64, bool) {
	const most = 15 // digits; every such number is a float64
	text = bytes.TrimSuffix(bytes.TrimLeft(text, " \t"), []byte(".0"))
	if len(text) == 0 || len(text) > most {
		return 0, false
	}
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return float64(n), true
}

// comment reads "# TYPE name type"; other comments are for people.
func (r *Reader) comment(line []byte) *declaration {
	if !bytes.Contains(line, []byte("TYPE")) {
		return nil
	}
	if d, ok := r.declared[string(line)]; ok {
		return d
	}
	f := strings.Fields(string(line))
	if len(f) != 4 || f[0] != "#" || f[1] != "TYPE" {
		return nil
	}
	d := &declaration{f[2], f[3]}
	r.declared[string(line)] = d
	return d
}

// kinds are the declared types: the same map while nothing else is declared.
func (r *Reader) kinds(order []*declaration) map[string]string {
	same := r.types != nil && len(order) == len(r.order)
	for i := 0; same && i < len(order); i++ {
		same = order[i] == r.order[i]
	}
	r.order = order
	if !same {
		r.types = make(map[string]string, len(order))
		for _, d := range order {
			r.types[d.metric] = d.kind
		}
	}
	return r.types
}

// forget keeps what is remembered to about a page: labels of some never end.
func (r *Reader) forget() {
	if len(r.known) > 2*len(r.last)+slack {
		clear(r.known)
		for _, s := range r.last {
			r.known[s.head] = s.Line
		}
	}
	if len(r.declared) > 2*len(r.order)+slack {
		used := make(map[*declaration]bool, len(r.order))
		for _, d := range r.order {
			used[d] = true
		}
		maps.DeleteFunc(r.declared, func(_ string, d *declaration) bool { return !used[d] })
	}
}
