package lock

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/document"
)

var pylockName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^pylock(\.[^.]+)?\.toml$`) })

// FormatOf recognises a lock by its file name; every other name is taken for a
// requirements file.
func FormatOf(name string) Format {
	base := path.Base(name)
	switch {
	case base == "poetry.lock":
		return Poetry
	case base == "Pipfile.lock":
		return Pipfile
	case base == "uv.lock":
		return UV
	case base == "pdm.lock" || strings.HasPrefix(base, "pdm.") && strings.HasSuffix(base, ".lock"):
		return PDM
	case pylockName().MatchString(base):
		return Pylock
	}
	return Requirements
}

// Read reads the lock at name, whatever its format (see FormatOf). getenv gives
// the values of ${VARIABLES} in requirements files; nil expands none. A lock
// that follows edges from the project (uv, poetry 1, pdm without inherited
// metadata) is read together with the pyproject.toml beside it where it does not
// hold the project's own requirements itself.
//
// Errors name the file and line and carry failure.Usage.
func Read(fsys fs.FS, name string, getenv func(string) string) (Lock, error) {
	name = path.Clean(name)
	f := FormatOf(name)
	if f == Requirements {
		return FromRequirements(fsys, name, getenv)
	}
	data, err := document.Read(fsys, name)
	if err != nil {
		hint := ""
		if errors.Is(err, fs.ErrNotExist) {
			hint = "name the lock with --lock"
		}
		return Lock{}, failure.New(failure.Usage, hint, "reading the lock: %w", err)
	}
	l := Lock{Path: name, Format: f}
	switch f {
	case Poetry:
		err = l.readPoetry(fsys, data)
	case Pipfile:
		err = l.readPipfile(data)
	case UV:
		err = l.readUV(data)
	case PDM:
		err = l.readPDM(fsys, data)
	case Pylock:
		err = l.readPylock(data)
	}
	if err != nil {
		return Lock{}, failure.Wrap(failure.Usage, "lock again with the tool that wrote it", fmt.Errorf("reading the lock: %w", err))
	}
	l.indexes()
	slices.Sort(l.Extras)
	l.Extras = slices.Compact(l.Extras)
	slices.Sort(l.Groups)
	l.Groups = slices.Compact(l.Groups)
	return l, nil
}

// indexes notes the indexes that packages name one by one. Where some packages
// name none, the default index stays the first to ask.
func (l *Lock) indexes() {
	if l.Format == Pipfile {
		return // its sources are listed
	}
	var urls []string
	l.IndexURL = ""
	unnamed := false
	for _, p := range l.Packages {
		switch {
		case p.Source.Kind != FromIndex:
		case p.Source.URL == "":
			unnamed = true
		case !slices.Contains(urls, p.Source.URL):
			urls = append(urls, p.Source.URL)
		}
	}
	if !unnamed && len(urls) > 0 {
		l.IndexURL, urls = urls[0], urls[1:]
	}
	l.ExtraIndexURLs = urls
}

// Find picks the lock of a folder, by the first of these steps that finds one:
//
//  1. a lock of a tool or of PEP 751: uv.lock, poetry.lock, pdm.lock,
//     Pipfile.lock, pylock.toml. Where there are several, the tool that
//     pyproject.toml is written for ([tool.uv], [tool.poetry], [tool.pdm])
//     decides; else they are ambiguous;
//  2. requirements.txt, or requirements.lock where there is none.
//
// Ambiguity is an error that names all candidates; fs.ErrNotExist is returned,
// wrapped, where there is none.
func Find(fsys fs.FS, dir string) (string, error) {
	dir = path.Clean(dir)
	there := func(name string) bool {
		info, err := fs.Stat(fsys, path.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	}
	var found []string
	for _, n := range []string{"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml"} {
		if there(n) {
			found = append(found, n)
		}
	}
	if len(found) > 1 {
		if n := byTool(fsys, dir, found); n != "" {
			found = []string{n}
		}
	}
	switch len(found) {
	case 1:
		return path.Join(dir, found[0]), nil
	case 0:
		for _, n := range []string{"requirements.txt", "requirements.lock"} {
			if there(n) {
				return path.Join(dir, n), nil
			}
		}
		return "", failure.New(failure.Usage, "make one: uv lock, poetry lock, pdm lock, pipenv lock, or uv pip compile --generate-hashes requirements.in -o requirements.txt",
			"looking for a lock in %q: %w", dir, fs.ErrNotExist)
	}
	return "", failure.New(failure.Usage, "name one with --lock, or remove what no build uses", "looking for a lock in %q: %s are there, and only one can be right",
		dir, strings.Join(found, " and "))
}

// byTool is the one lock whose tool pyproject.toml configures, or "".
func byTool(fsys fs.FS, dir string, found []string) string {
	data, err := document.Read(fsys, path.Join(dir, "pyproject.toml"))
	if err != nil {
		return ""
	}
	var p struct {
		Tool map[string]any `toml:"tool"`
	}
	if document.TOML("pyproject.toml", data, &p) != nil {
		return ""
	}
	one := ""
	for _, t := range []struct{ tool, lock string }{{"uv", "uv.lock"}, {"poetry", "poetry.lock"}, {"pdm", "pdm.lock"}} {
		if _, ok := p.Tool[t.tool]; !ok || !slices.Contains(found, t.lock) {
			continue
		}
		if one != "" {
			return ""
		}
		one = t.lock
	}
	return one
}
