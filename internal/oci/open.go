package oci

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Opened is everything behind a reference.
type Opened struct {
	Digest string // of what the reference means
	// Images by platform, such as "linux/arm64".
	Images map[string]v1.Image
	// Index says that an index holds them; Annotations are its own.
	Index       bool
	Annotations map[string]string
}

// Open returns all images behind a reference in a registry, or in an OCI layout
// ("oci:FOLDER"). Attestations that builders file beside images are left out.
func (c *Client) Open(ctx context.Context, ref string) (*Opened, error) {
	if where, ok := strings.CutPrefix(ref, "oci:"); ok {
		return openLayout(where)
	}
	r, err := c.reference(ref)
	if err != nil {
		return nil, err
	}
	d, err := remote.Get(r, c.with(ctx)...)
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	out := &Opened{Digest: d.Digest.String(), Images: map[string]v1.Image{}}
	if d.MediaType.IsIndex() {
		idx, err := d.ImageIndex()
		if err == nil {
			err = out.addIndex(idx)
		}
		if err != nil {
			return nil, explain("pulling", ref, r.Context(), err)
		}
		return out, nil
	}
	img, err := d.Image()
	if err == nil {
		err = out.addImage(img, nil)
	}
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	return out, nil
}

// openLayout opens the one image or index that a layout holds.
func openLayout(where string) (*Opened, error) {
	dir, digest, _ := strings.Cut(where, "@")
	idx, err := layout.ImageIndexFromPath(dir)
	if err == nil && digest != "" {
		idx, err = narrow(idx, digest)
	}
	if err != nil {
		return nil, failure.New(failure.Usage, "name a folder that holds oci-layout and index.json", "opening OCI layout %q: %w", dir, err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		return nil, failure.New(failure.Usage, "name a folder that holds oci-layout and index.json", "opening OCI layout %q: %w", dir, err)
	}
	if len(m.Manifests) != 1 {
		return nil, failure.New(failure.Usage, "name one of them: oci:FOLDER@sha256:…", "opening OCI layout %q: it holds %d images", dir, len(m.Manifests))
	}
	d := m.Manifests[0]
	out := &Opened{Digest: d.Digest.String(), Images: map[string]v1.Image{}}
	if d.MediaType.IsIndex() {
		child, err := idx.ImageIndex(d.Digest)
		if err == nil {
			err = out.addIndex(child)
		}
		if err != nil {
			return nil, fmt.Errorf("reading OCI layout %q: %w", dir, err)
		}
		return out, nil
	}
	img, err := idx.Image(d.Digest)
	if err == nil {
		err = out.addImage(img, d.Platform)
	}
	if err != nil {
		return nil, fmt.Errorf("reading OCI layout %q: %w", dir, err)
	}
	return out, nil
}

func (o *Opened) addIndex(idx v1.ImageIndex) error {
	m, err := idx.IndexManifest()
	if err != nil {
		return err
	}
	o.Index, o.Annotations = true, m.Annotations
	for _, d := range m.Manifests {
		if !d.MediaType.IsImage() || d.Platform != nil && d.Platform.OS == "unknown" {
			continue
		}
		img, err := idx.Image(d.Digest)
		if err == nil {
			err = o.addImage(img, d.Platform)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *Opened) addImage(img v1.Image, p *v1.Platform) error {
	if p == nil {
		c, err := img.ConfigFile()
		if err != nil {
			return err
		}
		p = &v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	}
	o.Images[p.String()] = img
	return nil
}
