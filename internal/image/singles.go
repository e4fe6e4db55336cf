package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// wave bounds how many wheels are asked for at the same time.
const wave = 32

// tagOf is the cache's tag of a wheel that may have a layer of its own, ""
// where it has none: small wheels share a layer, which costs less to make than
// each of them costs to ask for.
func (b *builder) tagOf(c Choice, python [2]int) string {
	if c.file.Size != 0 && c.file.Size < ownLayerSize {
		return ""
	}
	sum := c.SHA256
	if locked := c.Package.SHA256(); sum == "" && len(locked) == 1 {
		sum = locked[0]
	}
	if sum == "" {
		return ""
	}
	return cache.WheelTag(c.Wheel, sum, placeOf(origin(c.Package, sum), python))
}

func placeOf(o *wheel.Origin, python [2]int) cache.Place {
	p := cache.Place{Prefix: venvDir, Python: python}
	if o != nil {
		p.Origin = o.URL
	}
	return p
}

// restockWheels asks the cache for what is in no entry of this project: wheels
// that other projects, or builds on other bases, made layers of. All are asked
// for at the same time. What is found need not be fetched.
func (b *builder) restockWheels(ctx context.Context, choices map[string][]Choice) error {
	if !b.usesCache() || b.forget || b.Bytecode == BytecodeAuto {
		return nil
	}
	var g errgroup.Group
	g.SetLimit(wave)
	asked := map[string]bool{}
	var mu sync.Mutex
	var odd []error
	for _, p := range b.Platforms {
		for _, c := range choices[p] {
			tag := b.tagOf(c, b.bases.facts[p].Target.Python)
			if c.stocked != nil || tag == "" || asked[tag] {
				continue
			}
			asked[tag] = true
			g.Go(func() error {
				s, err := b.memory.store.GetWheel(ctx, tag, c.Wheel, c.sum())
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && s.Wheel.Name == c.Name:
					b.memory.singles[tag] = s
				case err != nil && !errors.Is(err, oci.ErrNotFound):
					odd = append(odd, fmt.Errorf("%s: %w", c.Wheel, err))
				}
				return nil
			})
		}
	}
	_ = g.Wait()
	if len(odd) > 0 {
		b.note("the cache was not used for %s: %v", plural(len(odd), "wheel", "wheels"), odd[0])
	}
	if b.Cache == CacheVerify {
		return ctx.Err() // they are compared, not taken
	}
	for _, p := range b.Platforms {
		for i, c := range choices[p] {
			if s := b.memory.singles[b.tagOf(c, b.bases.facts[p].Target.Python)]; s != nil && c.stocked == nil {
				choices[p][i].stocked, choices[p][i].single = &s.Wheel, s
			}
		}
	}
	return ctx.Err()
}

// sum is the SHA-256 of a choice's file, as far as it is known before it is there.
func (c Choice) sum() string {
	if locked := c.Package.SHA256(); c.SHA256 == "" && len(locked) == 1 {
		return locked[0]
	}
	return c.SHA256
}

// recalledSingle is a wheel of the cache that came alone.
func recalledSingle(s *cache.Single, c Choice, site string) built {
	out := recalledWheel(s.Wheel)
	out.pure, out.from = c.pure, c.Package.Source.URL
	out.remembered = s.Roots(func(p string) string { return rootOf(p, site) })
	out.single = s
	return out
}

// unfold gives wheels that came alone their files: they were never compared with
// the others.
func unfold(all []built) error {
	for i, w := range all {
		if w.single == nil || w.remembered == nil {
			continue
		}
		in, err := detailed(w, w.single.Detail)
		if err != nil {
			return err
		}
		all[i].Installed, all[i].remembered = in, nil
	}
	return nil
}

// detailed is a recalled wheel with the files and metadata that its detail lists.
func detailed(w built, d cache.Detail) (*wheel.Installed, error) {
	in := *w.Installed
	in.Files = nil
	in.Requires, in.Metadata = d.Requires, d.Metadata
	for _, f := range d.Files {
		if len(f.SHA256) != 32 || f.Size < 0 || !fs.ValidPath(f.Path) {
			return nil, fmt.Errorf("%w: the details of %s: %q is no file", errCache, w.Filename, f.Path)
		}
		in.Files = append(in.Files, wheel.File{Path: f.Path, Mode: fileMode(f.Mode), Size: f.Size, SHA256: [32]byte(f.SHA256)})
	}
	return &in, nil
}

// rememberWheels stores the large wheels that were fetched for other projects
// and other bases, all at the same time.
func (b *builder) rememberWheels(ctx context.Context, there func(string) bool) error {
	var g errgroup.Group
	g.SetLimit(parallel)
	done := map[string]bool{}
	for _, p := range b.Platforms {
		made := b.made[p]
		byName := map[string]built{}
		for _, w := range made.wheels {
			byName[w.Filename] = w
		}
		for _, l := range made.layers {
			if len(l.Wheels) != 1 {
				continue
			}
			w := byName[l.Wheels[0]]
			if w.remembered != nil || w.size < ownLayerSize || w.project {
				continue
			}
			tag := cache.WheelTag(w.Filename, w.sha256, w.place)
			if done[tag] || b.memory.singles[tag] != nil {
				continue
			}
			done[tag] = true
			site := wheel.Scheme{Python: w.place.Python}.Site()
			g.Go(func() error {
				return b.memory.store.PutWheel(ctx, tag, w.stock(site), w.detail(), l, cache.Hints{Has: there, From: b.from(b.memory.store.Repo)})
			})
		}
	}
	return g.Wait()
}

// verifySingle compares a layer that was made with what the cache has for its
// wheel.
func (b *builder) verifySingle(l *layer.Layer, digest v1.Hash) error {
	for tag, s := range b.memory.singles {
		if slices.Equal(s.Layer.Wheels, l.Wheels) && s.Layer.Descriptor.Digest != digest {
			return failure.New(failure.Answer, "find out who wrote to "+b.memory.store.Repo+", and remove the tag "+tag,
				"verifying the cache: it has the layer %s for %s, and the wheel gives %s; nothing was published", s.Layer.Descriptor.Digest, s.Wheel.Filename, digest)
		}
	}
	return nil
}
