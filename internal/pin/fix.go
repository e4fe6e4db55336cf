package pin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// fix gives findings the edits that pin what they are about, from the answers of
// the source. A finding that cannot be fixed says why.
func (c *checker) fix(ctx context.Context, findings []finding.Finding, excepted []Excepted) {
	wants := c.wants(findings, excepted)
	src, a := c.cfg.Source, c.answers
	fetch(ctx, a, a.refs, distinct(wants, func(w want) string {
		if w.action == nil {
			return ""
		}
		return fold(w.action.use.repository)
	}), src.Refs)
	fetch(ctx, a, a.digests, distinct(wants, func(w want) string {
		if w.image == nil {
			return ""
		}
		return tagged(w.image.use.ref)
	}), src.Digest)
	var projects []string
	for _, w := range wants {
		for _, p := range w.python {
			projects = append(projects, requirement.NormalizeName(p.req.Name))
		}
	}
	fetch(ctx, a, a.releases, distinct(projects, func(s string) string { return s }), src.Releases)
	files := map[string]*fixed{}
	for _, w := range wants {
		f := &findings[w.finding]
		done, err := c.fixOne(w, files)
		switch {
		case err != nil:
			f.Context = append(f.Context, "not fixed: "+finding.PrintableLine(err.Error()))
		case done != nil:
			f.Fix = done
		}
	}
}

// want is a finding that a source may help to fix, with what it is about.
type want struct {
	finding int
	action  *askedAction
	image   *askedImage
	python  []askedRequirement
	hash    bool // hashes are wanted, too
}

// wants finds the things that findings are about.
func (c *checker) wants(findings []finding.Finding, excepted []Excepted) []want {
	bare := map[string]bool{} // files that may do without hashes
	for _, e := range excepted {
		bare[e.Finding.Path] = bare[e.Finding.Path] || e.Finding.Rule == "python/no-hash"
	}
	asked := c.severity(pythonNoHash().Rule, "") != ""
	at := func(p place) string { return fmt.Sprint(p.path, ":", p.line, ":", p.col) }
	actions, images, python := map[string]*askedAction{}, map[string]*askedImage{}, map[string]askedRequirement{}
	for i := range c.asked.actions {
		actions[at(c.asked.actions[i].at)] = &c.asked.actions[i]
	}
	for i := range c.asked.images {
		images[at(c.asked.images[i].at)] = &c.asked.images[i]
	}
	for _, p := range c.asked.python {
		if old, ok := python[at(p.at)]; !ok || old.hashed {
			python[at(p.at)] = p
		}
	}
	var out []want
	for i, f := range findings {
		w := want{finding: i}
		here := at(place{path: f.Path, line: f.Line, col: f.Column})
		switch f.Rule {
		case "action/not-pinned", "action/look-alike", "action/no-version-comment", "action/comment-mismatch":
			w.action = actions[here]
		case "image/not-pinned", "docker/syntax":
			w.image = images[here]
		case "python/not-pinned", "python/wildcard", "python/mixed-hashes", "command/not-pinned":
			if p, ok := python[here]; ok {
				// A version alone would be the next finding.
				w.python, w.hash = []askedRequirement{p}, c.hashMode(p) || p.set != "" && asked && !bare[p.at.path] && !bare[p.set]
			}
		case "python/no-hash":
			if p, ok := python[here]; ok {
				w.python, w.hash = c.bareOf(p.set), true
			}
		}
		if w.action != nil || w.image != nil || len(w.python) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// hashMode says whether the command that reads a requirement wants hashes: one
// without would make it fail.
func (c *checker) hashMode(p askedRequirement) bool {
	if p.set == "" {
		return false
	}
	for _, q := range c.asked.python {
		if q.set == p.set && len(q.hashes) > 0 {
			return true
		}
	}
	return false
}

// bareOf are the requirements of a set that have a version and no hash.
func (c *checker) bareOf(set string) []askedRequirement {
	var out []askedRequirement
	for _, p := range c.asked.python {
		if p.set == set && set != "" && p.named && !p.hashed {
			out = append(out, p)
		}
	}
	return out
}

// fixed is a file that edits are made for.
type fixed struct {
	data  []byte
	lines *finding.Lines
}

func (c *checker) toFix(name string, files map[string]*fixed) (*fixed, error) {
	if f, ok := files[name]; ok {
		return f, nil
	}
	data, err := c.bytes(name)
	if err != nil {
		return nil, err
	}
	f := &fixed{data, finding.NewLines(data)}
	files[name] = f
	return f, nil
}

// errWritten says that something is not written as it reads, and so has no bytes
// that could be replaced.
var errWritten = errors.New("it is put together from parts; change it by hand")

// find is where text stands in a place, which must hold it once.
func (f *fixed) find(at place, text string) (int, error) {
	start, end := f.lines.Offset(at.line, at.col), f.lines.Offset(at.endLine, at.endCol)
	if start > end || text == "" || strings.Count(string(f.data[start:end]), text) != 1 {
		return 0, errWritten
	}
	return start + strings.Index(string(f.data[start:end]), text), nil
}

func (c *checker) fixOne(w want, files map[string]*fixed) (*finding.Fix, error) {
	switch {
	case w.action != nil:
		f, err := c.toFix(w.action.at.path, files)
		if err != nil {
			return nil, err
		}
		return c.fixAction(*w.action, f)
	case w.image != nil:
		f, err := c.toFix(w.image.at.path, files)
		if err != nil {
			return nil, err
		}
		return c.fixImage(*w.image, f)
	}
	var out *finding.Fix
	for _, p := range w.python {
		f, err := c.toFix(p.at.path, files)
		if err != nil {
			return nil, err
		}
		one, err := c.fixRequirement(p, w.hash, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.req.Name, err)
		}
		if out == nil {
			out = one
			continue
		}
		out.Description = fmt.Sprintf("add the hashes of %d releases", len(w.python))
		out.Edits = append(out.Edits, one.Edits...)
	}
	return out, nil
}
