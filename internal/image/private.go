package image

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// Private packages get layers apart from the public ones, as they change more
// often: the public group of a project then stays the same for weeks. What is
// private cannot be asked; what comes from elsewhere than the others is taken for
// it: another index, a folder or page of wheels, a URL in the lock.

// inFile is the home of packages that the lock has from a file or URL.
const inFile = "file"

// homeInLock is where a package comes from by its lock: an index's address, ""
// for the public one and where the lock does not say.
func (b *builder) homeInLock(p lock.Package) string {
	if p.Source.Kind != lock.FromIndex {
		return inFile
	}
	return b.home(p.Source.URL)
}

func (b *builder) home(address string) string {
	h := strings.TrimRight(index.Redact(address), "/")
	if h == b.public {
		return ""
	}
	return h
}

// homeOf is where a chosen wheel comes from; where the lock does not say, it is
// where it was found, unless that is the main index.
func (b *builder) homeOf(c Choice) string {
	if h := b.homeInLock(c.Package); h != "" || b.lockSaysHomes() {
		return h
	}
	if c.file.Name == "" { // of the cache
		return c.home
	}
	if c.file.From == b.source.main {
		return ""
	}
	return b.home(c.file.From)
}

// lockSaysHomes: a lock that names an index for one package names all that are
// not from the main one.
func (b *builder) lockSaysHomes() bool {
	return slices.ContainsFunc(b.lock.Packages, func(p lock.Package) bool { return p.Source.Kind == lock.FromIndex && p.Source.URL != "" })
}

// homesKey is what besides the pins decides which packages are private; nothing
// where none can be.
func (b *builder) homesKey() []string {
	var out []string
	homes := map[string]bool{}
	for _, p := range b.lock.Packages {
		h := b.homeInLock(p)
		homes[h] = true
		out = append(out, p.Name+" "+p.Version+" "+h)
	}
	slices.Sort(out)
	if len(homes) < 2 {
		out = nil
	}
	elsewhere := slices.Concat(b.Index.ExtraIndexURLs, b.lock.ExtraIndexURLs, b.Index.FindLinks, b.lock.FindLinks)
	if only := b.Index.NoIndex || b.lock.NoIndex; !b.lockSaysHomes() && (len(elsewhere) > 1 || len(elsewhere) == 1 && !only) {
		for _, e := range elsewhere {
			out = append(out, "from "+b.home(e))
		}
	}
	if len(out) > 0 {
		out = append([]string{"homes"}, out...)
	}
	return out
}

// setApart marks the wheels that are not from where the others are.
func setApart(all []built) {
	count := map[string]int{}
	for _, w := range all {
		count[w.home]++
	}
	var homes []string
	for h := range count {
		homes = append(homes, h)
	}
	slices.SortFunc(homes, func(a, b string) int { return cmp.Or(count[b]-count[a], strings.Compare(a, b)) })
	if len(homes) < 2 {
		return
	}
	main := homes[0]
	if count[""] > 0 {
		main = ""
	}
	for i := range all {
		all[i].private = all[i].home != main
	}
}

// homesOf names where a group comes from, for people.
func homesOf(group []built) string {
	var out []string
	for _, w := range group {
		name := w.home
		switch u, err := url.Parse(w.home); {
		case w.home == inFile:
			name = "files named in the lock"
		case w.home == "":
			name = "the main index"
		case err == nil && u.Host != "":
			name = u.Host
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}
