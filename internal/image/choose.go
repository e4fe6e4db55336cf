package image

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// choose reads the lock, the bases and the indexes and picks the wheels.
func (b *builder) choose(ctx context.Context) (map[string][]Choice, error) {
	if err := b.settle(); err != nil {
		return nil, err
	}
	l := b.lock
	if err := b.recall(ctx); err != nil {
		return nil, err
	}
	if !b.memory.warm {
		if err := b.restock(ctx); err != nil {
			return nil, err
		}
	}
	var err error
	if b.bases, err = b.openBases(ctx); err != nil {
		return nil, err
	}
	b.result.Base.Digest = b.bases.digest
	b.result.Notes = append(b.result.Notes, b.bases.notes...)
	client, err := b.indexFor(l)
	if err != nil {
		return nil, err
	}
	b.source = &source{client: client, main: client.Main(), hints: b.Index.Default || b.Index.IndexURL == "" || b.Index.NoIndex, files: map[string][]index.File{}, absent: map[string]string{}}
	b.store = &store{client: client, dir: b.work, cache: b.deps.CacheDir, paths: map[string]fetched{}, installed: map[string]*wheel.Installed{}, told: b.moving}
	wanted, err := b.selection(l, b.Platforms, lock.Target{Extras: b.Extras, Groups: b.Groups, Member: b.member})
	if err != nil {
		return nil, err
	}
	for p, s := range wanted {
		b.locals[p] = s.trees
	}
	choices, warm := b.recallChoices(wanted)
	if !warm {
		if b.memory.warm { // the entry is not of this selection
			b.memory.warm, b.memory.found = false, map[string]*cache.Entry{}
			if b.bases, err = b.openBases(ctx); err != nil {
				return nil, err
			}
			if wanted, err = b.selection(l, b.Platforms, lock.Target{Extras: b.Extras, Groups: b.Groups, Member: b.member}); err != nil {
				return nil, err
			}
		}
		rest, stocked := b.inStock(wanted)
		if choices, err = b.source.plan(ctx, rest, b.Platforms, b.bases.facts); err != nil {
			return nil, err
		}
		for p, more := range stocked {
			choices[p] = append(choices[p], more...)
			slices.SortFunc(choices[p], func(a, b Choice) int { return strings.Compare(a.Name, b.Name) })
		}
		if err := b.restockWheels(ctx, choices); err != nil {
			return nil, err
		}
	}
	for _, p := range b.Platforms {
		b.result.Platforms = append(b.result.Platforms, Platform{Platform: p, Target: b.bases.facts[p].Target.String(), System: b.bases.facts[p].System, Folders: b.folders(p), Wheels: choices[p]})
		for _, c := range choices[p] {
			for _, n := range c.Notes {
				b.note("%s==%s: %s", c.Name, c.Version, n)
			}
		}
		b.deps.say("%s: %s chosen for %s", p, plural(len(choices[p]), "wheel", "wheels"), b.bases.facts[p].Target)
	}
	return choices, nil
}

// indexFor adds what the lock says about indexes to the configuration.
func (b *builder) indexFor(l placed) (*index.Client, error) {
	c := b.Index
	if l.Format == lock.Requirements {
		c.IndexURL = cmp.Or(l.IndexURL, c.IndexURL) // its options are part of what was asked for
	} else {
		c.IndexURL = cmp.Or(c.IndexURL, l.IndexURL) // other locks note where they looked
	}
	c.ExtraIndexURLs = append(slices.Clone(c.ExtraIndexURLs), l.ExtraIndexURLs...)
	c.NoIndex = c.NoIndex || l.NoIndex
	c.FindLinks = slices.Clone(c.FindLinks)
	for _, dir := range l.FindLinks {
		if !filepath.IsAbs(dir) && !strings.Contains(dir, "://") {
			dir = filepath.Join(l.dir, dir)
		}
		c.FindLinks = append(c.FindLinks, dir)
	}
	if c.Warnf == nil {
		c.Warnf = b.note
	}
	if b.deps.Moving != nil {
		c.Moving = func(file string, done, size int64) { b.moving(fetching(file, done, size)) }
	}
	client, err := index.New(c)
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("configuring the package index: %w", err))
	}
	return client, nil
}

// selected is what a platform gets: packages that need a wheel, and folders of
// the repository.
type selected struct{ wheels, trees []lock.Package }

// selection asks the lock what each platform gets.
func (b *builder) selection(l placed, platforms []string, t lock.Target) (map[string]selected, error) {
	out := map[string]selected{}
	for _, p := range platforms {
		t.Env = b.bases.facts[p].Target.MarkerEnv()
		chosen, err := l.Select(t)
		if err != nil {
			return nil, fmt.Errorf("planning %s: %w", p, err)
		}
		var s selected
		if s.wheels, s.trees, err = b.divide(l, chosen); err != nil {
			return nil, err
		}
		if err := verifiable(l, s.wheels); err != nil {
			return nil, err
		}
		if s.wheels, err = b.located(l, s.wheels); err != nil {
			return nil, err
		}
		out[p] = s
	}
	return out, nil
}

// folders are the packages of a platform that come from the repository.
func (b *builder) folders(platform string) map[string]string {
	var out map[string]string
	for _, p := range b.locals[platform] {
		if out == nil {
			out = map[string]string{}
		}
		rel, err := relative(repositoryOf(b.Context), p.Source.Path)
		if err != nil {
			rel = p.Source.Path
		}
		out[p.Name] = rel
	}
	return out
}
