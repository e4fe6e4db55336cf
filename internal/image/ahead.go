package image

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// fetchAndMake brings the wheels here, and makes the layers of large ones while
// others are still on their way: one at a time, as making one uses all
// processors and as much memory as is meant to be used.
func (b *builder) fetchAndMake(ctx context.Context, all []Choice, choices map[string][]Choice) error {
	arrived := make(chan Choice, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(arrived)
		return b.store.fetch(ctx, all, func(c Choice) { arrived <- c })
	})
	g.Go(func() error {
		for c := range arrived {
			if ctx.Err() != nil {
				return nil // said by who ended it
			}
			if err := b.makeAhead(c, choices); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// makeAhead makes the layer of a wheel if it is certain to have one of its own.
// It is found again in the workshop.
func (b *builder) makeAhead(c Choice, choices map[string][]Choice) error {
	for _, p := range b.Platforms {
		mine, large := false, 0
		for _, other := range choices[p] {
			if other.file.URL == c.file.URL && other.stocked == nil {
				mine = true
			}
			if other.Size == 0 || other.Size >= ownLayerSize {
				large++
			}
		}
		if !mine || large > aloneMost(b.below(p)) {
			continue
		}
		python := b.bases.facts[p].Target.Python
		made, err := b.store.install([]Choice{c}, python)
		if err != nil {
			return err
		}
		if made[0].size < ownLayerSize {
			continue
		}
		if _, err := b.shop.wheels(made, python); err != nil {
			return err
		}
	}
	return nil
}

// below is the number of layers of a platform's base.
func (b *builder) below(p string) int {
	m, err := b.bases.images[p].Manifest()
	if err != nil {
		return 0
	}
	return len(m.Layers)
}
