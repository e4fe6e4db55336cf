package image

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/disk"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// publish writes the outputs and pushes, the registry last: an output that
// cannot be written leaves the registry as it was.
func (b *builder) publish(ctx context.Context, what oci.Artifact, images map[string]v1.Image) error {
	if err := b.bills(images); err != nil {
		return err
	}
	for _, o := range b.Outputs {
		if err := b.output(ctx, o, what, images); err != nil {
			return err
		}
	}
	if !b.Push {
		return nil
	}
	if err := b.push(ctx, what); err != nil {
		return err
	}
	b.result.Published = true
	b.settleReuse()
	b.result.Tags = append(b.result.Tags, b.Tags...)
	for _, d := range b.Further {
		b.deps.say("pushing %s to %s", b.result.Digest, d.Repository)
		if err := b.deps.Registry.Push(ctx, d.Repository, what, d.Tags); err != nil {
			return fmt.Errorf("after %s was pushed: %w", b.Image, err)
		}
		for _, t := range d.Tags {
			b.result.Tags = append(b.result.Tags, d.Repository+":"+t)
		}
	}
	return b.attach(ctx, images)
}

// push sends the image, unless the tags name it already.
func (b *builder) push(ctx context.Context, what oci.Artifact) error {
	if len(b.Tags) > 0 && !slices.ContainsFunc(b.Tags, func(t string) bool { return b.memory.now[t] != b.result.Digest }) {
		b.deps.say("%s is in %s already, under every tag", b.result.Digest, b.Image)
		b.deps.Registry.Known(b.result.Digest)
		return nil
	}
	b.deps.say("pushing %s to %s", b.result.Digest, b.Image)
	return b.deps.Registry.Ship(ctx, oci.Shipment{Repo: b.Image, What: what, Tags: b.Tags, Has: b.has(), From: b.from(b.Image),
		Ask: !b.memory.warm && len(b.memory.last) == 0, Moving: b.pushing})
}

// has says which blobs the image's repository has: those of a warm cache in it.
func (b *builder) has() func(string) bool {
	if b.memory.store.Repo != b.Image || !b.memory.warm && len(b.memory.last) == 0 && len(b.memory.reused) == 0 {
		return nil
	}
	there := maps.Clone(b.memory.reused)
	for _, p := range b.Platforms {
		e := b.memory.entry(p)
		if e == nil {
			continue
		}
		for _, l := range e.Layers {
			there[l.Descriptor.Digest.String()] = true
		}
		if m, err := b.bases.images[p].Manifest(); err == nil {
			for _, l := range m.Layers {
				there[l.Digest.String()] = true
			}
		}
	}
	return func(digest string) bool { return there[digest] }
}

func (b *builder) output(ctx context.Context, o Output, what oci.Artifact, images map[string]v1.Image) error {
	tag := "latest"
	if len(b.Tags) > 0 {
		tag = b.Tags[0]
	}
	name := cmp.Or(b.Image, "localhost/"+cmp.Or(slug(filepath.Base(b.contextName())), "app"))
	switch o.Kind {
	case OutputOCI:
		return oci.WriteLayout(o.Path, what, tag)
	case OutputOCITar:
		return disk.Put(o.Path, 0o644, func(f io.Writer) error { return oci.WriteLayoutArchive(f, what, tag, b.work) })
	case OutputTar:
		return disk.Put(o.Path, 0o644, func(f io.Writer) error {
			return oci.WriteArchive(f, name+":"+tag, images[b.Platforms[0]])
		})
	default:
		own := "linux/" + runtime.GOARCH
		i := slices.IndexFunc(b.Platforms, func(p string) bool { return baseOf(p) == own })
		if i < 0 {
			return failure.New(failure.Usage, "add "+own+" to --platforms", "output %s: no image for this machine was built", o.Kind)
		}
		e, err := b.engine(ctx, string(o.Kind))
		if err != nil {
			return fmt.Errorf("output %s: %w", o.Kind, err)
		}
		ref, err := e.Load(ctx, images[b.Platforms[i]], name)
		if err != nil {
			return fmt.Errorf("output %s: %w", o.Kind, err)
		}
		b.note("%s knows the image as %s", o.Kind, ref)
		return nil
	}
}

func (b *builder) contextName() string {
	abs, err := filepath.Abs(b.project)
	if err != nil {
		return b.project
	}
	return abs
}

// slug makes a repository name of a folder's.
func slug(s string) string {
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			out = append(out, c)
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		case len(out) > 0 && out[len(out)-1] != '-':
			out = append(out, '-')
		}
	}
	for len(out) > 0 && out[len(out)-1] == '-' {
		out = out[:len(out)-1]
	}
	return string(out)
}
