package finding

import (
	"bytes"
	"sort"
	"unicode/utf8"
)

// Lines finds lines and columns in a file's bytes, counted as Finding counts
// them: lines end at \n, \r\n or a lone \r, columns are bytes from 1.
type Lines struct {
	src   []byte
	start []int
}

// NewLines indexes src, which must not change afterwards.
func NewLines(src []byte) *Lines {
	l := &Lines{src: src, start: make([]int, 1, bytes.Count(src, []byte("\n"))+2)}
	lone := bytes.IndexByte(src, '\r') >= 0
	for i := 0; ; {
		n := bytes.IndexByte(src[i:], '\n')
		if lone {
			n = bytes.IndexAny(src[i:], "\r\n")
		}
		if n < 0 {
			return l
		}
		if i += n + 1; src[i-1] == '\n' || i == len(src) || src[i] != '\n' {
			l.start = append(l.start, i)
		}
	}
}

// Position is the line and column of the byte at offset. Offsets outside the
// file are taken to its nearest end.
func (l *Lines) Position(offset int) (line, column int) {
	offset = max(0, min(offset, len(l.src)))
	line = sort.SearchInts(l.start, offset+1)
	return line, offset - l.start[line-1] + 1
}

// Line is the text of a 1-based line without its end; "" for a line that the
// file lacks.
func (l *Lines) Line(n int) string { return string(l.Bytes(n)) }

// Bytes are the bytes of a line as Line gives them, in the file's own memory.
func (l *Lines) Bytes(n int) []byte {
	if n < 1 || n > len(l.start) {
		return nil
	}
	end := len(l.src)
	if n < len(l.start) {
		end = l.start[n]
	}
	for end > l.start[n-1] && (l.src[end-1] == '\n' || l.src[end-1] == '\r') {
		end--
	}
	return l.src[l.start[n-1]:end:end]
}

// Offset is the byte at a line and column, as Position counts them; the nearest
// end of the file for those that it lacks.
func (l *Lines) Offset(line, column int) int {
	if line < 1 {
		return 0
	}
	if line > len(l.start) {
		return len(l.src)
	}
	return max(0, min(l.start[line-1]+column-1, len(l.src)))
}

// characterColumn turns a column in bytes into one in characters, which is what
// SARIF counts.
func (l *Lines) characterColumn(line, column int) int {
	text := l.Line(line)
	if column-1 > len(text) {
		return utf8.RuneCountInString(text) + 1
	}
	return utf8.RuneCountInString(text[:max(0, column-1)]) + 1
}

// sources reads every file of a rendering once.
type sources struct {
	read  func(path string) []byte
	lines map[string]*Lines
}

func newSources(read func(string) []byte) *sources {
	return &sources{read, map[string]*Lines{}}
}

// of is a file's lines, nil where it cannot be read.
func (s *sources) of(path string) *Lines {
	if s.read == nil || path == "" {
		return nil
	}
	l, ok := s.lines[path]
	if !ok {
		if data := s.read(path); data != nil {
			l = NewLines(text(data))
		}
		s.lines[path] = l
	}
	return l
}
