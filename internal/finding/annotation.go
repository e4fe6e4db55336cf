package finding

import (
	"cmp"
	"slices"
)

// Annotation is a finding as GitHub shows it in a diff. It is a value: the
// runner's limits and escapes are the business of who emits it.
type Annotation struct {
	Level     string // error, warning or notice
	File      string
	Line      int
	EndLine   int
	Col       int // 0 when the annotation spans lines: GitHub takes columns on one line only
	EndColumn int
	Title     string
	Message   string
}

// Annotations turns findings into annotations, worst first, so that a limit cuts
// the least important ones. docs is as in Text.
func Annotations(fs []Finding, docs string) []Annotation {
	fs = slices.Clone(fs)
	slices.SortStableFunc(fs, func(a, b Finding) int { return cmp.Compare(a.Severity.Rank(), b.Severity.Rank()) })
	out := make([]Annotation, 0, len(fs))
	for _, f := range fs {
		a := Annotation{
			Level: string(f.Severity), File: f.Path, Line: f.Line, EndLine: f.EndLine,
			Title: PrintableLine(f.Rule), Message: Printable(f.Message),
		}
		if f.Severity == Note {
			a.Level = "notice"
		}
		if f.Line == f.EndLine {
			// The annotation's end is inclusive, the finding's exclusive.
			a.Col, a.EndColumn = f.Column, max(f.Column, f.EndColumn-1)
		}
		if f.Hint != "" {
			a.Message += "\n" + Printable(f.Hint)
		}
		for _, c := range f.Context {
			a.Message += "\n" + PrintableLine(c)
		}
		a.Message += "\nwhy: " + Page(docs, f.Rule)
		out = append(out, a)
	}
	return out
}
