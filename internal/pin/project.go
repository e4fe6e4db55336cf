package pin

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/finding"
	projects "github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// project is a pyproject.toml, setup.cfg or setup.py.
type project struct {
	path    string
	depends int  // how many dependencies it declares
	locked  bool // something beside or above it says which versions
}

// buildRequire is a requirement of a build ([build-system] requires, PEP 518).
type buildRequire struct {
	text string
	req  requirement.Requirement
	err  error
}

var projectRules = sync.OnceValue(func() []rule[project] { return []rule[project]{pythonNoLock()} })

var buildRules = sync.OnceValue(func() []rule[buildRequire] { return []rule[buildRequire]{pythonBuildRequires()} })

func pythonNoLock() rule[project] {
	return rule[project]{
		Rule{ID: "python/no-lock", Severity: finding.Warning, Title: "a project declares dependencies and has no lock"},
		func(p project) *complaint {
			if p.depends == 0 || p.locked {
				return nil
			}
			declared := "1 declared dependency"
			if p.depends > 1 {
				declared = fmt.Sprintf("%d declared dependencies", p.depends)
			}
			return &complaint{
				message: declared + " and no lock: each install takes the newest versions of the day, and theirs",
				hint:    "make one and commit it: uv lock, poetry lock, pdm lock, or uv pip compile --generate-hashes pyproject.toml -o requirements.txt; for a library turn this rule off",
			}
		},
	}
}

func pythonBuildRequires() rule[buildRequire] {
	return rule[buildRequire]{
		Rule{ID: "python/build-requires", Severity: finding.Note, Title: "what builds the project is not pinned, and no lock covers it"},
		func(b buildRequire) *complaint {
			if b.err != nil {
				return nil
			}
			if _, ok := exact(b.req); ok || b.req.URL != "" {
				return nil
			}
			return &complaint{
				message: "each build fetches the newest " + quote(b.req.Name) + " that fits and runs it; locks and hashes do not reach what a build needs",
				hint:    "write " + quote(b.req.Name+"==VERSION") + ", or build with pip's --build-constraint",
				state:   Unpinned,
			}
		},
	}
}

// project checks a project's manifest. What it declares is not judged line by
// line: ranges are what a manifest is for, and a lock is what pins them.
func (c *checker) project(f source) {
	data, lines, ok := c.read(f.path)
	if !ok {
		return
	}
	p, at := project{path: f.path}, place{path: f.path, line: 1, col: 1, endLine: 1, endCol: 1}
	switch path.Base(f.path) {
	case "pyproject.toml":
		doc, err := projects.Parse(f.path, data)
		if err != nil {
			at, message := c.placeIn(f.path, err)
			c.say(pythonUnparsable(), at, complaint{message: message, hint: "no tool could install from it; repair the file"})
			return
		}
		p.depends = len(doc.Dependencies)
		for name := range doc.Table("tool", "poetry", "dependencies") {
			if !strings.EqualFold(name, "python") {
				p.depends++
			}
		}
		c.builds(f.path, string(data), lines, doc.BuildRequires)
	case "setup.cfg", "setup.py":
		read := projects.SetupCfg
		if path.Base(f.path) == "setup.py" {
			read = projects.SetupPy
		}
		doc, err := read(c.fsys, f.path)
		if err != nil {
			return // many a setup.cfg is for other tools alone
		}
		p.depends = len(doc.Dependencies)
	}
	if p.depends == 0 {
		return
	}
	if m := dependsKey().FindIndex(data); m != nil {
		at = placeOf(f.path, lines, m[0], m[1])
	}
	p.locked = c.lockedAround(path.Dir(f.path))
	var s Subject
	judge(c, at, &s, projectRules(), p)
}

var dependsKey = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^[ \t]*dependencies\b|^\[tool\.poetry\.dependencies\]|\binstall_requires\b`)
})

// lockedAround says whether a folder or one above it has a lock or a requirements
// file: a workspace has one for all its members.
func (c *checker) lockedAround(dir string) bool {
	for {
		entries, _ := fs.ReadDir(c.fsys, dir)
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			switch kindOf(name) {
			case kindLock, kindRequirements:
				return true
			}
			if e.IsDir() && e.Name() == "requirements" {
				inner, _ := fs.ReadDir(c.fsys, name)
				if slices.ContainsFunc(inner, func(i fs.DirEntry) bool { return strings.HasSuffix(i.Name(), ".txt") }) {
					return true
				}
			}
		}
		if dir == "." {
			return false
		}
		dir = path.Dir(dir)
	}
}

// builds judges the requirements of the build where they stand.
func (c *checker) builds(file, text string, lines *finding.Lines, requires []string) {
	start := strings.Index("\n"+text, "\n[build-system]")
	if start < 0 {
		return // an inline table or dotted keys: rare, and not worth a guess
	}
	section := text[start:]
	if end := strings.Index(section[1:], "\n["); end >= 0 {
		section = section[:end+1]
	}
	for _, r := range requires {
		i := max(strings.Index(section, `"`+r+`"`), strings.Index(section, `'`+r+`'`))
		if i < 0 {
			continue
		}
		at := placeOf(file, lines, start+i+1, start+i+1+len(r))
		b := buildRequire{text: r}
		b.req, b.err = requirement.Parse(r)
		s := Subject{Kind: Python, Name: b.req.Name, Ref: r, State: Pinned, By: "version"}
		judge(c, at, &s, buildRules(), b)
		if b.err == nil {
			c.add(at, s)
			_, named := exact(b.req)
			c.askPython(askedRequirement{at: at, req: b.req, text: r, named: named, hashed: true})
		}
	}
}
