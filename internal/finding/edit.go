package finding

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Apply makes the edits of one file. Edits that are the same count once; edits
// that overlap, or lie outside of the file, are refused.
func Apply(data []byte, edits []Edit) ([]byte, error) {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return a.End - b.End
	})
	edits = slices.Compact(edits)
	var out []byte
	at := 0
	for _, e := range edits {
		if e.Start < at || e.End < e.Start || e.End > len(data) {
			return nil, fmt.Errorf("%s: two fixes want to change the same bytes (%d to %d)", e.Path, e.Start, e.End)
		}
		out = append(append(out, data[at:e.Start]...), e.Text...)
		at = e.End
	}
	return append(out, data[at:]...), nil
}

// diffContext is how many lines a diff shows around a change.
const diffContext = 3

// Diff renders what edits do to a file as a unified diff, as git and patch read
// it. It needs no search for common lines: the edits say what changes.
func Diff(path string, data []byte, edits []Edit) (string, error) {
	after, err := Apply(data, edits)
	if err != nil || bytes.Equal(after, data) {
		return "", err
	}
	edits = slices.Clone(edits)
	slices.SortFunc(edits, func(a, b Edit) int { return a.Start - b.Start })
	edits = slices.Compact(edits)
	old := splitLines(data)
	var b strings.Builder
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", PrintableLine(path), PrintableLine(path))
	changes := changedLines(data, old, edits)
	shift := 0
	for len(changes) > 0 {
		n := 1 // changes whose contexts touch stand in one hunk
		for n < len(changes) && changes[n].from-changes[n-1].to <= 2*diffContext {
			n++
		}
		shift += hunk(&b, old, changes[:n], shift)
		changes = changes[n:]
	}
	return b.String(), nil
}

// change replaces the lines [from, to) of a file.
type change struct {
	from, to int
	lines    []string
}

func splitLines(data []byte) []string {
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// changedLines gathers edits, in order, into changes of whole lines.
func changedLines(data []byte, old []string, edits []Edit) []change {
	starts := make([]int, len(old)+1)
	for i, l := range old {
		starts[i+1] = starts[i] + len(l)
	}
	line := func(offset int) int {
		n, found := slices.BinarySearch(starts, offset)
		if !found {
			n--
		}
		return min(n, max(0, len(old)-1))
	}
	var out []change
	for i := 0; i < len(edits); {
		from, to := line(edits[i].Start), line(max(edits[i].Start, edits[i].End-1))+1
		j := i + 1
		for j < len(edits) && line(edits[j].Start) < to {
			to = max(to, line(max(edits[j].Start, edits[j].End-1))+1)
			j++
		}
		part := make([]Edit, 0, j-i)
		for _, e := range edits[i:j] {
			part = append(part, Edit{Start: e.Start - starts[from], End: e.End - starts[from], Text: e.Text})
		}
		text, _ := Apply(data[starts[from]:starts[min(to, len(old))]], part) // Diff has applied them all
		out = append(out, change{from, to, splitLines(text)})
		i = j
	}
	return out
}

// hunk writes changes that stand together and returns by how many lines they
// shift what follows.
func hunk(b *strings.Builder, old []string, changes []change, shift int) int {
	first, last := max(0, changes[0].from-diffContext), min(len(old), changes[len(changes)-1].to+diffContext)
	grown := 0
	for _, c := range changes {
		grown += len(c.lines) - (c.to - c.from)
	}
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", first+1, last-first, first+1+shift, last-first+grown)
	write := func(mark string, lines []string) {
		for _, l := range lines {
			text, ended := strings.CutSuffix(l, "\n")
			text, cr := strings.CutSuffix(text, "\r")
			b.WriteString(mark + Printable(text) + map[bool]string{true: "\r"}[cr] + "\n")
			if !ended {
				b.WriteString("\\ No newline at end of file\n")
			}
		}
	}
	at := first
	for _, c := range changes {
		write(" ", old[at:c.from])
		write("-", old[c.from:c.to])
		write("+", c.lines)
		at = c.to
	}
	write(" ", old[at:last])
	return grown
}
