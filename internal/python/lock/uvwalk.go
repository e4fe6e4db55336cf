package lock

import (
	"fmt"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// uvChoose finds the package of an edge: by name, and by version and source
// where several share the name (forks of the resolution).
func (l *Lock) uvChoose() func(Dependency, []int) []int {
	packages := l.Packages
	return func(d Dependency, candidates []int) []int {
		var out []int
		for _, i := range candidates {
			if p := packages[i]; d.Version == "" || p.Version == d.Version {
				out = append(out, i)
			}
		}
		if len(out) < 2 || d.source == "" {
			return out
		}
		return slices.DeleteFunc(out, func(i int) bool { return packages[i].key != d.source })
	}
}

// uvRoots gives the edges out of the members that a target installs.
func (l *Lock) uvRoots(u *uvLock, members []int) func(Target) ([]Dependency, error) {
	return func(t Target) ([]Dependency, error) {
		var out []Dependency
		known := map[string]bool{}
		for _, i := range l.uvMembers(members, t.Member) {
			p := l.Packages[i]
			for _, d := range p.Dependencies {
				switch {
				case d.Extra == "" && !t.OnlyGroups,
					slices.Contains(t.Extras, d.Extra) && !t.OnlyGroups:
					out = append(out, d)
				default:
					for _, g := range t.Groups {
						if d.Extra == groupExtra(g) {
							out = append(out, d)
						}
					}
				}
			}
			known[p.Name] = true
		}
		if t.Member != "" {
			return out, nil
		}
		for _, r := range u.Manifest.Requirements {
			d, err := r.dependency()
			if err != nil {
				return nil, err
			}
			out = append(out, d)
		}
		for _, name := range sortedKeys(u.Manifest.Groups) {
			if !slices.Contains(t.Groups, requirement.NormalizeName(name)) {
				continue
			}
			for _, r := range u.Manifest.Groups[name] {
				m, err := marker(r.Marker)
				if err != nil {
					return nil, fmt.Errorf("%s: dependency group %q: %w", l.Path, name, err)
				}
				out = append(out, Dependency{Name: requirement.NormalizeName(r.Name), Extras: normalAll(r.Extras), Marker: m})
			}
		}
		return out, nil
	}
}

// uvMembers are the packages whose dependencies are installed: the named one,
// else the project at the root, else all (a root that is no project).
func (l *Lock) uvMembers(members []int, name string) []int {
	var out []int
	for _, i := range members {
		p := l.Packages[i]
		if name == p.Name || name == "" && p.Source.Path == "." {
			out = append(out, i)
		}
	}
	if len(out) == 0 && name == "" {
		return members
	}
	return out
}

// uvSelf says which packages are the project that is installed.
func (l *Lock) uvSelf(members []int) func(Target, int) bool {
	return func(t Target, i int) bool { return slices.Contains(l.uvMembers(members, t.Member), i) }
}

// activeRoots spells what is asked for as conflict markers see it (uv,
// crates/uv-resolver/src/universal_marker.rs).
func activeRoots(l Lock, t Target) []string {
	var out []string
	names := l.Members
	if t.Member != "" {
		names = []string{t.Member}
	}
	for _, n := range names {
		if !t.OnlyGroups {
			out = append(out, fmt.Sprintf("project-%d-%s", len(n), n))
			for _, e := range t.Extras {
				out = append(out, conflictExtra(n, e))
			}
		}
		for _, g := range t.Groups {
			out = append(out, fmt.Sprintf("group-%d-%s-%s", len(n), n, g))
		}
	}
	return out
}
