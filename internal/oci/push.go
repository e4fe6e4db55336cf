package oci

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Artifact is what can be pushed: a v1.Image or a v1.ImageIndex.
type Artifact interface {
	remote.Taggable
	Digest() (v1.Hash, error)
}

// Push sends an image or index to "registry/repository": blobs, then manifests
// by digest, then the tags, so that a tag never points at something incomplete.
// What is there already is not sent again. Without tags nothing but the digest
// names the result.
func (c *Client) Push(ctx context.Context, repo string, what Artifact, tags []string) error {
	r, err := c.repository(repo)
	if err != nil {
		return err
	}
	targets := make([]name.Tag, 0, len(tags))
	for _, t := range tags {
		tag, err := c.tag(r, t)
		if err != nil {
			return err
		}
		targets = append(targets, tag)
	}
	digest, err := what.Digest()
	if err != nil {
		return fmt.Errorf("computing the digest to push: %w", err)
	}
	pusher, err := remote.NewPusher(c.with(ctx)...)
	if err != nil {
		return fmt.Errorf("preparing a push to %q: %w", repo, err)
	}
	if err := pusher.Push(ctx, r.Digest(digest.String()), what); err != nil {
		return explain("pushing to", repo, r, err)
	}
	for i, t := range targets {
		if err := pusher.Put(ctx, t, what); err != nil {
			return explain("tagging", r.Name()+":"+tags[i], r, err)
		}
	}
	return nil
}

// Tag points a tag of the same repository at "repo@sha256:…". A tag that is
// there already costs one request and changes nothing.
func (c *Client) Tag(ctx context.Context, ref, tag string) error {
	r, err := c.reference(ref)
	if err != nil {
		return err
	}
	from, ok := r.(name.Digest)
	if !ok {
		return failure.New(failure.Usage, "name the image by its digest: a tag may move between the two steps", "tagging %q: not a digest reference", ref)
	}
	to, err := c.tag(r.Context(), tag)
	if err != nil {
		return err
	}
	d, err := remote.Get(from, c.with(ctx)...)
	if err != nil {
		return explain("tagging", ref, r.Context(), err)
	}
	switch now, err := c.Digest(ctx, to.Name()); {
	case err == nil && now == from.DigestStr():
		return nil
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	if err := remote.Put(to, d, c.with(ctx)...); err != nil {
		return explain("tagging", to.Name(), r.Context(), err)
	}
	return nil
}

func (c *Client) tag(r name.Repository, tag string) (name.Tag, error) {
	var opts []name.Option
	if c.insecure[r.RegistryStr()] {
		opts = append(opts, name.Insecure)
	}
	t, err := name.NewTag(r.Name()+":"+tag, opts...)
	if err != nil || tag == "" || t.TagStr() != tag {
		return name.Tag{}, failure.New(failure.Usage, "a tag is at most 128 letters, digits, dots, dashes and underscores", "reading tag %q for %q: not a tag", tag, r.Name())
	}
	return t, nil
}
