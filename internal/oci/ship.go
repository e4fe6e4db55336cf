package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// Shipment is an image or index on its way to a repository, with what is known
// of what is there already.
type Shipment struct {
	Repo string
	What Artifact
	Tags []string
	// Has says that the repository has a blob ("sha256:…"): it is neither asked
	// for nor sent. It may be wrong: then the registry refuses the manifest, and
	// everything is looked at again. nil: nothing is known, all is asked for.
	Has func(digest string) bool
	// Ask says that all blobs may be there that Has does not name: each is asked
	// for before it is sent.
	Ask bool
	// From names a repository of the same registry that has a blob, or "".
	From func(digest string) string
	// Moving is told how far the sending of a blob has come, in bytes; a blob that
	// is sent or already there is told whole in the end. It may be nil, and is called
	// by several at the same time.
	Moving func(digest string, done, size int64)
	// Sent is told of every blob that was sent; it may be nil.
	Sent func(digest string, size int64)
}

// Ship pushes like Push, in as few requests and round trips as can be: blobs in
// parallel, then manifests, the tags last. A blob that is there is never sent.
// Whatever surprises it leads back to Push, which asks for everything.
func (c *Client) Ship(ctx context.Context, s Shipment) error {
	r, err := c.repository(s.Repo)
	if err != nil {
		return err
	}
	for _, t := range s.Tags {
		if _, err := c.tag(r, t); err != nil {
			return err
		}
	}
	err = c.ship(ctx, r, s)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || !surprising(err):
		return explain("pushing to", s.Repo, r, err)
	}
	return c.Push(ctx, s.Repo, s.What, s.Tags)
}

// surprising says that a registry refused what should have worked: a blob that
// was there is gone, or it does not take an upload the short way.
func surprising(err error) bool {
	var t *transport.Error
	if !errors.As(err, &t) {
		return false
	}
	return t.StatusCode >= 400 && t.StatusCode < 500 && !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}, t.StatusCode)
}

// cargo is what a shipment consists of.
type cargo struct {
	blobs    []content
	children []named // images of an index
	top      named
}

// named is a manifest.
type named struct {
	raw    []byte
	kind   types.MediaType
	digest string
}

