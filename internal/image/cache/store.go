package cache

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// Store is a repository with entries.
type Store struct {
	Client *oci.Client
	Repo   string
	// Now dates what is stored, for pruning: to the day, so that the same entry
	// stored twice is the same.
	Now time.Time
}

// Get looks for an entry: one request, when its config is in the manifest. That
// it is not there gives an error that Is oci.ErrNotFound; every error is a miss.
func (s Store) Get(ctx context.Context, key, base, platform string) (*Entry, error) {
	return s.get(ctx, Prefix+key, key, base, platform)
}

// Last looks for the newest entry of a project, if it is on the same base.
func (s Store) Last(ctx context.Context, project, base, platform string) (*Entry, error) {
	return s.get(ctx, LastPrefix+project, "", base, platform)
}

func (s Store) get(ctx context.Context, tag, key, base, platform string) (*Entry, error) {
	m, config, err := s.image(ctx, tag)
	if err != nil {
		return nil, err
	}
	return parse(m, config, key, base, platform)
}

// image fetches an entry's manifest and its config, which is what the manifest
// says it is.
func (s Store) image(ctx context.Context, tag string) (*v1.Manifest, []byte, error) {
	m, err := s.Client.Manifest(ctx, s.Repo+":"+tag)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := v1.ParseManifest(bytes.NewReader(m.Raw))
	if err != nil {
		return nil, nil, shapef("its manifest: %w", err)
	}
	config := parsed.Config.Data
	if len(config) == 0 {
		if config, err = s.read(ctx, parsed.Config); err != nil {
			return nil, nil, err
		}
	}
	if sum(config) != parsed.Config.Digest.String() {
		return nil, nil, shapef("its config is not %s", parsed.Config.Digest)
	}
	return parsed, config, nil
}

func (s Store) read(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if d.Size > maxFacts {
		return nil, shapef("%d bytes", d.Size)
	}
	r, err := s.Client.Blob(ctx, s.Repo, d)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

// Hints say what is known of where blobs are (see oci.Shipment).
type Hints struct {
	Has  func(digest string) bool
	From func(digest string) string
}

// Put stores an entry as the newest of a project: on a base image, with the
// layers of e.Layers in order, and the details of each wheel.
func (s Store) Put(ctx context.Context, e Entry, project string, on v1.Image, layers []v1.Layer, details map[string]Detail, dir string, hints Hints) error {
	img, err := s.compose(e, on, layers, details, dir)
	if err != nil {
		return fmt.Errorf("making an entry of the cache: %w", err)
	}
	if err := s.Client.Ship(ctx, oci.Shipment{Repo: s.Repo, What: img, Tags: []string{Prefix + e.Key, LastPrefix + project}, Has: hints.Has, From: hints.From}); err != nil {
		return fmt.Errorf("storing an entry of the cache: %w", err)
	}
	return nil
}

// detailsPath is where the details stand in the last layer.
const detailsPath = ".fairlead/wheels.json"

func (s Store) compose(e Entry, on v1.Image, layers []v1.Layer, details map[string]Detail, dir string) (v1.Image, error) {
	list, err := json.Marshal(details)
	if err != nil {
		return nil, err
	}
	last, err := layer.FromEntries([]layer.Entry{layer.File(detailsPath, list, false)}, dir)
	if err != nil {
		return nil, err
	}
	below, err := on.Layers()
	if err != nil {
		return nil, err
	}
	of, err := on.ConfigFile()
	if err != nil {
		return nil, err
	}
	facts, err := pack(e)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: of.Architecture, Variant: of.Variant,
		Config: v1.Config{Labels: map[string]string{label: facts}}, RootFS: v1.RootFS{Type: "layers"}}); err != nil {
		return nil, err
	}
	var add []mutate.Addendum
	for _, l := range append(append(below, layers...), last) {
		mt, err := l.MediaType()
		if err != nil {
			return nil, err
		}
		switch mt {
		case types.DockerLayer:
			mt = types.OCILayer
		case types.DockerUncompressedLayer:
			mt = types.OCIUncompressedLayer
		}
		add = append(add, mutate.Addendum{Layer: l, MediaType: mt})
	}
	if img, err = mutate.Append(img, add...); err != nil {
		return nil, err
	}
	return s.embed(img)
}

// embedded is an image whose manifest repeats the config.
type embedded struct {
	v1.Image
	raw []byte
}

// CreatedAnnotation dates an entry: RFC 3339, in its manifest.
const CreatedAnnotation = "org.opencontainers.image.created"

func (s Store) embed(img v1.Image) (v1.Image, error) {
	config, err := img.RawConfigFile()
	if err != nil {
		return nil, err
	}
	m, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	m = m.DeepCopy()
	if len(config) <= maxData {
		m.Config.Data = config
	}
	if !s.Now.IsZero() {
		m.Annotations = map[string]string{CreatedAnnotation: s.Now.UTC().Truncate(24 * time.Hour).Format(time.RFC3339)}
	}
	raw, err := json.Marshal(m)
	return embedded{img, raw}, err
}

// RawManifest implements v1.Image.
func (e embedded) RawManifest() ([]byte, error) { return e.raw, nil }

// Digest implements v1.Image.
func (e embedded) Digest() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(e.raw))
	return h, err
}

// Size implements v1.Image.
func (e embedded) Size() (int64, error) { return int64(len(e.raw)), nil }

// Manifest implements v1.Image.
func (e embedded) Manifest() (*v1.Manifest, error) { return v1.ParseManifest(bytes.NewReader(e.raw)) }

// Details fetches the detailed part of an entry, by the wheels' file names.
func (s Store) Details(ctx context.Context, e *Entry) (map[string]Detail, error) {
	last := e.details
	raw, err := s.read(ctx, last)
	if err != nil {
		return nil, err
	}
	l, err := layer.Known(last, v1.Hash{}, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
	if err != nil {
		return nil, err
	}
	r, err := l.Uncompressed()
	if err != nil {
		return nil, shapef("its details: %w", err)
	}
	defer func() { _ = r.Close() }()
	for tr := tar.NewReader(io.LimitReader(r, 8*maxFacts)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil, shapef("it has no details")
		}
		if err != nil {
			return nil, shapef("its details: %w", err)
		}
		if h.Name != detailsPath {
			continue
		}
		out := map[string]Detail{}
		if err := json.NewDecoder(tr).Decode(&out); err != nil {
			return nil, shapef("its details: %w", err)
		}
		return out, nil
	}
}
