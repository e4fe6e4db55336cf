package lock

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// poetryWalk makes the lock one that follows edges from [tool.poetry], or from
// [project] where a poetry 1 lock stands beside one.
func (l *Lock) poetryWalk(proj *manifest.Project, extras map[string][]string) error {
	tool := proj.Table("tool", "poetry")
	main, err := poetryTable(tool["dependencies"], proj.Path)
	if err != nil {
		return err
	}
	groups := map[string][]Dependency{}
	add := func(name string, v any) error {
		ds, err := poetryTable(v, proj.Path)
		groups[requirement.NormalizeName(name)] = append(groups[requirement.NormalizeName(name)], ds...)
		return err
	}
	if v, ok := tool["dev-dependencies"]; ok {
		if err := add("dev", v); err != nil {
			return err
		}
	}
	if t, ok := tool["group"].(map[string]any); ok {
		for _, g := range sortedKeys(t) {
			deps, _ := t[g].(map[string]any)
			if err := add(g, deps["dependencies"]); err != nil {
				return err
			}
		}
	}
	for _, s := range proj.Dependencies {
		d, err := edge(s)
		if err != nil {
			return fmt.Errorf("%s: %w", proj.Path, err)
		}
		main = append(main, d)
	}
	l.graph = &graph{parentExtras: true, choose: l.chooseByRange(true)}
	l.graph.roots = func(t Target) ([]Dependency, error) {
		var out []Dependency
		wanted := map[string]bool{}
		for e, names := range extras {
			if slices.Contains(t.Extras, requirement.NormalizeName(e)) {
				for _, n := range names {
					n, _, _ = strings.Cut(n, " ")
					n, _, _ = strings.Cut(n, "[")
					wanted[requirement.NormalizeName(n)] = true
				}
			}
		}
		if !t.OnlyGroups {
			for _, d := range main {
				if !d.optional || wanted[d.Name] {
					out = append(out, d)
				}
			}
		}
		for _, g := range t.Groups {
			out = append(out, groups[g]...)
		}
		return out, nil
	}
	return nil
}

func poetryTable(v any, at string) ([]Dependency, error) {
	t, _ := v.(map[string]any)
	var out []Dependency
	for _, name := range sortedKeys(t) {
		if name == "python" {
			continue
		}
		ds, err := poetryEdges(name, t[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		out = append(out, ds...)
	}
	return out, nil
}

// chooseByRange finds an edge's packages where edges carry ranges: all entries
// of the name where there is one version of it, else those that the range admits.
func (l *Lock) chooseByRange(poetry bool) func(Dependency, []int) []int {
	packages := l.Packages
	return func(d Dependency, candidates []int) []int {
		one := true
		for _, i := range candidates {
			one = one && packages[i].Version == packages[candidates[0]].Version
		}
		var out []int
		for _, i := range candidates {
			p := packages[i]
			// pdm keeps an entry for a package with extras beside the plain one.
			if !poetry && len(p.Extras) > 0 && !subset(p.Extras, d.Extras) {
				continue
			}
			if one || admits(d.Specifier, p.Version, poetry) {
				out = append(out, i)
			}
		}
		return out
	}
}

func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func admits(specifier, ver string, poetry bool) bool {
	v, err := version.Parse(ver)
	if err != nil {
		return specifier == ""
	}
	f := Poetry
	if !poetry {
		f = PDM
	}
	ok, err := pythonRange(f, specifier)
	return err == nil && ok(v)
}
