package image

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// choose reads the lock, the bases and the indexes and picks the wheels.
func (b *builder) choose(ctx context.Context) (map[string][]Choice, error) {
	l, err := b.readLock(b.Lock)
	if err != nil {
		return nil, err
	}
	if b.bases, err = b.openBases(ctx); err != nil {
		return nil, err
	}
	b.result.Base.Digest = b.bases.digest
	b.result.Notes = append(b.result.Notes, b.bases.notes...)
	client, err := b.indexFor(l)
	if err != nil {
		return nil, err
	}
	b.source = &source{client: client, files: map[string][]index.File{}, absent: map[string]string{}}
	b.store = &store{client: client, dir: b.work, cache: b.deps.CacheDir, paths: map[string]fetched{}, installed: map[string]*wheel.Installed{}}
	choices, err := b.source.plan(ctx, l, b.Platforms, b.bases.facts)
	if err != nil {
		return nil, err
	}
	for _, p := range b.Platforms {
		b.result.Platforms = append(b.result.Platforms, Platform{Platform: p, Wheels: choices[p]})
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
func (b *builder) indexFor(l lock.Lock) (*index.Client, error) {
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
			dir = filepath.Join(b.Context, filepath.Dir(l.Path), dir)
		}
		c.FindLinks = append(c.FindLinks, dir)
	}
	if c.Warnf == nil {
		c.Warnf = b.note
	}
	client, err := index.New(c)
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("configuring the package index: %w", err))
	}
	return client, nil
}
