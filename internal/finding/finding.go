// Package finding holds the one model of "something a person can fix" that every
// Fairlead tool reports, and its renderings (text, JSON, SARIF, annotations,
// summary). It is the lowest package of the house: it imports nothing of ours.
package finding

import (
	"cmp"
	"slices"
)

// Severity orders findings by what they ask of the reader.
type Severity string

// The three severities, worst first.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Rank is 0 for an error, 1 for a warning and 2 for a note, so that sorting by
// rank puts the worst first.
func (s Severity) Rank() int {
	switch s {
	case Error:
		return 0
	case Warning:
		return 1
	default:
		return 2
	}
}

// Verdict is a tool's answer. Missing data is Inconclusive, never Pass.
type Verdict string

// The three verdicts.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Edit replaces the bytes [Start, End) of a file by Text.
type Edit struct {
	Path  string `json:"path"`
	Start int    `json:"start"`
	End   int    `json:"end"`
	Text  string `json:"text"`
}

// Fix is a set of edits that removes the finding, with a phrase for people.
type Fix struct {
	Description string `json:"description"`
	Edits       []Edit `json:"edits,omitempty"`
}

// Finding is one thing to fix at one place. Lines and columns are 1-based;
// columns count bytes, as editors and compilers do for ASCII, and the end is
// exclusive. Path is slash-separated and relative to the checked folder. The
// JSON form is part of the stable contract (design.md, "JSON documents").
type Finding struct {
	Rule      string   `json:"rule"`
	Severity  Severity `json:"severity"`
	Path      string   `json:"path"`
	Line      int      `json:"line"`
	Column    int      `json:"column"`
	EndLine   int      `json:"end_line"`
	EndColumn int      `json:"end_column"`
	Message   string   `json:"message"`
	Hint      string   `json:"hint"`
	// Context is further facts for people, one per line ("read by: Dockerfile:9 …").
	Context []string `json:"context,omitempty"`
	Fix     *Fix     `json:"fix,omitempty"`
}

// Sort orders findings by path, position, severity and rule: the order of every
// rendering but annotations, which go by severity first.
func Sort(fs []Finding) {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Severity.Rank(), b.Severity.Rank()),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

// Count returns how many findings have the severity.
func Count(fs []Finding, s Severity) int {
	n := 0
	for _, f := range fs {
		if f.Severity == s {
			n++
		}
	}
	return n
}
