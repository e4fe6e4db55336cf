package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// memory is what the registry cache knows of a build.
type memory struct {
	store cache.Store
	keys  map[string]string       // by platform
	found map[string]*cache.Entry // by platform
	last  map[string]*cache.Entry // by platform: the project's newest, where its own is missing
	// reused are the digests of layers taken from last.
	reused map[string]bool
	// singles are wheels that the cache has alone, by tag.
	singles map[string]*cache.Single
	warm    bool              // every platform's dependencies are there and taken from there
	now     map[string]string // digests of the tags, as far as asked
	pushed  map[string]bool   // blobs that the image's repository has, and the cache's may lack
	mu      sync.Mutex
}

// mountable are the repositories of the image's registry that may have blobs of
// it: the base's and the cache's.
func (b *builder) mountable() []string {
	var out []string
	if b.usesCache() && b.cacheRepo() != b.Image {
		out = append(out, b.cacheRepo())
	}
	if !strings.HasPrefix(b.Base, "oci:") && b.Base != hostBase {
		out = append(out, untagged(beforeDigest(b.mirrored(b.Base))))
	}
	return slices.DeleteFunc(out, func(r string) bool {
		return registryOf(r) == "" || registryOf(r) != registryOf(b.Image) || r == b.Image
	})
}

// from says from where of the same registry a blob can be mounted into a
// repository, "" if from nowhere.
func (b *builder) from(repo string) func(digest string) string {
	base := map[string]bool{}
	if b.resolved != "" {
		for _, img := range b.bases.images {
			if m, err := img.Manifest(); err == nil {
				for _, l := range m.Layers {
					base[l.Digest.String()] = true
				}
			}
		}
	}
	cached := map[string]bool{}
	if b.memory.warm {
		for _, e := range b.memory.found {
			for _, l := range e.Layers {
				cached[l.Descriptor.Digest.String()] = true
			}
		}
	}
	for digest := range b.memory.reused {
		cached[digest] = true
	}
	path := func(from string) string {
		if from == repo || registryOf(from) == "" || registryOf(from) != registryOf(repo) {
			return ""
		}
		_, p, _ := strings.Cut(from, "/")
		return p
	}
	return func(digest string) string {
		switch {
		case b.memory.pushed[digest] && repo != b.Image:
			return path(b.Image)
		case cached[digest], base[digest] && (b.memory.warm || len(b.memory.last) > 0):
			return path(b.memory.store.Repo)
		case base[digest]:
			return path(untagged(beforeDigest(b.mirrored(b.Base))))
		}
		return ""
	}
}

// usesCache says whether there is a registry cache to ask.
func (b *builder) usesCache() bool {
	return b.Cache != CacheOff && b.cacheRepo() != "" && b.deps.Registry != nil && b.Base != hostBase && (b.Push || b.CacheRepo != "")
}

func (b *builder) cacheRepo() string {
	if b.CacheRepo != "" {
		return b.CacheRepo
	}
	return b.Image
}

// recall looks for the dependencies in the cache, before anything else is asked
// for, and at the same time for what the tags name now. Nothing that goes wrong
// with it is an error: the build goes on without.
func (b *builder) recall(ctx context.Context) error {
	b.memory = &memory{keys: map[string]string{}, found: map[string]*cache.Entry{}, last: map[string]*cache.Entry{}, reused: map[string]bool{}, singles: map[string]*cache.Single{}, now: map[string]string{}}
	if b.Push {
		b.deps.Registry.Intend(b.Image, b.mountable()...)
	}
	if !b.usesCache() {
		return nil
	}
	b.memory.store = cache.Store{Client: b.deps.Registry, Repo: b.cacheRepo(), Now: b.deps.Now()}
	pinned, err := b.pinned(ctx)
	if err != nil {
		return err
	}
	compilers := b.compilers(ctx)
	for _, p := range b.Platforms {
		b.memory.keys[p] = cache.Key(p, pinned[p], pins(b.lock.Packages), append([]string{"extras", strings.Join(b.Extras, ","), "groups", strings.Join(b.Groups, ","), "member", b.member, "python", b.Python, "bytecode", compilers}, b.homesKey()...)...)
	}
	var g errgroup.Group
	for _, p := range b.Platforms {
		if b.forget {
			break
		}
		g.Go(func() error {
			e, err := b.memory.store.Get(ctx, b.memory.keys[p], pinned[p], p)
			b.memory.mu.Lock()
			defer b.memory.mu.Unlock()
			switch {
			case err == nil:
				b.memory.found[p] = e
			case !errors.Is(err, oci.ErrNotFound):
				b.note("the cache %s was not used: %v", b.memory.store.Repo, err)
			}
			return nil
		})
	}
	if b.Push {
		for _, t := range b.Tags {
			g.Go(func() error {
				d, err := b.deps.Registry.Now(ctx, b.Image, t)
				b.memory.mu.Lock()
				defer b.memory.mu.Unlock()
				if err == nil {
					b.memory.now[t] = d
				}
				return nil
			})
		}
	}
	_ = g.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.memory.warm = len(b.memory.found) == len(b.Platforms) && b.Cache != CacheVerify
	return nil
}

