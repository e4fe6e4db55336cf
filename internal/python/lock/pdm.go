package lock

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// pdmLock is pdm.lock, lock_version 4.x (pdm, project/lockfile/pdmlock.py).
type pdmLock struct {
	Metadata struct {
		Groups      []string `toml:"groups"`
		Strategy    []string `toml:"strategy"`
		LockVersion string   `toml:"lock_version"`
		Targets     []struct {
			RequiresPython string `toml:"requires_python"`
		} `toml:"targets"`
	} `toml:"metadata"`
	Packages []pdmPackage `toml:"package"`
}

type pdmPackage struct {
	Name           string   `toml:"name"`
	Version        string   `toml:"version"`
	Extras         []string `toml:"extras"`
	RequiresPython string   `toml:"requires_python"`
	Groups         []string `toml:"groups"`
	Marker         string   `toml:"marker"`
	Dependencies   []string `toml:"dependencies"`
	Files          []struct {
		File string `toml:"file"`
		URL  string `toml:"url"`
		Hash string `toml:"hash"`
	} `toml:"files"`
	Git          string `toml:"git"`
	Hg           string `toml:"hg"`
	Svn          string `toml:"svn"`
	Bzr          string `toml:"bzr"`
	Ref          string `toml:"ref"`
	Revision     string `toml:"revision"`
	URL          string `toml:"url"`
	Path         string `toml:"path"`
	Editable     bool   `toml:"editable"`
	Subdirectory string `toml:"subdirectory"`
}

func (l *Lock) readPDM(fsys fs.FS, data []byte) error {
	var d pdmLock
	if err := document.TOML(l.Path, data, &d); err != nil {
		return err
	}
	if !strings.HasPrefix(d.Metadata.LockVersion, "4.") && d.Metadata.LockVersion != "4" {
		return fmt.Errorf("%s: lock_version %q is not known here; 4.x is", l.Path, d.Metadata.LockVersion)
	}
	l.Version, l.Generator = d.Metadata.LockVersion, "pdm"
	if t := d.Metadata.Targets; len(t) == 1 {
		l.RequiresPython = t[0].RequiresPython
	}
	groups := d.Metadata.Groups
	w := where{l.Path, document.TableArray(data, "package")}
	inherited := slices.Contains(d.Metadata.Strategy, "inherit_metadata")
	edges := 0
	for i, dp := range d.Packages {
		p, err := w.newPackage(i, dp.Name, dp.Version)
		if err != nil {
			return err
		}
		p.Extras, p.RequiresPython, p.Source = normalAll(dp.Extras), dp.RequiresPython, dp.source()
		if p.Marker, err = marker(dp.Marker); err != nil {
			return w.errorf(i, "%s: %w", p.Name, err)
		}
		for _, f := range dp.Files {
			file := File{Name: f.File, URL: f.URL}
			if file.Name == "" {
				file.Name = baseName(f.URL)
			}
			h, err := parseHash(f.Hash)
			if err != nil {
				return w.errorf(i, "%s: %w", p.Name, err)
			}
			file.Hashes = []Hash{h}
			p.addFile(file)
		}
		for _, s := range dp.Dependencies {
			e, err := edge(s)
			if err != nil {
				return w.errorf(i, "%s: %w", p.Name, err)
			}
			p.Dependencies = append(p.Dependencies, e)
		}
		if edges += len(p.Dependencies); edges > maxEdges {
			return w.errorf(i, "more than %d dependencies", maxEdges)
		}
		for _, g := range dp.Groups {
			if g == "default" {
				p.Main = true
			} else {
				p.Groups = append(p.Groups, requirement.NormalizeName(g))
			}
		}
		groups = append(groups, dp.Groups...)
		l.Packages = append(l.Packages, p)
	}
	proj, err := manifest.Read(fsys, path.Join(path.Dir(l.Path), "pyproject.toml"))
	l.pdmNames(groups, proj)
	if inherited {
		return nil
	}
	// Without inherited metadata only the project says what it needs.
	if err != nil {
		return fmt.Errorf("%s does not say which group needs what (strategy inherit_metadata), so the project is needed: %w", l.Path, err)
	}
	return l.pdmWalk(proj)
}

// pdmNames tells extras of the project from groups: pdm's lock calls both groups.
func (l *Lock) pdmNames(groups []string, proj *manifest.Project) {
	for _, g := range groups {
		n := requirement.NormalizeName(g)
		if n == "default" {
			continue
		}
		optional := proj == nil || slices.Contains(normalAll(sortedKeys(proj.Optional)), n)
		if optional {
			l.Extras = append(l.Extras, n)
		}
		if !optional || proj == nil {
			l.Groups = append(l.Groups, n)
		}
	}
}

// edge reads a PEP 508 requirement as an edge.
func edge(s string) (Dependency, error) {
	r, err := requirement.Parse(strings.TrimPrefix(s, "-e "))
	if err != nil {
		return Dependency{}, fmt.Errorf("dependency %q: %w", s, err)
	}
	return Dependency{Name: requirement.NormalizeName(r.Name), Extras: normalAll(r.Extras), Specifier: r.Specifiers.String(), Marker: r.Marker}, nil
}

func (dp pdmPackage) source() Source {
	for _, v := range []struct{ vcs, url string }{{"git", dp.Git}, {"hg", dp.Hg}, {"svn", dp.Svn}, {"bzr", dp.Bzr}} {
		if v.url != "" {
			return Source{Kind: FromVCS, VCS: v.vcs, URL: v.url, Ref: dp.Ref, Commit: dp.Revision, Subdirectory: dp.Subdirectory}
		}
	}
	switch {
	case dp.Path != "" && dp.Editable:
		return Source{Kind: FromEditable, Path: dp.Path}
	case dp.Path != "" && isArchive(dp.Path):
		return Source{Kind: FromPath, Path: dp.Path}
	case dp.Path != "":
		return Source{Kind: FromDirectory, Path: dp.Path}
	case dp.URL != "":
		return Source{Kind: FromURL, URL: dp.URL, Subdirectory: dp.Subdirectory}
	}
	return Source{Kind: FromIndex}
}

// pdmWalk makes the lock one that follows edges from the project.
func (l *Lock) pdmWalk(proj *manifest.Project) error {
	read := func(reqs []string) ([]Dependency, error) {
		var out []Dependency
		for _, s := range reqs {
			d, err := edge(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", proj.Path, err)
			}
			out = append(out, d)
		}
		return out, nil
	}
	l.graph = &graph{parentExtras: true, choose: l.chooseByRange(false)}
	l.graph.roots = func(t Target) ([]Dependency, error) {
		var reqs []string
		if !t.OnlyGroups {
			reqs = append(reqs, proj.Dependencies...)
			for _, e := range t.Extras {
				reqs = append(reqs, proj.OptionalOf(e)...)
			}
		}
		for _, g := range t.Groups {
			more, err := proj.Group(g)
			if err != nil {
				return nil, err
			}
			reqs = append(reqs, more...)
		}
		return read(reqs)
	}
	return nil
}
