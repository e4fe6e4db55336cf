package lock

import (
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// Metadata tells what a package of an exact version declares to need (the
// Requires-Dist of a wheel's METADATA); ok is false where that is not at hand.
// It is asked with PEP 503 names, once for each package.
type Metadata interface {
	Requires(name, version string) (requires []requirement.Requirement, ok bool)
}

// Gap is a dependency that a lock does not satisfy.
type Gap struct {
	Package Package                 // that needs it
	Needs   requirement.Requirement // as the package declares it
	// Have is the version that the lock has instead, "" where it has none.
	Have string
}

// Incomplete looks for what the packages that a target gets need and the lock
// lacks: with hashes on, pip refuses to install such a lock. unknown are the
// packages whose metadata is not at hand, so that nothing can be said of them.
// Both are in the order of the selection.
func (l Lock) Incomplete(t Target, m Metadata) (gaps []Gap, unknown []Package, err error) {
	selected, err := l.Select(t)
	if err != nil {
		return nil, nil, err
	}
	at := map[string]int{}
	for i, p := range selected {
		at[p.Name] = i
	}
	// Extras open further requirements: a package is looked at again when it is
	// asked for with more of them. They only grow, so this ends.
	extras := make([][]string, len(selected))
	known := make([]*[]requirement.Requirement, len(selected))
	for i, p := range selected {
		extras[i] = slices.Clone(p.Extras)
		reqs, ok := m.Requires(p.Name, p.Version)
		if !ok {
			unknown = append(unknown, p)
			continue
		}
		known[i] = &reqs
	}
	work := make([]int, len(selected))
	for i := range work {
		work[i] = i
	}
	reported := map[[2]string]bool{}
	for len(work) > 0 {
		i := work[0]
		work = work[1:]
		if known[i] == nil {
			continue
		}
		p := selected[i]
		env := t.Env
		env.Extras = extras[i]
		for _, r := range *known[i] {
			holds, err := r.Marker.Eval(env)
			if err != nil {
				return nil, nil, failure.New(failure.Usage, "", "%s: %s needs %s: %w", p.At(), p.label(), r, err)
			}
			if !holds {
				continue
			}
			name := requirement.NormalizeName(r.Name)
			k, ok := at[name]
			if !ok || !satisfied(r, selected[k]) {
				g := Gap{Package: p, Needs: r}
				if ok {
					g.Have = selected[k].Version
				}
				if key := [2]string{p.Name, r.String()}; !reported[key] {
					reported[key] = true
					gaps = append(gaps, g)
				}
				continue
			}
			more := false
			for _, e := range r.Extras {
				if n := requirement.NormalizeName(e); !slices.Contains(extras[k], n) {
					extras[k] = append(extras[k], n)
					more = true
				}
			}
			if more {
				work = append(work, k)
			}
		}
	}
	slices.SortStableFunc(gaps, func(a, b Gap) int { return at[a.Package.Name] - at[b.Package.Name] })
	return gaps, unknown, nil
}

// satisfied says whether a locked package is what a requirement admits. What
// comes from a URL or a source tree is taken for what was asked for.
func satisfied(r requirement.Requirement, p Package) bool {
	if r.URL != "" || p.Version == "" || p.Source.Kind != FromIndex {
		return true
	}
	v, err := version.Parse(p.Version)
	return err != nil || r.Specifiers.Contains(v, true)
}

// Build says whether installing a package builds a source distribution. What a
// build needs (build-system.requires) is never checked against hashes by pip,
// so a package that builds is pinned only as far as its own source.
type Build string

// The answers.
const (
	BuildsAlways  Build = "always"  // the lock has no wheel of it
	BuildsMaybe   Build = "maybe"   // wheels and a source: built where no wheel fits
	BuildsNever   Build = "never"   // wheels only
	BuildsUnknown Build = "unknown" // the lock lists hashes without names
)

// Builds judges a package by the files that the lock lists.
func (p Package) Builds() Build {
	switch p.Source.Kind {
	case FromVCS, FromDirectory, FromEditable, FromMember:
		return BuildsAlways
	case FromURL, FromPath:
		if strings.HasSuffix(strings.ToLower(baseName(p.Source.URL+p.Source.Path)), ".whl") {
			return BuildsNever
		}
		return BuildsAlways
	}
	if len(p.Files) == 0 {
		return BuildsUnknown
	}
	wheels := 0
	for _, f := range p.Files {
		if strings.HasSuffix(strings.ToLower(f.Name), ".whl") {
			wheels++
		}
	}
	switch wheels {
	case 0:
		return BuildsAlways
	case len(p.Files):
		return BuildsNever
	}
	return BuildsMaybe
}

// Unverifiable says why no hash of the lock ties the package to a release's
// files, "" where one does. Wheels that are found elsewhere (a wheelhouse) are
// held to the same hashes.
func (p Package) Unverifiable() string {
	switch p.Source.Kind {
	case FromDirectory, FromEditable, FromMember:
		return "a source tree; the project itself comes from the context"
	case FromVCS:
		return "a version-control reference has no hash"
	}
	if len(p.SHA256()) == 0 {
		return "no sha256 among its hashes"
	}
	return ""
}