// pinned is the digest of each platform's base.
func (b *builder) pinned(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	where, layout := strings.CutPrefix(b.Base, "oci:")
	for _, p := range b.Platforms {
		if layout {
			img, err := oci.ReadLayout(where, p)
			if err != nil {
				return nil, fmt.Errorf("opening the base: %w", err)
			}
			h, err := img.Digest()
			if err != nil {
				return nil, fmt.Errorf("opening the base: %w", err)
			}
			out[p] = h.String()
			continue
		}
		if b.resolved == "" {
			digest, err := b.deps.Registry.Resolve(ctx, b.mirrored(b.Base))
			if err != nil {
				return nil, fmt.Errorf("resolving the base: %w", err)
			}
			b.resolved = digest
		}
		out[p] = b.resolved
	}
	return out, nil
}

func pins(all []lock.Package) []cache.Pin {
	var out []cache.Pin
	for _, p := range all {
		out = append(out, pinOf(p))
	}
	return out
}

// remembered is the base of a platform as the cache has it: its own words, and
// its layers, which the cache's repository has, too.
func (b *builder) remembered(e *cache.Entry) (v1.Image, error) {
	return partial.CompressedToImage(&recalled{b: b, base: e.Base})
}

// recalled is a base image whose layers are fetched when somebody reads them.
type recalled struct {
	b    *builder
	base cache.Base
}

// RawConfigFile implements partial.CompressedImageCore.
func (r *recalled) RawConfigFile() ([]byte, error) { return r.base.Config, nil }

// RawManifest implements partial.CompressedImageCore.
func (r *recalled) RawManifest() ([]byte, error) { return r.base.Manifest, nil }

// MediaType implements partial.CompressedImageCore.
func (r *recalled) MediaType() (types.MediaType, error) {
	m, err := v1.ParseManifest(bytes.NewReader(r.base.Manifest))
	if err != nil {
		return "", err
	}
	if m.MediaType == "" {
		return types.OCIManifestSchema1, nil
	}
	return m.MediaType, nil
}

// LayerByDigest implements partial.CompressedImageCore.
func (r *recalled) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	m, err := v1.ParseManifest(bytes.NewReader(r.base.Manifest))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(m.Layers, func(d v1.Descriptor) bool { return d.Digest == h })
	if i < 0 {
		return nil, fmt.Errorf("the base has no layer %s", h)
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(r.base.Config))
	if err != nil {
		return nil, err
	}
	if len(c.RootFS.DiffIDs) != len(m.Layers) {
		return nil, fmt.Errorf("the base has %d layers, and its config %d", len(m.Layers), len(c.RootFS.DiffIDs))
	}
	return &recalledLayer{r.b, m.Layers[i], c.RootFS.DiffIDs[i]}, nil
}

type recalledLayer struct {
	b      *builder
	d      v1.Descriptor
	diffID v1.Hash
}

// DiffID implements partial.WithDiffID: without it the layer would be fetched.
func (l *recalledLayer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Digest implements partial.CompressedLayer.
func (l *recalledLayer) Digest() (v1.Hash, error) { return l.d.Digest, nil }

// Size implements partial.CompressedLayer.
func (l *recalledLayer) Size() (int64, error) { return l.d.Size, nil }

// MediaType implements partial.CompressedLayer.
func (l *recalledLayer) MediaType() (types.MediaType, error) { return l.d.MediaType, nil }

// Compressed implements partial.CompressedLayer.
func (l *recalledLayer) Compressed() (io.ReadCloser, error) { return l.b.fromCache(l.d) }

// errCache marks what the cache promised and does not have.
var errCache = errors.New("the cache does not have what it promised")

func (b *builder) fromCache(d v1.Descriptor) (io.ReadCloser, error) {
	r, err := b.deps.Registry.Blob(b.ctx, b.memory.store.Repo, d)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCache, err)
	}
	return promised{r}, nil
}

type promised struct{ io.ReadCloser }

