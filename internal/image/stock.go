package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// project names what the builds of this project follow one another by.
func (b *builder) projectKey(platform string) string {
	parts := []string{platform, b.Image, b.lock.Path, strings.Join(b.Extras, ","), strings.Join(b.Groups, ","), b.member}
	if homes := b.homesKey(); len(homes) > 0 {
		parts = append(parts, "homes") // an entry from before they counted is another's
	}
	return cache.Project(parts...)
}

// restock looks for the project's newest entry, for a build whose own is not
// there: of what the lock still pins, nothing is looked up, fetched or made again.
func (b *builder) restock(ctx context.Context) error {
	// Byte code is compiled from all wheels' files, so all are needed.
	if !b.usesCache() || b.forget || b.Cache == CacheVerify || b.Bytecode == BytecodeAuto {
		return nil
	}
	pinned, err := b.pinned(ctx)
	if err != nil {
		return err
	}
	var g errgroup.Group
	for _, p := range b.Platforms {
		g.Go(func() error {
			e, err := b.memory.store.Last(ctx, b.projectKey(p), pinned[p], p)
			b.memory.mu.Lock()
			defer b.memory.mu.Unlock()
			if err == nil {
				b.memory.last[p] = e
			} else if !errors.Is(err, oci.ErrNotFound) {
				b.deps.say("the project's last entry in the cache is not used: %v", err)
			}
			return nil
		})
	}
	_ = g.Wait()
	return ctx.Err()
}

// entry is what the cache has for a platform: its own entry in a warm build,
// else the project's newest.
func (m *memory) entry(platform string) *cache.Entry {
	if m.warm {
		return m.found[platform]
	}
	return m.last[platform]
}

// pinOf is a package of the lock as the cache names it.
func pinOf(p lock.Package) cache.Pin {
	pin := cache.Pin{Name: p.Name, Version: p.Version, SHA256: p.SHA256()}
	if o := origin(p, ""); o != nil {
		pin.URL = o.URL
	}
	return pin
}

// inStock takes out of a selection what the cache has: the same pin, on the same
// base, gets the same wheel.
func (b *builder) inStock(wanted map[string]selected) (rest map[string]selected, stocked map[string][]Choice) {
	rest, stocked = map[string]selected{}, map[string][]Choice{}
	for p, s := range wanted {
		have := map[string]cache.Wheel{}
		if e := b.memory.last[p]; e != nil {
			for _, w := range e.Wheels {
				have[w.Pin] = w
			}
		}
		left := selected{trees: s.trees}
		for _, pkg := range s.wheels {
			w, ok := have[pinOf(pkg).Digest()]
			if !ok || !slices.Contains(pkg.SHA256(), w.SHA256) {
				left.wheels = append(left.wheels, pkg)
				continue
			}
			c := choiceOf(w, pkg)
			c.stocked = &w
			stocked[p] = append(stocked[p], c)
		}
		rest[p] = left
	}
	return rest, stocked
}

// choiceOf is the choice that led to a wheel of the cache.
func choiceOf(w cache.Wheel, p lock.Package) Choice {
	return Choice{Package: p, Name: w.Name, Version: p.Version, Wheel: w.Filename, Tag: w.Tag, From: "cache", Size: w.Size, pure: w.Pure, home: w.Home}
}

// recalledWheel is a wheel of the cache, without its files.
func recalledWheel(w cache.Wheel) built {
	return built{sha256: w.SHA256, home: w.Home, size: w.Size, pure: w.Pure, remembered: w.Roots,
		Installed: &wheel.Installed{Filename: w.Filename, Name: w.Name, Version: w.Version, Warnings: w.Warnings}}
}

// layerOf makes the layer of a group, or takes it from the cache: whole if it has
// one of the same wheels, else those of its files that it has.
func (b *builder) layerOf(ctx context.Context, p string, group []built) (*layer.Layer, error) {
	if !slices.ContainsFunc(group, func(w built) bool { return w.remembered != nil }) {
		return b.shop.wheels(group, b.bases.facts[p].Target.Python)
	}
	if s := group[0].single; s != nil && len(group) == 1 {
		return b.reuse(s.Layer)
	}
	var stocked []cache.Layer
	if e := b.memory.last[p]; e != nil {
		stocked = e.Layers
	}
	var want []string
	for _, w := range group {
		want = append(want, w.Filename)
	}
	all := !slices.ContainsFunc(group, func(w built) bool { return w.remembered == nil || w.single != nil })
	for _, l := range stocked {
		if all && slices.Equal(l.Wheels, want) {
			return b.reuse(l)
		}
	}
	if err := b.reopen(ctx, p, group); err != nil {
		return nil, err
	}
	return b.shop.wheels(group, b.bases.facts[p].Target.Python)
}

// reuse takes a layer of the cache as it is.
func (b *builder) reuse(l cache.Layer) (*layer.Layer, error) {
	made, err := b.known(l)
	if err == nil {
		b.memory.reused[l.Descriptor.Digest.String()] = true
	}
	return made, err
}

// reopen gives recalled wheels their files, out of the layers that hold them.
func (b *builder) reopen(ctx context.Context, p string, group []built) error {
	var from []cache.Layer
	if e := b.memory.last[p]; e != nil {
		from = slices.Clone(e.Layers)
	}
	recalled := map[string]bool{}
	for _, w := range group {
		recalled[w.Filename] = w.remembered != nil
		if w.single != nil {
			from = append(from, w.single.Layer)
		}
	}
	if err := b.detailsOf(ctx, p, group); err != nil {
		return err
	}
	raws := map[string]*wheel.Raw{}
	for _, l := range from {
		if !slices.ContainsFunc(l.Wheels, func(name string) bool { return recalled[name] }) {
			continue
		}
		found, err := b.fetchLayer(l)
		if err != nil {
			return err
		}
		for name, raw := range found {
			raws[name] = raw
		}
	}
	for _, w := range group {
		if !recalled[w.Filename] {
			continue
		}
		for i := range w.Files {
			f := &w.Files[i]
			if f.Raw = raws[venvDir+"/"+f.Path]; f.Raw == nil && f.Size > 0 {
				return fmt.Errorf("%w: %q of %s is in none of its layers", errCache, f.Path, w.Filename)
			}
		}
	}
	return nil
}

// fetchLayer brings a layer here and finds its files.
func (b *builder) fetchLayer(l cache.Layer) (map[string]*wheel.Raw, error) {
	r, err := b.fromCache(l.Descriptor)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	f, err := os.CreateTemp(b.work, "cached-*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("making a file for a layer of the cache: %w", err)
	}
	b.store.open = append(b.store.open, f)
	n, err := io.Copy(f, r)
	if err != nil {
		return nil, fmt.Errorf("fetching a layer of the cache: %w", err)
	}
	found, err := layer.Reopen(f, n)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCache, err)
	}
	return found, nil
}
