package pin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// fix gives findings the edits that pin what they are about, from the answers of
// the source. A finding that cannot be fixed says why.
func (c *checker) fix(ctx context.Context, findings []finding.Finding, excepted []Excepted) {
	sets := c.bySet()
	wants := c.wants(findings, excepted, sets)
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
	open := c.openSets(ctx, wants, sets)
	files := map[string]*fixed{}
	for _, w := range wants {
		f := &findings[w.finding]
		if w.hash && len(w.python) > 0 {
			if why := open[w.python[0].set]; why != "" {
				f.Context = append(f.Context, "no hashes written: "+why)
				if w.hash = false; f.Rule == "python/no-hash" || f.Rule == "python/mixed-hashes" {
					continue
				}
			}
		}
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
func (c *checker) wants(findings []finding.Finding, excepted []Excepted, sets map[string]set) []want {
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
		case "python/not-pinned", "python/wildcard", "python/mixed-hashes", "python/build-requires", "python/script-not-locked", "command/not-pinned":
			if p, ok := python[here]; ok {
				// A version alone would be the next finding.
				w.python, w.hash = []askedRequirement{p}, sets[p.set].hashes || p.set != "" && asked && !bare[p.at.path] && !bare[p.set]
			}
		case "python/no-hash":
			if p, ok := python[here]; ok {
				w.python, w.hash = sets[p.set].bare(), true
			}
		}
		if w.action != nil || w.image != nil || len(w.python) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// set is what one command reads as requirements files.
type set struct {
	requirements []askedRequirement
	// hashes says that the command wants them: a requirement without would make it
	// fail.
	hashes bool
}

// bySet are the requirements that were found, by the file that a command reads.
func (c *checker) bySet() map[string]set {
	out := map[string]set{}
	for _, p := range c.asked.python {
		if p.set == "" {
			continue // a command's own words
		}
		s := out[p.set]
		s.requirements = append(s.requirements, p)
		s.hashes = s.hashes || len(p.hashes) > 0
		out[p.set] = s
	}
	return out
}

// bare are the requirements that have a version and no hash.
func (s set) bare() []askedRequirement {
	var out []askedRequirement
	for _, p := range s.requirements {
		if p.named && !p.hashed {
			out = append(out, p)
		}
	}
	return out
}

// openSets are the requirements files that lack what their packages need, with
// why: hashes there would make pip refuse to install anything.
func (c *checker) openSets(ctx context.Context, wants []want, sets map[string]set) map[string]string {
	out := map[string]string{}
	for _, w := range wants {
		for _, p := range w.python {
			if _, done := out[p.set]; !w.hash || done {
				continue
			}
			out[p.set] = ""
			l := c.lockOf(p.set, sets[p.set].requirements)
			if err := c.fetchRequires(ctx, l.Packages); err != nil {
				out[p.set] = "whether the file lists every dependency could not be asked: " + finding.PrintableLine(err.Error())
				continue
			}
			if gaps := gapsOf(l, known{answers: c.answers}); len(gaps) > 0 {
				g := gaps[0]
				out[p.set] = fmt.Sprintf("%s needs %s, which the file does not have", g.Package.Name, g.Needs.String())
				if n := len(gaps) - 1; n > 0 {
					out[p.set] += fmt.Sprintf(" (and %d more)", n)
				}
				out[p.set] += "; with hashes pip would refuse to install it"
			}
		}
	}
	return out
}

// lockOf is a requirements file as a lock, with the versions that fixes choose.
func (c *checker) lockOf(name string, requirements []askedRequirement) lock.Lock {
	l := lock.Lock{Path: name, Format: lock.Requirements}
	for _, p := range requirements {
		v, ok := exact(p.req)
		if !ok {
			best, err := choose(p, c.answers.releases[requirement.NormalizeName(p.req.Name)].value)
			if err != nil {
				continue
			}
			v = best.Version
		}
		l.Packages = append(l.Packages, lock.Package{Name: requirement.NormalizeName(p.req.Name), Version: v, Extras: p.req.Extras, Marker: p.req.Marker, Main: true,
			Source: lock.Source{Kind: lock.FromIndex}, Path: p.at.path, Line: p.at.line, Column: p.at.col})
	}
	return l
}

// fixed is a file that edits are made for.
type fixed struct {
	data  []byte
	lines *finding.Lines
	flow  *flow // nil until an action in it is fixed
}

func (c *checker) toFix(name string, files map[string]*fixed) (*fixed, error) {
	if f, ok := files[name]; ok {
		return f, nil
	}
	data, err := c.bytes(name)
	if err != nil {
		return nil, err
	}
	f := &fixed{data: data, lines: finding.NewLines(data)}
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
