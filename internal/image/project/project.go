// Package project says what an installation of a Python project would hold,
// without running its build backend. It knows setuptools as configured in
// pyproject.toml: a file that setuptools would leave out of the wheel is left
// out here, so that a forgotten template is missed in the image's tests and not
// in production.
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// Tree is a project's folder: the files that may be used, and reading them.
type Tree interface {
	// Names lists the regular files, slash-separated and relative.
	Names() []string
	// Read returns a file's content, also of one that Names leaves out; a missing
	// one gives an error that Is fs.ErrNotExist.
	Read(name string) ([]byte, error)
	// Executable says whether a file of Names has the executable bit.
	Executable(name string) bool
}

// Unsupported says why a project's installation cannot be told statically.
type Unsupported string

// Error returns the reason.
func (u Unsupported) Error() string { return string(u) }

// Project is what an installation of a project holds.
type Project struct {
	Name    string // as written
	Version string
	// Files maps a path below site-packages to the file of the tree.
	Files map[string]string
	// Notes are what a person should know.
	Notes []string

	meta metadata
}

// document is the part of pyproject.toml that decides what is installed.
type document struct {
	BuildSystem *struct {
		Requires    []string `toml:"requires"`
		Backend     string   `toml:"build-backend"`
		BackendPath []string `toml:"backend-path"`
	} `toml:"build-system"`
	Project *metadata `toml:"project"`
	Tool    struct {
		Setuptools options `toml:"setuptools"`
	} `toml:"tool"`
}

// options are [tool.setuptools], as its documentation names them.
type options struct {
	Packages           any                 `toml:"packages"`
	PyModules          []string            `toml:"py-modules"`
	PackageDir         map[string]string   `toml:"package-dir"`
	PackageData        map[string][]string `toml:"package-data"`
	ExcludePackageData map[string][]string `toml:"exclude-package-data"`
	IncludePackageData *bool               `toml:"include-package-data"`
	DataFiles          map[string][]string `toml:"data-files"`
	ExtModules         []any               `toml:"ext-modules"`
	ScriptFiles        []string            `toml:"script-files"`
	CmdClass           map[string]string   `toml:"cmdclass"`
	Dynamic            map[string]any      `toml:"dynamic"`
}

// Read reads pyproject.toml. An Unsupported error says why the project's
// installation is not known here; its text is empty when there is no project at
// all (no pyproject.toml, or one that only configures tools).
func Read(t Tree) (*Project, error) {
	raw, err := t.Read("pyproject.toml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Unsupported("")
	}
	if err != nil {
		return nil, failure.New(failure.Usage, "", "reading pyproject.toml: %w", err)
	}
	var d document
	if err := toml.Unmarshal(raw, &d); err != nil {
		return nil, failure.New(failure.Usage, "", "reading pyproject.toml%s: %w", position(err), err)
	}
	if why := supported(t, d); why != nil {
		return nil, *why
	}
	l := &layout{tree: t, names: t.Names(), options: d.Tool.Setuptools, dirs: map[string]string{}}
	slices.Sort(l.names)
	if err := l.find(); err != nil {
		return nil, err
	}
	p := &Project{Name: d.Project.Name, meta: *d.Project, Files: map[string]string{}}
	if err := l.collect(p.Files); err != nil {
		return nil, err
	}
	if p.Version, err = l.version(*d.Project); err != nil {
		return nil, err
	}
	for _, what := range []struct {
		there bool
		name  string
	}{{len(l.options.DataFiles) > 0, "data-files"}, {len(l.options.ScriptFiles) > 0, "script-files"}} {
		if what.there {
			p.Notes = append(p.Notes, "pyproject.toml: [tool.setuptools] "+what.name+" are not installed")
		}
	}
	return p, nil
}

// Declared is what pyproject.toml says of a project whose files are copied
// instead of installed: its name, version, requirements and entry points, and no
// files. With it, the copy is an installation to importlib.metadata, and its
// commands are there. ok is false where name or version are not to be read.
func Declared(t Tree) (p *Project, ok bool) {
	raw, err := t.Read("pyproject.toml")
	if err != nil {
		return nil, false
	}
	var d document
	if toml.Unmarshal(raw, &d) != nil || d.Project == nil || d.Project.Name == "" || d.Project.Version == "" || slices.Contains(d.Project.Dynamic, "version") {
		return nil, false
	}
	v, err := version.Parse(d.Project.Version)
	if err != nil {
		return nil, false
	}
	return &Project{Name: d.Project.Name, Version: v.String(), Files: map[string]string{}, meta: *d.Project}, true
}

func position(err error) string {
	var d *toml.DecodeError
	if !errors.As(err, &d) {
		return ""
	}
	line, column := d.Position()
	return fmt.Sprintf(":%d:%d", line, column)
}

// supported says what stands in the way of telling an installation statically.
func supported(t Tree, d document) *Unsupported {
	no := func(format string, args ...any) *Unsupported {
		u := Unsupported(fmt.Sprintf(format, args...))
		return &u
	}
	exists := func(name string) bool { _, err := t.Read(name); return err == nil }
	switch {
	case d.Project == nil:
		return no("")
	case d.BuildSystem == nil:
		return no("pyproject.toml has no [build-system]")
	case len(d.BuildSystem.BackendPath) > 0:
		return no("its build backend is its own code")
	case d.BuildSystem.Backend != "" && d.BuildSystem.Backend != "setuptools.build_meta":
		return no("what the build backend %q installs is not known here", d.BuildSystem.Backend)
	case exists("setup.py"):
		return no("its setup.py would have to be executed")
	case len(d.Tool.Setuptools.ExtModules) > 0:
		return no("its extension modules would have to be built")
	case len(d.Tool.Setuptools.CmdClass) > 0:
		return no("its own build commands would have to be executed")
	case d.Project.Name == "":
		return no("[project] has no name")
	}
	for _, r := range d.BuildSystem.Requires {
		name := strings.ToLower(strings.ReplaceAll(r, "_", "-"))
		for _, plugin := range []string{"setuptools-scm", "setuptools-git", "cython", "cffi", "pybind11", "versioneer", "vcs-versioning"} {
			if strings.HasPrefix(name, plugin) {
				return no("%s takes part in its build", plugin)
			}
		}
	}
	if raw, err := t.Read("setup.cfg"); err == nil && strings.Contains("\n"+string(raw), "\n[options") {
		return no("setup.cfg has a say in what is installed")
	}
	return nil
}
