package lock

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// Target is what a lock is asked for. Its zero value with an Env is the project
// itself: no extras, no groups but those the lock itself calls default.
type Target struct {
	// Env is the environment that markers see. Its Extras and Groups are not
	// used: they follow from the fields below.
	Env    requirement.Env
	Extras []string // of the project
	Groups []string // of dependencies, beside the project's own
	// OnlyGroups leaves the project's own dependencies out.
	OnlyGroups bool
	// Member is the workspace member to install; "" is the project at the
	// workspace's root, or all members where the root is no project.
	Member string
}

// Select returns the packages that the target gets, one per name, sorted by
// name. The project itself is not among them. Two versions of one name, an
// unknown group or extra, and a target the lock does not cover are errors.
func (l Lock) Select(t Target) ([]Package, error) {
	t, err := l.normal(t)
	if err != nil {
		return nil, err
	}
	if err := l.covers(t.Env); err != nil {
		return nil, err
	}
	var chosen []Package
	if l.graph != nil {
		chosen, err = l.walk(t)
	} else {
		chosen, err = l.flat(t)
	}
	if err != nil {
		return nil, err
	}
	return merge(chosen)
}

// normal checks the names that are asked for and brings them to PEP 503 form.
func (l Lock) normal(t Target) (Target, error) {
	check := func(what string, asked, known []string) ([]string, error) {
		var out []string
		for _, a := range asked {
			n := requirement.NormalizeName(a)
			if !slices.Contains(known, n) {
				has := "none"
				if len(known) > 0 {
					has = strings.Join(known, ", ")
				}
				return nil, failure.New(failure.Usage, "the lock has: "+has, "%s: there is no %s %q", l.Path, what, a)
			}
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return out, nil
	}
	var err error
	if t.Extras, err = check("extra", t.Extras, l.Extras); err != nil {
		return t, err
	}
	if t.Groups, err = check("dependency group", t.Groups, l.Groups); err != nil {
		return t, err
	}
	if t.Member != "" {
		m, err := check("workspace member", []string{t.Member}, l.Members)
		if err != nil {
			return t, err
		}
		t.Member = m[0]
	}
	if !t.OnlyGroups {
		for _, g := range l.DefaultGroups {
			if !slices.Contains(t.Groups, g) {
				t.Groups = append(t.Groups, g)
			}
		}
	}
	return t, nil
}

// covers says whether the lock was made for the environment.
func (l Lock) covers(env requirement.Env) error {
	full, ok := env.Vars["python_full_version"]
	if !ok {
		full, ok = env.Vars["python_version"]
	}
	if v, err := version.Parse(full); ok && err == nil && l.RequiresPython != "" {
		admits, err := pythonRange(l.Format, l.RequiresPython)
		if err == nil && !admits(v) {
			return failure.New(failure.Usage, "lock again for this Python, or take a base with another one",
				"%s: the lock is for Python %s; the target has %s", l.Path, l.RequiresPython, full)
		}
	}
	if len(l.environments) == 0 {
		return nil
	}
	var all []string
	for _, m := range l.environments {
		holds, err := m.Eval(env)
		if err != nil {
			return failure.New(failure.Usage, "", "%s: environments: %w", l.Path, err)
		}
		if holds {
			return nil
		}
		all = append(all, m.String())
	}
	return failure.New(failure.Usage, "lock again with this target among its environments",
		"%s: the lock does not cover the target; it is for: %s", l.Path, strings.Join(all, " | "))
}

// pythonRange reads requires-python in the language of the format.
func pythonRange(f Format, s string) (func(version.Version) bool, error) {
	if f == Poetry {
		c, err := parseConstraint(s)
		return c.admits, err
	}
	ss, err := version.ParseSpecifiers(s)
	return func(v version.Version) bool { return ss.Contains(v, true) }, err
}

// flat selects where each package says itself who needs it.
func (l Lock) flat(t Target) ([]Package, error) {
	env := t.Env
	env.Extras, env.Groups = t.Extras, t.Groups
	wanted := slices.Clone(t.Groups)
	if l.Format == PDM {
		wanted = append(wanted, t.Extras...) // pdm's lock calls extras groups, too
	}
	if !t.OnlyGroups {
		wanted = append([]string{""}, wanted...)
	}
	var out []Package
	for _, p := range l.Packages {
		if p.Source.Kind == FromMember {
			continue
		}
		for _, g := range wanted {
			if g == "" && !p.Main || g != "" && !slices.Contains(p.Groups, g) {
				continue
			}
			m, ok := p.byGroup[g]
			if !ok {
				m = p.Marker
			}
			holds, err := m.Eval(env)
			if err != nil {
				return nil, failure.New(failure.Usage, "", "%s: %s: %w", p.At(), p.Name, err)
			}
			if holds {
				out = append(out, p)
				break
			}
		}
	}
	return out, nil
}

// merge leaves one package per name: entries of one version (poetry, pdm and pip
// may list extras apart) become one.
func merge(ps []Package) ([]Package, error) {
	at := map[string]int{}
	var out []Package
	for _, p := range ps {
		i, dup := at[p.Name]
		if !dup {
			at[p.Name] = len(out)
			p.Hashes, p.Files = slices.Clone(p.Hashes), slices.Clone(p.Files)
			p.Dependencies, p.Extras = slices.Clone(p.Dependencies), slices.Clone(p.Extras)
			out = append(out, p)
			continue
		}
		q := &out[i]
		if !sameVersion(q.Version, p.Version) || q.Source.Kind != p.Source.Kind || q.Source.Commit != p.Source.Commit {
			return nil, failure.New(failure.Usage, "keep one, or give them markers that exclude each other",
				"%s: %s, but %s has %s", p.At(), p.label(), q.At(), q.label())
		}
		q.addHashes(p.Hashes)
		for _, f := range p.Files {
			if !slices.ContainsFunc(q.Files, func(g File) bool { return g.Name == f.Name && g.URL == f.URL }) {
				q.Files = append(q.Files, f)
			}
		}
		for _, e := range p.Extras {
			if !slices.Contains(q.Extras, e) {
				q.Extras = append(q.Extras, e)
			}
		}
		q.Dependencies = append(q.Dependencies, p.Dependencies...)
		q.Main = q.Main || p.Main
	}
	slices.SortStableFunc(out, func(a, b Package) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func sameVersion(a, b string) bool {
	if a == b {
		return true
	}
	va, errA := version.Parse(a)
	vb, errB := version.Parse(b)
	return errA == nil && errB == nil && va.Compare(vb) == 0
}

// graph is how a lock whose selection follows from edges is walked.
type graph struct {
	// roots gives the edges out of the project for a target.
	roots func(Target) ([]Dependency, error)
	// choose picks the packages that an edge leads to among those of its name.
	choose func(d Dependency, candidates []int) []int
	// self says which packages are the project; nil: none.
	self func(Target, int) bool
	// conflicts: markers see uv's names of active extras and groups as "extra".
	conflicts bool
	// parentExtras: markers see the extras of the edge's package as "extra".
	parentExtras bool
}

// maxRounds bounds how often the graph is walked; real locks settle in three.
const maxRounds = 50

// walk follows the edges from the roots.
func (l Lock) walk(t Target) ([]Package, error) {
	byName := map[string][]int{}
	for i, p := range l.Packages {
		byName[p.Name] = append(byName[p.Name], i)
	}
	roots, err := l.graph.roots(t)
	if err != nil {
		return nil, err
	}
	w := &walker{l: l, byName: byName, env: t.Env}
	if l.graph.conflicts {
		w.active = activeRoots(l, t)
	}
	// An extra that becomes active somewhere can open edges elsewhere (uv's
	// conflict markers): walk until nothing new does. Every round adds a name.
	for range maxRounds {
		before := len(w.active)
		w.reset()
		if err := w.follow(roots, nil, nil); err != nil {
			return nil, err
		}
		for len(w.queue) > 0 {
			n := w.queue[0]
			w.queue = w.queue[1:]
			if err := w.visit(n); err != nil {
				return nil, err
			}
		}
		if len(w.active) == before {
			return w.result(t), nil
		}
	}
	return nil, failure.New(failure.Usage, "lock again with the tool that wrote it", "%s: extras that open one another do not come to an end", l.Path)
}

// node is a package with an extra of it, "" for the package itself.
type node struct {
	pkg   int
	extra string
}

type walker struct {
	l      Lock
	byName map[string][]int
	env    requirement.Env
	active []string
	seen   map[node]bool
	queue  []node
	extras map[int][]string
}

func (w *walker) reset() {
	w.seen, w.queue, w.extras = map[node]bool{}, nil, map[int][]string{}
}

func (w *walker) visit(n node) error {
	p := &w.l.Packages[n.pkg]
	var deps []Dependency
	for _, d := range p.Dependencies {
		if d.Extra == n.extra {
			deps = append(deps, d)
		}
	}
	return w.follow(deps, p, w.extras[n.pkg])
}

func (w *walker) follow(deps []Dependency, from *Package, parentExtras []string) error {
	env := w.env
	env.Extras = w.active
	if w.l.graph.parentExtras {
		env.Extras = parentExtras
	}
	for _, d := range deps {
		at := w.l.Path
		if from != nil {
			at = from.At() + ": " + from.Name
		}
		holds, err := d.Marker.Eval(env)
		if err != nil {
			return failure.New(failure.Usage, "", "%s: %w", at, err)
		}
		if !holds || !admits(d.python, env.Vars["python_full_version"], true) {
			continue
		}
		picked := w.l.graph.choose(d, w.byName[d.Name])
		if len(picked) == 0 {
			return failure.New(failure.Usage, "lock again with the tool that wrote it",
				"%s needs %s, which the lock does not have", at, strings.TrimSpace(d.Name+" "+d.Version+d.Specifier))
		}
		for _, i := range picked {
			w.add(i, d.Extras)
		}
	}
	return nil
}

func (w *walker) add(i int, extras []string) {
	push := func(n node) {
		if !w.seen[n] {
			w.seen[n] = true
			w.queue = append(w.queue, n)
		}
	}
	fresh := false
	for _, e := range extras {
		if !slices.Contains(w.extras[i], e) {
			w.extras[i] = append(w.extras[i], e)
			fresh = true
		}
		if w.l.graph.conflicts {
			if c := conflictExtra(w.l.Packages[i].Name, e); !slices.Contains(w.active, c) {
				w.active = append(w.active, c)
			}
		}
	}
	if fresh && w.l.graph.parentExtras {
		delete(w.seen, node{i, ""}) // its edges are seen with more extras now
	}
	push(node{i, ""})
	for _, e := range extras {
		push(node{i, e})
	}
}

func (w *walker) result(t Target) []Package {
	var out []Package
	done := map[int]bool{}
	for n := range w.seen {
		if done[n.pkg] || w.l.graph.self != nil && w.l.graph.self(t, n.pkg) {
			continue
		}
		done[n.pkg] = true
		if p := w.l.Packages[n.pkg]; p.Source.Kind != FromMember {
			p.Extras = slices.Clone(w.extras[n.pkg])
			slices.Sort(p.Extras)
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Package) int { return a.Line*1000 + a.Column - b.Line*1000 - b.Column })
	return out
}

// conflictExtra is how uv spells an extra of a package in conflict markers.
func conflictExtra(pkg, extra string) string {
	return fmt.Sprintf("extra-%d-%s-%s", len(pkg), pkg, extra)
}
