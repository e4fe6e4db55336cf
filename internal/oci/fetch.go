package oci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxManifest is the size of a manifest that is read at all: the specification
// asks registries to accept 4 MB.
const maxManifest = 8 << 20

// errContent marks content that is not what its digest says.
var errContent = errors.New("the content does not match its digest")

// Manifest is a manifest as a registry has it.
type Manifest struct {
	Raw       []byte
	MediaType types.MediaType
	Digest    v1.Hash
}

const accepted = string(types.OCIManifestSchema1) + ", " + string(types.OCIImageIndex) + ", " + string(types.DockerManifestSchema2) + ", " + string(types.DockerManifestList)

// Manifest fetches what a reference names, in one request. A reference that is
// not there gives an error that Is ErrNotFound; by digest, other content is an
// error.
func (c *Client) Manifest(ctx context.Context, ref string) (*Manifest, error) {
	r, err := c.reference(ref)
	if err != nil {
		return nil, err
	}
	s, err := c.session(ctx, r.Context(), c.writes(r.Context()), c.also(r.Context())...)
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	resp, err := s.do(ctx, request{method: http.MethodGet, url: s.at("/manifests/%s", r.Identifier()), header: map[string]string{"Accept": accepted}, accept: []int{http.StatusOK}})
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	defer drop(resp)
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxManifest+1))
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	if len(raw) > maxManifest {
		return nil, fmt.Errorf("pulling %q: its manifest is larger than %d MiB", ref, maxManifest>>20)
	}
	m := &Manifest{Raw: raw, MediaType: types.MediaType(resp.Header.Get("Content-Type"))}
	if m.Digest, _, err = v1.SHA256(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("pulling %q: %w", ref, err)
	}
	if d, ok := r.(name.Digest); ok && d.DigestStr() != m.Digest.String() {
		return nil, fmt.Errorf("pulling %q: %w", ref, errContent)
	}
	return m, nil
}

// Now is the digest that a tag has, "" if it is not there or the registry does
// not say without delivering it. It costs one request.
func (c *Client) Now(ctx context.Context, repo, tag string) (string, error) {
	r, err := c.repository(repo)
	if err != nil {
		return "", err
	}
	t, err := c.tag(r, tag)
	if err != nil {
		return "", err
	}
	s, err := c.session(ctx, r, c.writes(r), c.also(r)...)
	if err != nil {
		return "", explain("resolving", t.Name(), r, err)
	}
	resp, err := s.do(ctx, request{method: http.MethodHead, url: s.at("/manifests/%s", tag), header: map[string]string{"Accept": accepted}, accept: []int{http.StatusOK}})
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", explain("resolving", t.Name(), r, err)
	}
	drop(resp)
	return resp.Header.Get("Docker-Content-Digest"), nil
}

// Blob opens a blob of a repository. What is read is verified: other content is
// an error at its end. A connection that breaks is resumed where it broke.
func (c *Client) Blob(ctx context.Context, repo string, d v1.Descriptor) (io.ReadCloser, error) {
	r, err := c.repository(repo)
	if err != nil {
		return nil, err
	}
	s, err := c.session(ctx, r, c.writes(r), c.also(r)...)
	if err != nil {
		return nil, explain("pulling", d.Digest.String(), r, err)
	}
	resp, err := s.do(ctx, request{method: http.MethodGet, url: s.at("/blobs/%s", d.Digest), expect: d.Size, accept: []int{http.StatusOK}})
	if err != nil {
		return nil, explain("pulling", d.Digest.String(), r, err)
	}
	return &blobReader{s: s, d: d, sum: sha256.New(), body: resp.Body}, nil
}

type blobReader struct {
	s    *session
	d    v1.Descriptor
	sum  hash.Hash
	done int64
	body io.ReadCloser
}

// Read implements io.Reader.
func (b *blobReader) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.sum.Write(p[:n])
	b.done += int64(n)
	switch {
	case b.done > b.d.Size, errors.Is(err, io.EOF) && (b.done < b.d.Size || hex.EncodeToString(b.sum.Sum(nil)) != b.d.Digest.Hex):
		return 0, fmt.Errorf("pulling %s: %w", b.d.Digest, errContent)
	case err != nil && !errors.Is(err, io.EOF):
		return n, explain("pulling", b.d.Digest.String(), b.s.repo, err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *blobReader) Close() error { return b.body.Close() }
