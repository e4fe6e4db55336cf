// Package manifest reads what a Python project declares, statically:
// pyproject.toml (PEP 621, PEP 735 and the tables of poetry, pdm and uv),
// setup.cfg, and the literal parts of setup.py. Nothing is executed; what a
// project computes is reported as dynamic.
package manifest

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Project is a pyproject.toml.
type Project struct {
	Path string
	// Raw is the whole document as the TOML decoder gives it.
	Raw map[string]any
	// Has says whether there is a [project] table.
	Has            bool
	Name, Version  string
	RequiresPython string
	Dependencies   []string            // PEP 508, as written
	Optional       map[string][]string // by extra, as written
	Dynamic        []string
	// Groups are the [dependency-groups] as written: strings and includes.
	Groups map[string][]any
	// BuildRequires are [build-system] requires; nil: the default, setuptools.
	BuildRequires []string
	BuildBackend  string
}

// Read reads the pyproject.toml at name.
func Read(fsys fs.FS, name string) (*Project, error) {
	data, err := document.Read(fsys, name)
	if err != nil {
		return nil, err
	}
	return Parse(path.Clean(name), data)
}

// Parse reads the text of a pyproject.toml.
func Parse(name string, data []byte) (*Project, error) {
	p := &Project{Path: name}
	if err := document.TOML(name, data, &p.Raw); err != nil {
		return nil, err
	}
	wrong := func(key, want string) error { return fmt.Errorf("%s: %s is not %s", name, key, want) }
	if _, ok := p.Raw["project"]; ok {
		t, ok := p.Raw["project"].(map[string]any)
		if !ok {
			return nil, wrong("project", "a table")
		}
		p.Has = true
		p.Name, _ = t["name"].(string)
		p.Version, _ = t["version"].(string)
		p.RequiresPython, _ = t["requires-python"].(string)
		if p.Dependencies, ok = list(t["dependencies"]); !ok {
			return nil, wrong("project.dependencies", "a list of strings")
		}
		if p.Dynamic, ok = list(t["dynamic"]); !ok {
			return nil, wrong("project.dynamic", "a list of strings")
		}
		optional, ok := t["optional-dependencies"].(map[string]any)
		if t["optional-dependencies"] != nil && !ok {
			return nil, wrong("project.optional-dependencies", "a table")
		}
		p.Optional = map[string][]string{}
		for k, v := range optional {
			if p.Optional[k], ok = list(v); !ok {
				return nil, wrong("project.optional-dependencies."+k, "a list of strings")
			}
		}
	}
	if v, ok := p.Raw["dependency-groups"]; ok {
		t, ok := v.(map[string]any)
		if !ok {
			return nil, wrong("dependency-groups", "a table")
		}
		p.Groups = map[string][]any{}
		for k, v := range t {
			if p.Groups[k], ok = v.([]any); !ok {
				return nil, wrong("dependency-groups."+k, "a list")
			}
		}
	}
	if t, ok := p.Raw["build-system"].(map[string]any); ok {
		if p.BuildRequires, ok = list(t["requires"]); !ok {
			return nil, wrong("build-system.requires", "a list of strings")
		}
		p.BuildBackend, _ = t["build-backend"].(string)
	}
	return p, nil
}

// list reads a list of strings; nil is an empty one.
func list(v any) ([]string, bool) {
	if v == nil {
		return nil, true
	}
	items, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]string, 0, len(items))
	for _, i := range items {
		s, ok := i.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// Table returns a nested table such as Table("tool", "poetry"), or nil.
func (p *Project) Table(keys ...string) map[string]any {
	t := p.Raw
	for _, k := range keys {
		t, _ = t[k].(map[string]any)
	}
	return t
}

// OptionalOf are the requirements of an extra, whatever its spelling.
func (p *Project) OptionalOf(extra string) []string {
	for k, v := range p.Optional {
		if requirement.NormalizeName(k) == requirement.NormalizeName(extra) {
			return v
		}
	}
	return nil
}

// Group expands a dependency group (PEP 735) with the groups it includes.
// Cycles, unknown groups and items of another form are errors.
func (p *Project) Group(name string) ([]string, error) { return p.group(name, nil) }

func (p *Project) group(name string, stack []string) ([]string, error) {
	n := requirement.NormalizeName(name)
	if slices.Contains(stack, n) {
		return nil, fmt.Errorf("%s: dependency-groups: %s includes itself", p.Path, strings.Join(append(stack, n), " → "))
	}
	if len(stack) > 64 {
		return nil, fmt.Errorf("%s: dependency-groups: includes nest too deeply", p.Path)
	}
	var items []any
	found := ""
	for k, v := range p.Groups {
		if requirement.NormalizeName(k) != n {
			continue
		}
		if found != "" {
			return nil, fmt.Errorf("%s: dependency-groups: %q and %q are one name", p.Path, min(found, k), max(found, k))
		}
		found, items = k, v
	}
	if found == "" {
		return nil, fmt.Errorf("%s: dependency-groups: there is no group %q", p.Path, name)
	}
	var out []string
	for _, i := range items {
		switch v := i.(type) {
		case string:
			out = append(out, v)
		case map[string]any:
			inc, ok := v["include-group"].(string)
			if !ok || len(v) != 1 {
				return nil, fmt.Errorf("%s: dependency-groups.%s: an item is a string or {include-group = \"name\"}", p.Path, found)
			}
			more, err := p.group(inc, append(slices.Clone(stack), n))
			if err != nil {
				return nil, err
			}
			if out = append(out, more...); len(out) > 100000 {
				return nil, fmt.Errorf("%s: dependency-groups.%s: includes grow too large", p.Path, found)
			}
		default:
			return nil, fmt.Errorf("%s: dependency-groups.%s: an item is a string or {include-group = \"name\"}", p.Path, found)
		}
	}
	return out, nil
}
