package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Attachment is a document about an image: a bill of materials, say.
type Attachment struct {
	// Type is the document's media type, by which readers look for it.
	Type string
	Data []byte
	// Annotations of the artifact's manifest; they must not depend on the clock,
	// so that attaching the same twice changes nothing.
	Annotations map[string]string
}

// maxAttachment bounds a document that is read from a registry.
const maxAttachment = 64 << 20

// emptyConfig is the config of artifacts that have none (OCI image 1.1).
const emptyConfig = types.MediaType("application/vnd.oci.empty.v1+json")

// artifact is a manifest that is sent as it stands.
type artifact struct{ raw []byte }

func (a artifact) RawManifest() ([]byte, error)        { return a.raw, nil }
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Attach stores a document as a referrer of an image or index in the same
// repository (OCI distribution 1.1) and returns the artifact's digest. Where the
// registry lacks the referrers API, the list under the subject's fallback tag is
// updated: callers must not attach to one subject in parallel.
func (c *Client) Attach(ctx context.Context, repo string, subject v1.Descriptor, a Attachment) (string, error) {
	r, err := c.repository(repo)
	if err != nil {
		return "", err
	}
	config, body := static.NewLayer([]byte("{}"), emptyConfig), static.NewLayer(a.Data, types.MediaType(a.Type))
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: a.Type, Annotations: a.Annotations,
		Subject: &v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	}
	var descriptors [2]v1.Descriptor
	for i, l := range []v1.Layer{config, body} {
		d := &descriptors[i]
		if d.Digest, err = l.Digest(); err == nil {
			d.Size, err = l.Size()
		}
		if err == nil {
			d.MediaType, err = l.MediaType()
		}
		if err != nil {
			return "", fmt.Errorf("describing an attachment: %w", err)
		}
		if err := remote.WriteLayer(r, l, c.with(ctx)...); err != nil {
			return "", explain("attaching to", repo, r, err)
		}
	}
	m.Config, m.Layers = descriptors[0], descriptors[1:]
	raw, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("describing an attachment: %w", err)
	}
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("describing an attachment: %w", err)
	}
	if err := remote.Put(r.Digest(digest.String()), artifact{raw}, c.with(ctx)...); err != nil {
		return "", explain("attaching to", repo, r, err)
	}
	return digest.String(), nil
}

// Attached reads the documents of a type that refer to "repo@sha256:…", oldest
// unknown: registries do not order them. Anybody who may push can attach.
func (c *Client) Attached(ctx context.Context, ref, mediaType string) ([]Attachment, error) {
	r, err := c.reference(ref)
	if err != nil {
		return nil, err
	}
	digest, err := c.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	idx, err := remote.Referrers(r.Context().Digest(digest), c.with(ctx)...)
	if err != nil {
		return nil, explain("listing what is attached to", ref, r.Context(), err)
	}
	list, err := idx.IndexManifest()
	if err != nil {
		return nil, explain("listing what is attached to", ref, r.Context(), err)
	}
	var out []Attachment
	for _, d := range list.Manifests {
		// Some registries list the config's type instead of the artifact's.
		if d.ArtifactType != mediaType && d.ArtifactType != string(emptyConfig) && d.ArtifactType != "" {
			continue
		}
		got, err := remote.Get(r.Context().Digest(d.Digest.String()), c.with(ctx)...)
		if err != nil {
			return nil, explain("reading what is attached to", ref, r.Context(), err)
		}
		m, err := v1.ParseManifest(bytes.NewReader(got.Manifest))
		if err == nil && m.ArtifactType != mediaType {
			continue
		}
		if err != nil || len(m.Layers) != 1 || m.Layers[0].Size > maxAttachment {
			return nil, failure.New(failure.Answer, "remove it from the registry", "reading what is attached to %q: artifact %s is no single document", ref, d.Digest)
		}
		l, err := remote.Layer(r.Context().Digest(m.Layers[0].Digest.String()), c.with(ctx)...)
		if err != nil {
			return nil, explain("reading what is attached to", ref, r.Context(), err)
		}
		data, err := contentOf(l)
		if err != nil {
			return nil, explain("reading what is attached to", ref, r.Context(), err)
		}
		out = append(out, Attachment{Type: mediaType, Data: data, Annotations: m.Annotations})
	}
	return out, nil
}

// contentOf reads a blob as it is stored; its digest is verified on the way.
func contentOf(l v1.Layer) ([]byte, error) {
	rc, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(rc, maxAttachment+1))
	if closing := rc.Close(); err == nil {
		err = closing
	}
	return data, err
}
