// Package reqfile reads requirements files as pip reads them (pip's
// req_file.py): encodings, str.splitlines, continuations, comments, ${VARIABLES},
// options, nested files, hash mode; and keeps for everything the place in the
// file where it stands.
//
// It never opens a file outside the given file system and never the network: a
// remote -r or -c is an item for the caller to judge.
package reqfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Limits of what is read.
const (
	maxFile  = 16 << 20
	maxFiles = 256
)

// Kind says what an item is.
type Kind string

// The kinds of items.
const (
	Named    Kind = "requirement" // a PEP 508 requirement, possibly "name @ url"
	Editable Kind = "editable"    // -e
	URL      Kind = "url"         // a bare URL or file
	VCS      Kind = "vcs"         // git+https://…
	Local    Kind = "local"       // a path
	Remote   Kind = "remote"      // -r or -c with a URL
	Ignored  Kind = "ignored"     // something that pip reads and does not use
	Option   Kind = "option"      // a file option such as --index-url
)

// Pos is a place in a file: 1-based lines, 1-based columns in bytes of the
// file's text (for UTF-16 files: of its UTF-8 form), end exclusive.
type Pos struct {
	Path               string
	Line, Column       int
	EndLine, EndColumn int
}

// Hash is one --hash option.
type Hash struct{ Algorithm, Hex string }

// Item is one line's meaning.
type Item struct {
	Kind       Kind
	Constraint bool // in a file read with -c
	Pos        Pos  // of Text
	Text       string
	// Requirement is set for Named, and for URL and VCS items with a name.
	Requirement requirement.Requirement
	Hashes      []Hash
	// Name and Value are an Option's ("--index-url", "https://…").
	Name, Value string
	// From is where the file that holds the item was included, "" for the first.
	From string
	// Odd says that the item stands on a line that only Python sees as one:
	// behind a vertical tab, form feed or Unicode line separator.
	Odd bool
}

// Problem is something that pip would refuse, or that could not be read.
type Problem struct {
	Pos Pos
	Msg string
}

// Set is the meaning of a requirements file and of all that it includes.
type Set struct {
	Items    []Item
	Problems []Problem
	Files    []string // in the order they were first read
	// RequireHashes is hash mode: --require-hashes, or any hash anywhere while
	// --no-require-hashes is absent.
	RequireHashes   bool
	NoRequireHashes bool
}

// Options of Parse.
type Options struct {
	// Getenv gives the values of ${VARIABLES}; nil expands nothing.
	Getenv func(string) string
	// Constraint reads the first file as a constraints file.
	Constraint bool
}

// Parse reads the file at name in fsys and everything it includes. It returns an
// error only when the first file cannot be read; all else becomes a Problem.
func Parse(fsys fs.FS, name string, o Options) (*Set, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	p := &parser{fsys: fsys, getenv: o.Getenv, set: &Set{}, seen: map[string]bool{}}
	if err := p.file(path.Clean(name), o.Constraint, "", nil); err != nil {
		return nil, err
	}
	s := p.set
	for _, it := range s.Items {
		switch {
		case it.Kind == Option && it.Name == "--require-hashes":
			s.RequireHashes = true
		case it.Kind == Option && it.Name == "--no-require-hashes":
			s.NoRequireHashes = true
		}
	}
	for _, it := range s.Items {
		s.RequireHashes = s.RequireHashes || len(it.Hashes) > 0 && !s.NoRequireHashes
	}
	return s, nil
}

type parser struct {
	fsys   fs.FS
	getenv func(string) string
	set    *Set
	seen   map[string]bool
}

// source is the file being read.
type source struct {
	path       string
	text       string
	shift      int // bytes of the file before text (a BOM)
	lineStart  []int
	near       int // the line that was last found
	constraint bool
	from       string
	stack      []string
}

