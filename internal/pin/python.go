package pin

import (
	"bytes"
	"context"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// pySet is what one "pip install -r FILE" reads: a file and all it includes.
type pySet struct {
	*reqfile.Set
	c           *checker
	path        string
	anyHash     bool
	constraints map[string][]reqfile.Item // by normalised name
	// bad holds the items whose hash pip refuses, which is said elsewhere.
	bad map[int]bool
	// first is the first item that pins a package under a marker.
	first map[pinned]int
	// packages are what the items are compared by.
	packages []pinned
	// bare is the first pinned requirement without a hash, and how many there are.
	bare      int
	bareCount int
	// complete: hash mode holds and every requirement has what it asks for.
	complete bool
}

// pythonFile says which files a requirements file reads, and which of them it
// includes: those are judged with it, not for themselves.
type pythonFile struct{ files, includes []string }

// requirementsFiles checks requirements files: each that no other one includes
// stands for a command, whose hash mode holds for everything it includes. All
// are judged as if they were such; then it is known which ones are.
func (c *checker) requirementsFiles(ctx context.Context, files []source) error {
	answers, err := c.each(ctx, files, (*checker).requirementsFile)
	if err != nil {
		return err
	}
	included := map[string]bool{}
	for i, a := range answers {
		if a.python == nil {
			continue
		}
		for _, name := range a.python.includes {
			included[name] = included[name] || name != files[i].path
		}
	}
	seen := map[string]bool{}
	var kept []*checker
	keep := func(i int) {
		a, f := answers[i], files[i]
		if a == nil || a.python != nil && seen[f.path] {
			return
		}
		kept, answers[i] = append(kept, a), nil
		if a.python == nil {
			return // it cannot be read
		}
		for _, name := range a.python.files {
			seen[name] = seen[name] || included[name] || name == f.path
		}
	}
	for i, f := range files {
		if !included[f.path] {
			keep(i)
		}
	}
	for i := range files { // what is left includes itself in a circle
		keep(i)
	}
	for _, a := range answers {
		if a != nil { // its comments count, whoever includes it
			a.asked = asked{}
			c.adopt(a)
		}
	}
	c.join(kept)
	return nil
}

// requirementsFile judges a requirements file and what it includes.
func (c *checker) requirementsFile(f source) {
	if _, _, ok := c.read(f.path); !ok {
		return
	}
	set, err := reqfile.Parse(c.fsys, f.path, reqfile.Options{Getenv: c.cfg.Getenv, Constraint: f.kind == kindConstraints})
	if err != nil {
		c.say(fileUnreadable(), place{path: f.path}, unreadable(err))
		return
	}
	c.python = &pythonFile{files: set.Files}
	if len(set.Files) > 1 {
		for _, it := range set.Items {
			if p := it.Pos.Path; p != f.path && !it.Constraint && f.kind != kindConstraints && (f.kind == kindManifest) == (kindOf(p) == kindManifest) && !slices.Contains(c.python.includes, p) {
				c.python.includes = append(c.python.includes, p)
			}
		}
	}
	if f.kind == kindManifest {
		c.manifest(f.path, set)
	} else {
		c.requirements(f.path, set)
	}
}

// newSet gathers what the rules ask about a set as a whole.
func (c *checker) newSet(name string, set *reqfile.Set) *pySet {
	s := &pySet{Set: set, c: c, path: name, constraints: map[string][]reqfile.Item{}, bad: map[int]bool{}, first: make(map[pinned]int, len(set.Items)), packages: make([]pinned, len(set.Items)), bare: -1}
	for i, it := range set.Items {
		s.anyHash = s.anyHash || len(it.Hashes) > 0
		if it.Constraint && it.Requirement.Name != "" {
			n := requirement.NormalizeName(it.Requirement.Name)
			s.constraints[n] = append(s.constraints[n], it)
		}
		if _, ok := exact(it.Requirement); ok && it.Kind == reqfile.Named && !it.Constraint {
			s.packages[i] = same(it.Requirement)
			if _, known := s.first[s.packages[i]]; !known {
				s.first[s.packages[i]] = i
			}
		}
	}
	s.refusedHashes()
	s.complete = set.RequireHashes && len(set.Problems) == 0
	for i := range set.Items {
		u := pyUse{&s.Items[i], s, i}
		if !u.consumed() || u.hashed() {
			continue
		}
		s.complete = false
		if _, ok := u.version(); ok && u.Kind == reqfile.Named && !s.bad[i] {
			s.bareCount++
			if s.bare < 0 {
				s.bare = i
			}
		}
	}
	return s
}

// refusedHashes marks the items that a --hash which pip refuses belongs to: of
// each file, the last item before it.
func (s *pySet) refusedHashes() {
	inFile := map[string][]int{}
	for i, it := range s.Items {
		inFile[it.Pos.Path] = append(inFile[it.Pos.Path], i)
	}
	for _, p := range s.Problems {
		if s.c.refusedHash(p.Pos) == noHash {
			continue
		}
		of := inFile[p.Pos.Path]
		n := sort.Search(len(of), func(k int) bool { return !before(s.Items[of[k]].Pos, p.Pos) })
		if n > 0 && len(s.Items[of[n-1]].Hashes) == 0 {
			s.bad[of[n-1]] = true
		}
	}
}

func before(a, b reqfile.Pos) bool { return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column }

// pinned is equal for requirements that cannot be installed together unless they
// agree: those of one package under one marker.
type pinned struct{ name, marker string }

func same(r requirement.Requirement) pinned {
	return pinned{requirement.NormalizeName(r.Name), markerText(r.Marker)}
}

// markerText is a marker's normal spelling, "" for none.
func markerText(m *requirement.Marker) string {
	if m == nil {
		return ""
	}
	return m.String()
}

// at is an item's place. Where it ends with a variable whose value is known,
// reqfile's end is behind the "$"; the whole ${NAME} belongs to it.
func (c *checker) at(p reqfile.Pos) place {
	out := place{p.Path, p.Line, p.Column, p.EndLine, p.EndColumn}
	if l := c.source(p.Path); l != nil {
		text := l.Bytes(p.EndLine)
		if i := p.EndColumn - 1; i > 0 && i < len(text) && text[i-1] == '$' && text[i] == '{' {
			if n := bytes.IndexByte(text[i:], '}'); n > 0 {
				out.endCol += n + 1
			}
		}
	}
	return out
}

// requirements judges a set.
func (c *checker) requirements(name string, set *reqfile.Set) {
	c.problems(set)
	s := c.newSet(name, set)
	c.subjects = slices.Grow(c.subjects, len(set.Items))
	if s.complete {
		c.asked.sets = append(c.asked.sets, hashedSet{name, wheelFolders(name, set)})
	}
	for i := range set.Items {
		u := pyUse{&set.Items[i], s, i}
		at := c.at(u.Pos)
		sub := u.subject()
		judge(c, at, &sub, requirementRules(), u)
		if u.consumed() || u.Kind == reqfile.Remote || u.variable() {
			c.add(at, sub)
		}
		if c.cfg.Source != nil && u.Kind == reqfile.Named && u.consumed() && !s.bad[i] {
			_, named := u.version()
			a := askedRequirement{at: at, req: u.Requirement, text: u.Text, named: named, hashed: u.hashed(), set: name}
			for _, h := range u.Hashes {
				a.hashes = append(a.hashes, h.Algorithm+":"+h.Hex)
			}
			c.askPython(a)
		}
	}
}

// problems reports what pip would refuse.
func (c *checker) problems(set *reqfile.Set) {
	variable := map[reqfile.Pos]bool{}
	for _, it := range set.Items {
		if it.Kind == reqfile.Ignored && hasVariable(it.Text) {
			variable[it.Pos] = true // python/variable says it better
		}
	}
	for _, p := range set.Problems {
		switch {
		case variable[p.Pos]:
		case c.refusedHash(p.Pos) == badHash:
			c.say(pythonBadHash(), c.at(p.Pos), complaint{
				message: finding.PrintableLine(p.Msg), hint: "write --hash=sha256: and 64 hex digits; uv pip compile --generate-hashes writes them",
			})
		case c.refusedHash(p.Pos) == weakHash:
			c.say(pythonWeakHash(), c.at(p.Pos), complaint{
				message: finding.PrintableLine(p.Msg), hint: "write --hash=sha256: and 64 hex digits; uv pip compile --generate-hashes writes them",
			})
		default:
			c.say(pythonUnparsable(), c.at(p.Pos), complaint{
				message: finding.PrintableLine(p.Msg), hint: "pip would stop here; repair the line",
			})
		}
	}
}

// What can be wrong with a --hash.
const (
	noHash   = iota // it is none, or nothing is wrong with its value
	weakHash        // an algorithm that pip does not accept
	badHash         // the wrong number or kind of digits
)

// refusedHash says what is wrong with the --hash option at a place.
func (c *checker) refusedHash(p reqfile.Pos) int {
	value, ok := strings.CutPrefix(c.written(p), "--hash")
	if !ok {
		return noHash
	}
	algo, hex, _ := strings.Cut(strings.TrimLeft(value, "= \t"), ":")
	switch {
	case reqfile.HashDigits(algo) == 0:
		return weakHash
	case !reqfile.IsHash(algo, hex):
		return badHash
	}
	return noHash
}

// written is what stands at a place in the file, before variables are put in, up
// to the end of the place or its first line; "" where that cannot be told.
func (c *checker) written(pos reqfile.Pos) string {
	l := c.source(pos.Path)
	if l == nil {
		return ""
	}
	p := c.at(pos)
	text := l.Bytes(p.line)
	if p.col < 1 || p.col-1 > len(text) {
		return ""
	}
	end := len(text)
	if p.endLine == p.line {
		end = max(p.col-1, min(end, p.endCol-1))
	}
	return string(text[p.col-1 : end])
}

// source is a requirements file's text, nil where positions are not those of its
// bytes (UTF-16).
func (c *checker) source(name string) *finding.Lines {
	l, ok := c.lines[name]
	if !ok {
		data, err := c.bytes(name)
		if err == nil && !wide(data) {
			l = finding.NewLines(data)
		}
		c.lines[name] = l
	}
	return l
}

// compileHint says how a requirements file with exact versions and hashes is made.
func (c *checker) compileHint(file string) string {
	manifest := strings.TrimSuffix(file, path.Ext(file)) + ".in"
	if c.paths[manifest] && shellWord(manifest) != "" && shellWord(file) != "" && manifest != file {
		return "run: uv pip compile --generate-hashes " + manifest + " -o " + file
	}
	return "write name==version with --hash; uv pip compile --generate-hashes requirements.in -o requirements.txt writes such a file"
}