func (c *Client) ship(ctx context.Context, r name.Repository, s Shipment) error {
	load, err := unpack(s.What)
	if err != nil {
		return err
	}
	ses, err := c.session(ctx, r, true, c.also(r)...)
	if err != nil {
		return err
	}
	g, blobs := errgroup.WithContext(ctx)
	g.SetLimit(c.jobs)
	for _, b := range load.blobs {
		if s.Has != nil && s.Has(b.digest) {
			c.meter.mark(b.digest)
			continue
		}
		b := b.watch(s.Moving)
		s.moving(b, 0)
		g.Go(func() error {
			from := ""
			if s.From != nil {
				from = s.From(b.digest)
			}
			// A blob of some size, or one of which nothing is known, is asked for
			// first: never is sent what is there.
			if from == "" && (s.Has == nil || s.Ask || b.size > atOnce) {
				there, err := ses.has(blobs, b.digest)
				if there {
					s.moving(b, b.size)
				}
				if there || err != nil {
					return err
				}
			}
			if err := ses.upload(blobs, b, from); err != nil {
				return err
			}
			s.moving(b, b.size)
			if s.Sent != nil {
				s.Sent(b.digest, b.size)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ses.putAll(ctx, c.jobs, load.children, func(m named) []string { return []string{m.digest} }); err != nil {
		return err
	}
	return ses.putAll(ctx, c.jobs, []named{load.top}, func(m named) []string {
		if len(s.Tags) == 0 {
			return []string{m.digest}
		}
		return s.Tags
	})
}

func (s Shipment) moving(b content, done int64) {
	if s.Moving != nil {
		s.Moving(b.digest, done, b.size)
	}
}

func (s *session) putAll(ctx context.Context, jobs int, all []named, names func(named) []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, m := range all {
		for _, n := range names(m) {
			g.Go(func() error { return s.put(ctx, m, n) })
		}
	}
	return g.Wait()
}

// put stores a manifest under a tag or its digest.
func (s *session) put(ctx context.Context, m named, under string) error {
	resp, err := s.do(ctx, request{method: http.MethodPut, url: s.at("/manifests/%s", under), size: int64(len(m.raw)),
		body:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.raw)), nil },
		header: map[string]string{"Content-Type": string(m.kind)}, accept: []int{http.StatusOK, http.StatusCreated, http.StatusAccepted}})
	if err != nil {
		return err
	}
	drop(resp)
	if got := resp.Header.Get("Docker-Content-Digest"); got != "" && got != m.digest {
		return fmt.Errorf("storing the manifest: the registry has %s, not %s: %w", got, m.digest, errContent)
	}
	return nil
}

// has asks for a blob.
func (s *session) has(ctx context.Context, digest string) (bool, error) {
	resp, err := s.do(ctx, request{method: http.MethodHead, url: s.at("/blobs/%s", digest), accept: []int{http.StatusOK}})
	if refused(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	drop(resp)
	return true, nil
}

// unpack lists what must be there for an artifact, each blob once.
func unpack(a Artifact) (*cargo, error) {
	var out cargo
	seen := map[string]bool{}
	var images []v1.Image
	switch what := a.(type) {
	case v1.ImageIndex:
		m, err := what.IndexManifest()
		if err != nil {
			return nil, fmt.Errorf("reading the index: %w", err)
		}
		for _, d := range m.Manifests {
			img, err := what.Image(d.Digest)
			if err != nil {
				return nil, fmt.Errorf("reading the index: %w", err)
			}
			images = append(images, img)
			child, err := manifestOf(img)
			if err != nil {
				return nil, err
			}
			out.children = append(out.children, child)
		}
	case v1.Image:
		images = append(images, what)
	}
	for _, img := range images {
		layers, err := img.Layers()
		if err != nil {
			return nil, fmt.Errorf("reading the image's layers: %w", err)
		}
		config, err := partial.ConfigLayer(img)
		if err != nil {
			return nil, fmt.Errorf("reading the image's config: %w", err)
		}
		for _, l := range append(layers, config) {
			b, err := blobOf(l)
			if err != nil {
				return nil, err
			}
			if !seen[b.digest] {
				seen[b.digest] = true
				out.blobs = append(out.blobs, b)
			}
		}
	}
	var err error
	out.top, err = manifestOf(a)
	return &out, err
}

func blobOf(l v1.Layer) (content, error) {
	d, err := l.Digest()
	if err != nil {
		return content{}, fmt.Errorf("reading a layer: %w", err)
	}
	size, err := l.Size()
	if err != nil {
		return content{}, fmt.Errorf("reading a layer: %w", err)
	}
	return content{digest: d.String(), size: size, open: l.Compressed}, nil
}

func manifestOf(a Artifact) (named, error) {
	raw, err := a.RawManifest()
	if err != nil {
		return named{}, fmt.Errorf("making the manifest: %w", err)
	}
	var kind types.MediaType
	if typed, ok := a.(interface {
		MediaType() (types.MediaType, error)
	}); ok {
		if kind, err = typed.MediaType(); err != nil {
			return named{}, fmt.Errorf("making the manifest: %w", err)
		}
	}
	d, err := a.Digest()
	if err != nil {
		return named{}, fmt.Errorf("computing the digest to push: %w", err)
	}
	return named{raw: raw, kind: kind, digest: d.String()}, nil
}

// Intend says that a repository will be pushed to, and blobs be mounted from
// others, before the first request to it: one authentication serves all.
func (c *Client) Intend(repo string, from ...string) {
	r, err := c.repository(repo)
	if err != nil {
		return // said when it is used
	}
	i := intent{}
	for _, f := range from {
		if o, err := c.repository(f); err == nil {
			i.from = append(i.from, o)
		}
	}
	c.intents.Store(r.Name(), i)
}

type intent struct{ from []name.Repository }

func (c *Client) writes(r name.Repository) bool {
	_, ok := c.intents.Load(r.Name())
	return ok
}

func (c *Client) also(r name.Repository) []name.Repository {
	if v, ok := c.intents.Load(r.Name()); ok {
		if i, ok := v.(intent); ok {
			return i.from
		}
	}
	return nil
}

// ability remembers what a registry was seen to do.
type ability struct {
	mu  sync.Mutex
	not map[string]bool // by host: no upload in one request
}

func (c *Client) single(host string) bool {
	c.ability.mu.Lock()
	defer c.ability.mu.Unlock()
	return !c.ability.not[host]
}

func (c *Client) notSingle(host string) {
	c.ability.mu.Lock()
	defer c.ability.mu.Unlock()
	c.ability.not[host] = true
}

// retryUpload tries an upload from its beginning, also when the registry does
// not know it any more.
func (c *Client) retryUpload(ctx context.Context, try func() error) error {
	return c.retry(ctx, func() (time.Duration, error) {
		err := try()
		var t *transport.Error
		if errors.As(err, &t) && (t.StatusCode == http.StatusNotFound || t.StatusCode == http.StatusRequestedRangeNotSatisfiable) {
			return 0, fmt.Errorf("%w: %w", errGone, err)
		}
		var w *throttled
		if errors.As(err, &w) {
			return w.after, err
		}
		return 0, err
	})
}

// errGone is an upload that the registry has forgotten.
var errGone = errors.New("the upload is gone")

// throttled is an error of a registry that wants to be left alone for a while.
type throttled struct {
	after time.Duration
	err   error
}

// Error implements error.
func (t *throttled) Error() string { return t.err.Error() }

// Unwrap returns the registry's answer.
func (t *throttled) Unwrap() error { return t.err }
