package image

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// never enters an image, whatever an ignore file says: version control, other
// machines' virtual environments (found by their pyvenv.cfg) and bytecode.
func never(fsys fs.FS, name string, dir bool) bool {
	base := path.Base(name)
	if !dir {
		return strings.HasSuffix(base, ".pyc") || strings.HasSuffix(base, ".pyo") || base == ".DS_Store"
	}
	if base == ".git" || base == "__pycache__" || name == ".venv" {
		return true
	}
	_, err := fs.Stat(fsys, name+"/pyvenv.cfg")
	return err == nil
}

// usually stays out when there is no .dockerignore to say it: tools' caches and
// files that hold secrets by convention.
var usually = []string{
	".env", ".env.*", ".hg", ".svn", ".tox", ".nox", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".coverage",
	".idea", ".vscode", "node_modules", "*.egg-info", ".netrc", ".pypirc",
}

// ignorer says what of a context stays out. enter is called for each folder
// before its content, parents first.
type ignorer interface {
	enter(dir string) error
	ignores(name string, dir bool) (bool, error)
	// prune says whether an ignored folder's content needs no look.
	prune() bool
}

func newIgnorer(fsys fs.FS) (ignorer, error) {
	raw, err := fs.ReadFile(fsys, ".dockerignore")
	if errors.Is(err, fs.ErrNotExist) {
		return &gitRules{fsys: fsys}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading .dockerignore: %w", err)
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(raw))
	if err == nil {
		var m *patternmatcher.PatternMatcher
		if m, err = patternmatcher.New(patterns); err == nil {
			return &dockerRules{m: m, parents: map[string]patternmatcher.MatchInfo{}}, nil
		}
	}
	return nil, failure.New(failure.Usage, "patterns are as in Docker's documentation of .dockerignore", "reading .dockerignore: %w", err)
}

// dockerRules are .dockerignore's, by Docker's own matcher.
type dockerRules struct {
	m       *patternmatcher.PatternMatcher
	parents map[string]patternmatcher.MatchInfo
}

func (d *dockerRules) enter(string) error { return nil }
func (d *dockerRules) prune() bool        { return !d.m.Exclusions() }

func (d *dockerRules) ignores(name string, dir bool) (bool, error) {
	hit, info, err := d.m.MatchesUsingParentResults(name, d.parents[path.Dir(name)])
	if err != nil {
		return false, failure.New(failure.Usage, "", "matching %q with .dockerignore: %w", name, err)
	}
	if dir {
		d.parents[name] = info
	}
	return hit, nil
}

// gitRules are those of .gitignore files, and the usual ones.
type gitRules struct {
	fsys     fs.FS
	patterns []gitignore.Pattern
}

func (g *gitRules) prune() bool { return true }

func (g *gitRules) enter(dir string) error {
	raw, err := fs.ReadFile(g.fsys, path.Join(dir, ".gitignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading .gitignore: %w", err)
	}
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		g.patterns = append(g.patterns, gitignore.ParsePattern(line, domain))
	}
	return nil
}

func (g *gitRules) ignores(name string, dir bool) (bool, error) {
	for _, p := range usually {
		if ok, err := path.Match(p, path.Base(name)); err == nil && ok {
			return true, nil
		}
	}
	return gitignore.NewMatcher(g.patterns).Match(strings.Split(name, "/"), dir), nil
}
