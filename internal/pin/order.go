package pin

import (
	"cmp"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// order sorts what was found and keeps each thing once: files that several
// commands read are judged for each of them.
func (c *checker) order() {
	slices.SortStableFunc(c.subjects, func(a, b Subject) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Name, b.Name))
	})
	c.subjects = once(c.subjects, func(a, b Subject) bool { return a.Path == b.Path && a.Line == b.Line && a.Column == b.Column }, (*Subject).merge)
	finding.Sort(c.findings)
	c.findings = once(c.findings, func(a, b finding.Finding) bool { return a.Path == b.Path && a.Line == b.Line && a.Column == b.Column },
		func(a *finding.Finding, b finding.Finding) bool { return sameFinding(*a, b) })
}

// once goes through a list whose like items stand near each other, and keeps an
// item unless one of its neighbours takes it in.
func once[T any](list []T, near func(a, b T) bool, merge func(*T, T) bool) []T {
	const most = 64 // neighbours that are asked, so that a flood of them takes no ages
	out := list[:0]
next:
	for _, item := range list {
		for i := len(out) - 1; i >= max(0, len(out)-most) && near(out[i], item); i-- {
			if merge(&out[i], item) {
				continue next
			}
		}
		out = append(out, item)
	}
	clear(list[len(out):])
	return out
}

// merge takes in the same subject, as another command found it; the worse state
// counts.
func (s *Subject) merge(o Subject) bool {
	if s.Kind != o.Kind || s.Path != o.Path || s.Line != o.Line || s.Column != o.Column || s.Name != o.Name {
		return false
	}
	if s.State == Pinned {
		s.State, s.By = o.State, o.By
	}
	return true
}

// sameFinding says whether two findings say the same of the same place.
func sameFinding(a, b finding.Finding) bool {
	return a.Rule == b.Rule && a.Message == b.Message && a.Path == b.Path && a.Line == b.Line && a.Column == b.Column && a.EndLine == b.EndLine && a.EndColumn == b.EndColumn
}
