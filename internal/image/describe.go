package image

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// describe enters an image and its layers into the result.
func (b *builder) describe(platform string, img v1.Image, own []*layer.Layer) error {
	digest, err := img.Digest()
	if err != nil {
		return fmt.Errorf("computing the image's digest: %w", err)
	}
	for i := range b.result.Platforms {
		if b.result.Platforms[i].Platform == platform {
			b.result.Platforms[i].Digest = digest.String()
		}
	}
	manifest, err := img.Manifest()
	if err != nil {
		return fmt.Errorf("reading the image's manifest: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("reading the image's config: %w", err)
	}
	below := len(manifest.Layers) - len(own)
	for i, d := range manifest.Layers {
		l := Layer{Digest: d.Digest.String(), DiffID: config.RootFS.DiffIDs[i].String(), Size: d.Size, Wheels: []string{}, From: "base"}
		if i >= below {
			made := own[i-below]
			l.Wheels = append(l.Wheels, made.Wheels...)
			l.From = made.From
		}
		b.enter(l, platform)
	}
	return nil
}

func (b *builder) enter(l Layer, platform string) {
	for i := range b.result.Layers {
		if b.result.Layers[i].Digest == l.Digest {
			b.result.Layers[i].Platforms = append(b.result.Layers[i].Platforms, platform)
			return
		}
	}
	l.Platforms = []string{platform}
	b.result.Layers = append(b.result.Layers, l)
	b.result.Size += l.Size
}

// combine makes what is published: an index for several platforms, the image
// itself for one.
func (b *builder) combine(images map[string]v1.Image) (oci.Artifact, error) {
	notes := b.metadata(b.bases.name, b.bases.digest)
	maps.Copy(notes, on(b.Annotations, "index", ""))
	what, digest, err := together(images, b.Platforms, len(b.Platforms) > 1, notes)
	if err != nil {
		return nil, err
	}
	b.result.Digest = digest
	if err := b.identify(what, images); err != nil {
		return nil, err
	}
	return what, nil
}

// identify enters what other tools know an image by.
func (b *builder) identify(what oci.Artifact, images map[string]v1.Image) error {
	described, ok := what.(interface {
		MediaType() (types.MediaType, error)
		Size() (int64, error)
	})
	if !ok {
		return fmt.Errorf("describing the image: it has no type")
	}
	mt, err := described.MediaType()
	if err != nil {
		return fmt.Errorf("describing the image: %w", err)
	}
	if b.result.ManifestSize, err = described.Size(); err != nil {
		return fmt.Errorf("describing the image: %w", err)
	}
	b.result.MediaType = string(mt)
	for i, p := range b.result.Platforms {
		id, err := images[p.Platform].ConfigName()
		if err != nil {
			return fmt.Errorf("describing the image: %w", err)
		}
		b.result.Platforms[i].ImageID = id.String()
	}
	return nil
}

// together is what is published and its digest: an index of the platforms'
// images, or the one image itself.
func together(images map[string]v1.Image, platforms []string, index bool, annotations map[string]string) (oci.Artifact, string, error) {
	var what oci.Artifact = images[platforms[0]]
	if index {
		idx, err := indexOf(images, platforms, annotations)
		if err != nil {
			return nil, "", err
		}
		what = idx
	}
	digest, err := what.Digest()
	if err != nil {
		return nil, "", fmt.Errorf("computing the digest: %w", err)
	}
	return what, digest.String(), nil
}

// indexOf makes an index of the platforms' images.
func indexOf(images map[string]v1.Image, platforms []string, annotations map[string]string) (v1.ImageIndex, error) {
	var add []mutate.IndexAddendum
	for _, p := range platforms {
		platform, err := v1.ParsePlatform(p)
		if err != nil {
			return nil, fmt.Errorf("reading platform %q: %w", p, err)
		}
		add = append(add, mutate.IndexAddendum{Add: images[p], Descriptor: v1.Descriptor{Platform: platform}})
	}
	idx := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), add...)
	annotated, ok := mutate.Annotations(idx, annotations).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("annotating the index: not an index any more")
	}
	return annotated, nil
}

// finish adds what is known only at the end.
func (b *builder) finish(took time.Duration) {
	r := b.result
	r.Seconds = took.Seconds()
	if b.deps.Registry != nil {
		s := b.deps.Registry.Stats()
		r.Requests, r.BytesUp, r.BytesDown = s.Requests-b.before.Requests, s.BytesUp-b.before.BytesUp, s.BytesDown-b.before.BytesDown
	}
	if b.store != nil {
		r.BytesDown += b.store.down
	}
	r.Cache = cacheOf(r.Layers)
	r.Notes = unique(r.Notes)
}

// settleReuse notes which layers were there before: what comes after the push must not
// count.
func (b *builder) settleReuse() {
	for i := range b.result.Layers {
		b.result.Layers[i].Reused = b.reused(b.result.Layers[i])
	}
}

// reused says whether the registry had a layer before: itself, or an image that
// holds it.
func (b *builder) reused(l Layer) bool {
	if !b.result.Published {
		return false
	}
	known := b.deps.Registry.Existed
	return known(l.Digest) || known(b.result.Digest) || slices.ContainsFunc(b.result.Platforms, func(p Platform) bool {
		return slices.Contains(l.Platforms, p.Platform) && known(p.Digest)
	})
}

// unique keeps the first of equal notes: platforms share most of them.
func unique(in []string) []string {
	var out []string
	for _, s := range in {
		if s = strings.TrimSpace(s); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
