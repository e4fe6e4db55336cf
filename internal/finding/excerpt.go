package finding

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// tabStop is where a tab in an excerpt leads to.
const tabStop = 4

// longHash matches digests in lines shown for context, where their digits say
// nothing to a reader.
var longHash = regexp.MustCompile(`(sha(?:256|384|512)[:=])[0-9a-fA-F]{32,}`)

// cell is what one character of a source line takes on a terminal.
type cell struct {
	text  string
	width int
}

// cells lays out a line: tabs become spaces, characters that do something to a
// terminal become escapes, East Asian wide ones take two columns, combining
// ones none. at[i] is the cell that holds byte i of the line.
func cells(line string) (out []cell, at []int) {
	at = make([]int, 0, len(line)+1)
	col := 0
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRuneInString(line[i:])
		c := cell{line[i : i+size], 1}
		switch {
		case r == '\t':
			n := tabStop - col%tabStop
			c = cell{strings.Repeat(" ", n), n}
		case r == utf8.RuneError && size == 1, hidden(r):
			e := escaped(r, line[i])
			c = cell{e, len(e)}
		case unicode.In(r, unicode.Mn, unicode.Me):
			c.width = 0
		default:
			if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
				c.width = 2
			}
		}
		for range size {
			at = append(at, len(out))
		}
		out = append(out, c)
		col += c.width
		i += size
	}
	return out, append(at, len(out))
}

func widthOf(cs []cell) int {
	n := 0
	for _, c := range cs {
		n += c.width
	}
	return n
}

// excerpt is a line as it is shown, with the columns [from, to) of the marked
// bytes. A line wider than room is cut around the mark, with … at the cuts.
func excerpt(line string, start, end, room int) (shown string, from, to int) {
	cs, at := cells(line)
	start = max(0, min(start, len(line)))
	end = max(start, min(end, len(line)))
	a, b := at[start], at[end]
	if end > start && b < len(cs) && at[end-1] == b {
		b++ // the mark ends inside a character: all of it is marked
	}
	lo, hi := 0, len(cs)
	if widthOf(cs) > room {
		// Keep a quarter of the room in front of the mark, and its beginning
		// rather than its end.
		for lo < a && widthOf(cs[lo:a]) > room/4 && widthOf(cs[lo:]) > room-2 {
			lo++
		}
		for used := widthOf(cs[lo:hi]); hi > lo+1 && used > room-2; hi-- {
			used -= cs[hi-1].width
		}
	}
	var s strings.Builder
	if lo > 0 {
		s.WriteString("…")
		from++
	}
	from += widthOf(cs[lo:max(lo, min(a, hi))])
	to = from + widthOf(cs[max(lo, min(a, hi)):max(lo, min(b, hi))])
	for _, c := range cs[lo:hi] {
		s.WriteString(c.text)
	}
	if hi < len(cs) {
		s.WriteString("…")
	}
	return s.String(), from, max(to, from+1)
}

// contextLine is a line without a mark: digests shortened, cut at its end.
func contextLine(line string, room int) string {
	shown, _, _ := excerpt(longHash.ReplaceAllString(line, "$1…"), 0, 0, room)
	return shown
}