func (p *parser) file(name string, constraint bool, from string, stack []string) error {
	f, err := p.fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := contents(f, name)
	if err != nil {
		return err
	}
	p.set.Files = append(p.set.Files, name)
	src := &source{path: name, constraint: constraint, from: from, stack: append(stack, name)}
	var problem string
	src.text, src.shift, problem = decode(data)
	src.lineStart = lineStarts(src.text)
	if problem != "" {
		p.problem(src.pos(0, 0), "%s", problem)
	}
	p.set.Items = slices.Grow(p.set.Items, min(len(src.lineStart)-strings.Count(src.text, "\\\n"), 256))
	for l := range joinLines(splitLines(src.text)) {
		l.stripComment()
		if l.text == "" {
			continue
		}
		l.expand(p.getenv)
		p.line(src, l)
	}
	return nil
}

// contents reads a file of which no more is known than its name.
func contents(f fs.File, name string) ([]byte, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a directory")}
	}
	buf := bytes.NewBuffer(make([]byte, 0, min(info.Size(), maxFile)+bytes.MinRead))
	n, err := buf.ReadFrom(io.LimitReader(f, maxFile+1))
	if err == nil && n > maxFile {
		err = &fs.PathError{Op: "read", Path: name, Err: errors.New("larger than 16 MiB")}
	}
	return buf.Bytes(), err
}

// lineStarts are the offsets at which lines begin.
func lineStarts(text string) []int {
	out := make([]int, 1, strings.Count(text, "\n")+2)
	for i := 0; ; {
		n := strings.IndexAny(text[i:], "\r\n")
		if n < 0 {
			return out
		}
		if i += n + 1; text[i-1] == '\n' || i == len(text) || text[i] != '\n' {
			out = append(out, i)
		}
	}
}

// pos turns offsets in the text into a position.
func (s *source) pos(start, end int) Pos {
	out := Pos{Path: s.path}
	out.Line, out.Column = s.lineColumn(start)
	out.EndLine, out.EndColumn = s.lineColumn(end)
	return out
}

// lineColumn begins to look where the last question was answered: the file is
// read from top to bottom.
func (s *source) lineColumn(off int) (line, column int) {
	n := s.near
	for hops := 0; n+1 < len(s.lineStart) && s.lineStart[n+1] <= off; n++ {
		if hops++; hops > 8 {
			n = len(s.lineStart) // far away
			break
		}
	}
	if n >= len(s.lineStart) || s.lineStart[n] > off {
		n = sort.SearchInts(s.lineStart, off+1) - 1
	}
	s.near = n
	if n == 0 {
		off += s.shift
	}
	return n + 1, off - s.lineStart[n] + 1
}

// span is the position of l.text[i:j].
func (s *source) span(l *logical, i, j int) Pos {
	if l.text == "" {
		return s.pos(0, 0)
	}
	i = min(i, len(l.text)-1)
	start, end := l.place(i)
	if j > i+1 {
		_, end = l.place(min(j, len(l.text)) - 1)
	}
	return s.pos(start, end)
}

// splitOptions divides a line as pip's break_args_options does: everything from
// the first space-separated word that begins with "-" is options.
func splitOptions(s string) int {
	if strings.HasPrefix(s, "-") {
		return 0
	}
	if i := strings.Index(s, " -"); i >= 0 {
		return i + 1
	}
	return len(s)
}

func (p *parser) line(src *source, l *logical) {
	cut := splitOptions(l.text)
	req := strings.TrimRight(l.text[:cut], " \t")
	opts, err := shlex(l.text[cut:], cut)
	if err != nil {
		p.problem(src.span(l, 0, len(l.text)), "reading the options: %v", err)
		if req == "" {
			return
		}
	}
	if req == "" {
		p.options(src, l, opts)
		return
	}
	it := p.requirement(src, l, req, 0)
	it.Hashes = p.requirementOptions(src, l, opts)
	p.set.Items = append(p.set.Items, it)
}

func (p *parser) problem(at Pos, format string, args ...any) {
	p.set.Problems = append(p.set.Problems, Problem{at, sprintf(format, args...)})
}