// Read implements io.Reader.
func (p promised) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errCache, err)
	}
	return n, err
}

// layersOf are an entry's layers, as if they had been made here.
func (b *builder) layersOf(e *cache.Entry) ([]*layer.Layer, error) {
	var out []*layer.Layer
	for _, l := range e.Layers {
		made, err := b.known(l)
		if err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}

// known is a layer of the cache, as if it had been made here.
func (b *builder) known(l cache.Layer) (*layer.Layer, error) {
	made, err := layer.Known(l.Descriptor, l.DiffID, func() (io.ReadCloser, error) { return b.fromCache(l.Descriptor) })
	if err != nil {
		return nil, err
	}
	made.From, made.Comment, made.Wheels = l.From, l.Comment, l.Wheels
	return made, nil
}

// recallChoices are the wheels of a warm build, if every platform's are what the
// lock selects.
func (b *builder) recallChoices(wanted map[string]selected) (map[string][]Choice, bool) {
	if !b.memory.warm {
		return nil, false
	}
	out := map[string][]Choice{}
	for _, p := range b.Platforms {
		c, ok := chosen(b.memory.found[p], wanted[p].wheels)
		if !ok {
			return nil, false
		}
		out[p] = c
	}
	return out, true
}

// chosen turns an entry's wheels into choices, if they are what the lock selects:
// the same packages, each with a digest that the lock allows.
func chosen(e *cache.Entry, selected []lock.Package) ([]Choice, bool) {
	if len(e.Wheels) != len(selected) {
		return nil, false
	}
	byName := map[string]lock.Package{}
	for _, p := range selected {
		byName[p.Name] = p
	}
	var out []Choice
	for _, w := range e.Wheels {
		p, ok := byName[w.Name]
		if !ok || !slices.Contains(p.SHA256(), w.SHA256) {
			return nil, false
		}
		delete(byName, w.Name)
		out = append(out, choiceOf(w, p))
	}
	slices.SortFunc(out, func(a, b Choice) int { return strings.Compare(a.Name, b.Name) })
	return out, true
}

// installed are an entry's wheels without their files.
func installed(e *cache.Entry) []built {
	var out []built
	for _, w := range e.Wheels {
		out = append(out, recalledWheel(w))
	}
	return out
}

// detailsOf completes wheels that were recalled with their files and metadata,
// for a closer look.
func (b *builder) detailsOf(ctx context.Context, platform string, all []built) error {
	if err := unfold(all); err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(w built) bool { return w.remembered != nil }) {
		return nil
	}
	details, err := b.memory.store.Details(ctx, b.memory.entry(platform))
	if err != nil {
		return fmt.Errorf("%w: %w", errCache, err)
	}
	for i, w := range all {
		if w.remembered == nil {
			continue
		}
		d, ok := details[w.Filename]
		if !ok {
			return fmt.Errorf("%w: the details of %s", errCache, w.Filename)
		}
		in, err := detailed(w, d)
		if err != nil {
			return err
		}
		all[i].Installed, all[i].remembered = in, nil
	}
	return nil
}

// verify compares layers that were made with those of the cache: with cache
// verify, a difference is an attack on the cache, or a fault in it.
func (b *builder) verify(p string, layers []*layer.Layer) error {
	e := b.memory.found[p]
	if b.Cache != CacheVerify || e == nil && len(b.memory.singles) == 0 {
		return nil
	}
	for i, l := range layers {
		d, err := l.Digest()
		if err != nil {
			return err
		}
		if err := b.verifySingle(l, d); err != nil || e == nil {
			if err != nil {
				return err
			}
			continue
		}
		if i >= len(e.Layers) || e.Layers[i].Descriptor.Digest != d {
			return failure.New(failure.Answer, "find out who wrote to "+b.memory.store.Repo+", and remove the tag "+cache.Prefix+e.Key,
				"verifying the cache: for %s, it does not have the layer %s (%s) that the wheels give; nothing was published", p, d, l.Comment)
		}
	}
	if e == nil {
		b.note("the cache was verified: for %s, its %s what the wheels give", p, plural(len(b.memory.singles), "layer is", "layers are"))
		return nil
	}
	if len(layers) != len(e.Layers) {
		return failure.New(failure.Answer, "find out who wrote to "+b.memory.store.Repo+", and remove the tag "+cache.Prefix+e.Key,
			"verifying the cache: for %s, it has %d layers, and the wheels give %d; nothing was published", p, len(e.Layers), len(layers))
	}
	b.note("the cache was verified: for %s, its %d layers are what the wheels give", p, len(layers))
	return nil
}
