package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// testGroups are names of groups and extras that hold what tests need, the most
// specific first.
var testGroups = []string{"test", "tests", "testing", "dev", "develop"}

// testWheels are the locked test dependencies that the image does not hold: a
// file of their own, or groups and extras of the project's lock.
func (b *builder) testWheels(ctx context.Context, platform string) ([]built, error) {
	var out []built
	if b.Test.Requirements != "" {
		l, err := b.readLock(b.Test.Requirements)
		if err != nil {
			return nil, err
		}
		hint := fmt.Sprintf("resolve them together: put \"-c %s\" into the input of the test requirements", b.lock.Path)
		if out, err = b.further(ctx, platform, l, lock.Target{}, hint); err != nil {
			return nil, err
		}
	}
	t := b.testTarget()
	if len(t.Extras)+len(t.Groups) == 0 {
		return out, nil
	}
	t.Extras, t.Groups, t.Member = append(t.Extras, b.Extras...), append(t.Groups, b.Groups...), b.member
	more, err := b.further(ctx, platform, b.lock, t, "the lock gives a package another version with the tests' groups: lock both together")
	for _, w := range more {
		if !slices.ContainsFunc(out, func(o built) bool { return o.Name == w.Name }) {
			out = append(out, w)
		}
	}
	return out, err
}

// testTarget is what of the lock the tests ask for. Where nothing says it, the
// lock's own group or extra for tests is taken, and that is said.
func (b *builder) testTarget() lock.Target {
	t := lock.Target{Extras: slices.Clone(b.Test.Extras), Groups: slices.Clone(b.Test.Groups)}
	if b.Test.Requirements != "" || len(t.Extras)+len(t.Groups) > 0 {
		return t
	}
	for _, name := range testGroups {
		switch {
		case slices.Contains(b.lock.Groups, name):
			b.note("the tests get the group %q of %s; --test-group names others", name, b.lock.Path)
			t.Groups = []string{name}
			return t
		case slices.Contains(b.lock.Extras, name):
			b.note("the tests get the extra %q of %s; --test-extra names others", name, b.lock.Path)
			t.Extras = []string{name}
			return t
		}
	}
	return t
}

// further installs what a selection has and the image lacks. A package that the
// image holds in another version is refused: the tests would run against
// something else than what is published.
func (b *builder) further(ctx context.Context, platform string, l placed, t lock.Target, hint string) ([]built, error) {
	inside := map[string]string{}
	for _, w := range b.inside[platform] {
		inside[w.Name] = w.Version
	}
	wanted, err := b.selection(l, []string{platform}, t)
	if err != nil {
		return nil, err
	}
	choices, err := b.source.plan(ctx, wanted, []string{platform}, b.bases.facts)
	if err != nil {
		return nil, err
	}
	var todo []Choice
	var conflicts []string
	for _, c := range choices[platform] {
		have, ok := inside[c.Name]
		switch {
		case !ok:
			todo = append(todo, c)
		case !sameVersion(have, c.Version):
			conflicts = append(conflicts, fmt.Sprintf("%s: %s==%s, but the image holds %s", c.Package.At(), c.Name, c.Version, have))
		}
	}
	if len(conflicts) > 0 {
		return nil, failure.New(failure.Usage, hint, "the test requirements contradict the image:\n  %s", strings.Join(conflicts, "\n  "))
	}
	if err := b.store.fetch(ctx, todo, func(Choice) {}); err != nil {
		return nil, err
	}
	out, err := b.store.install(todo, b.bases.facts[platform].Target.Python)
	if err != nil {
		return nil, err
	}
	return b.furtherTrees(platform, wanted[platform].trees, out)
}

// furtherTrees adds folders of the repository that only the tests need.
func (b *builder) furtherTrees(platform string, trees []lock.Package, out []built) ([]built, error) {
	for _, p := range trees {
		if slices.ContainsFunc(b.locals[platform], func(q lock.Package) bool { return q.Name == p.Name }) {
			continue
		}
		l, err := b.local(p, b.bases.facts[platform])
		if err != nil {
			return nil, err
		}
		if l.built == nil || len(l.path) > 0 {
			return nil, failure.New(failure.Usage, "make it a setuptools project with declared packages, or name its files with --test-include",
				"%s: only the tests need %s, and what its installation would hold is not known here", p.At(), p.Name)
		}
		// Its content has no name but its bytes; a layer of one test run needs none.
		l.built.sha256 = p.Source.Path
		out = append(out, *l.built)
	}
	return out, nil
}
