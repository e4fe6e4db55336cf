package image

import (
	"bytes"
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

func fileMode(m uint32) fs.FileMode { return fs.FileMode(m) & fs.ModePerm }

// dependencies are what a platform's image was made of below the application.
type dependencies struct {
	wheels []built
	layers []*layer.Layer
}

// remember stores the dependencies for the next build. That it cannot is told,
// and no failure: the image is published.
func (b *builder) remember(ctx context.Context, images map[string]v1.Image) {
	if !b.usesCache() || b.Cache == CacheRead || b.memory.warm || !b.result.Published {
		return
	}
	there, err := b.nowThere(images)
	if err == nil {
		err = b.rememberWheels(ctx, there)
	}
	for _, p := range b.Platforms {
		if err == nil {
			err = b.rememberOne(ctx, p, there)
		}
	}
	if err != nil {
		b.note("the next build will not find its dependencies: %v", err)
		return
	}
	b.phase("remember", "dependencies for the next build, in %s", b.memory.store.Repo)
}

// nowThere says which blobs the cache's repository has after the push: those of
// the image, if it is the image's.
func (b *builder) nowThere(images map[string]v1.Image) (func(string) bool, error) {
	pushed := map[string]bool{}
	for _, img := range images {
		m, err := img.Manifest()
		if err != nil {
			return nil, err
		}
		for _, l := range m.Layers {
			pushed[l.Digest.String()] = true
		}
	}
	if b.memory.store.Repo != b.Image {
		b.memory.pushed = pushed
		b.deps.Registry.Intend(b.memory.store.Repo, append(b.mountable(), b.Image)...)
		return nil, nil
	}
	return func(digest string) bool { return pushed[digest] }, nil
}

func (b *builder) rememberOne(ctx context.Context, p string, there func(string) bool) error {
	e := cache.Entry{Key: b.memory.keys[p], Facts: b.bases.facts[p]}
	var err error
	if e.Base, err = b.baseWords(ctx, p); err != nil {
		return err
	}
	made := b.made[p]
	made.wheels = slices.Clone(made.wheels)
	if err := b.detailsOf(ctx, p, made.wheels); err != nil {
		return err
	}
	details := map[string]cache.Detail{}
	chosen := map[string]Choice{}
	for _, r := range b.result.Platforms {
		for _, c := range r.Wheels {
			if r.Platform == p {
				chosen[c.Wheel] = c
			}
		}
	}
	site := wheel.Scheme{Python: b.bases.facts[p].Target.Python}.Site()
	for _, w := range made.wheels {
		stocked := w.stock(site)
		stocked.Tag, stocked.Pin = chosen[w.Filename].Tag, pinOf(chosen[w.Filename].Package).Digest()
		e.Wheels = append(e.Wheels, stocked)
		details[w.Filename] = w.detail()
	}
	var layers []v1.Layer
	for _, l := range made.layers {
		e.Layers = append(e.Layers, cache.Layer{From: l.From, Comment: l.Comment, Wheels: l.Wheels})
		layers = append(layers, l)
	}
	hints := cache.Hints{Has: there, From: b.from(b.memory.store.Repo)}
	return b.memory.store.Put(ctx, e, b.projectKey(p), b.bases.images[p], layers, details, b.work, hints)
}

// stock is a wheel as the cache has it.
func (w built) stock(site string) cache.Wheel {
	return cache.Wheel{Name: w.Name, Version: w.Version, Filename: w.Filename, SHA256: w.sha256, Size: w.size, Pure: w.pure, Roots: w.roots(site), Warnings: w.Warnings, Home: w.home}
}

// detail is what of a wheel is seldom needed.
func (w built) detail() cache.Detail {
	metadata, _, _ := bytes.Cut(bytes.ReplaceAll(w.Metadata, []byte("\r\n"), []byte("\n")), []byte("\n\n"))
	d := cache.Detail{Requires: w.Requires, Metadata: append(slices.Clip(metadata), '\n')}
	for _, f := range w.Files {
		d.Files = append(d.Files, cache.File{Path: f.Path, Mode: uint32(f.Mode.Perm()), Size: f.Size, SHA256: f.SHA256[:]})
	}
	return d
}

// baseWords is the base as it was pinned: its index, if it has one, its manifest
// and its config.
func (b *builder) baseWords(ctx context.Context, p string) (cache.Base, error) {
	var out cache.Base
	var err error
	img := b.bases.images[p]
	if out.Manifest, err = img.RawManifest(); err != nil {
		return out, err
	}
	if out.Config, err = img.RawConfigFile(); err != nil {
		return out, err
	}
	if e := b.memory.entry(p); e != nil {
		return e.Base, nil
	}
	digest, err := img.Digest()
	if err != nil || b.resolved == "" || b.resolved == digest.String() {
		return out, err
	}
	m, err := b.deps.Registry.Manifest(ctx, untagged(beforeDigest(b.mirrored(b.Base)))+"@"+b.resolved)
	if err != nil {
		return out, err
	}
	out.Index = m.Raw
	return out, nil
}

func beforeDigest(ref string) string {
	name, _, _ := strings.Cut(ref, "@")
	return name
}

// roots are the topmost paths of a wheel: what is compared with the project's
// before looking closer.
func (w built) roots(site string) []string {
	if w.remembered != nil {
		return w.remembered
	}
	var out []string
	for _, f := range w.Files {
		out = append(out, rootOf(f.Path, site))
	}
	slices.Sort(out)
	return append([]string{}, slices.Compact(out)...)
}

func rootOf(file, site string) string {
	if rest, ok := strings.CutPrefix(file, site+"/"); ok {
		first, _, _ := strings.Cut(rest, "/")
		return path.Join(site, first)
	}
	return file
}

// agree refuses wheels that install different files at one path. Wheels that
// were recalled were compared with one another when they were stored; a closer
// look at them is needed only where something else shares a folder with them.
func (b *builder) agree(ctx context.Context, platform string, all []built) error {
	if err := unfold(all); err != nil {
		return err
	}
	site := wheel.Scheme{Python: b.bases.facts[platform].Target.Python}.Site()
	known := map[string]bool{}
	for _, w := range all {
		if w.remembered != nil {
			for _, r := range w.remembered {
				known[r] = true
			}
		}
	}
	shares := slices.ContainsFunc(all, func(w built) bool {
		return w.remembered == nil && slices.ContainsFunc(w.roots(site), func(r string) bool { return known[r] })
	})
	if shares {
		if err := b.detailsOf(ctx, platform, all); err != nil {
			return failure.Wrap(failure.Service, "run again with --cache off", err)
		}
	}
	return disagree(all)
}
