package cache

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// WheelPrefix begins the tags of single wheels, which projects and bases share.
const WheelPrefix = "whl-"

// Place is how a wheel is installed: with its bytes, it determines the layer.
type Place struct {
	// Prefix is the virtual environment's folder, Python the version it is of.
	Prefix string
	Python [2]int
	// Origin is the URL that the installation names, "" for a wheel of an index.
	Origin string
}

// WheelTag is the tag of a wheel (its file's name and SHA-256 in hex) in a place.
// There is no platform in it: a wheel that has one is another file.
func WheelTag(file, sha256hex string, p Place) string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode([]any{"fairlead wheel", format, layer.LayoutVersion, file, p.Prefix, p.Python, p.Origin})
	return fmt.Sprintf("%s%s-%.8x", WheelPrefix, sha256hex, h.Sum(nil))
}

// Single is one wheel with the layer of its own.
type Single struct {
	Wheel  Wheel
	Layer  Layer
	Detail Detail
}

// single is what stands in the config of a Single's image. It repeats what the
// manifest says of the layer: so neither can be exchanged without the other.
type single struct {
	Tag        string            `json:"tag"`
	Wheel      Wheel             `json:"wheel"`
	Comment    string            `json:"comment"`
	Detail     Detail            `json:"detail"`
	Layer      string            `json:"layer"`
	Size       int64             `json:"size"`
	DiffID     string            `json:"diff_id"`
	Annotation map[string]string `json:"annotations,omitempty"`
}

// GetWheel looks for a wheel of its own: one request, two where it has very many
// files. Every error is a miss; that it is not there gives one that Is
// oci.ErrNotFound.
func (s Store) GetWheel(ctx context.Context, tag, file, sha256hex string) (*Single, error) {
	m, config, err := s.image(ctx, tag)
	if err != nil {
		return nil, err
	}
	return parseSingle(m, config, tag, file, sha256hex)
}

func parseSingle(m *v1.Manifest, config []byte, tag, file, sha256hex string) (*Single, error) {
	var in single
	c, err := parseConfig(config, &in)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Tag != tag:
		return nil, shapef("it is of the tag %q", in.Tag)
	case in.Wheel.SHA256 != sha256hex || in.Wheel.Filename != file:
		return nil, shapef("it is of the wheel %q, %s", in.Wheel.Filename, in.Wheel.SHA256)
	case len(m.Layers) != 1 || len(c.RootFS.DiffIDs) != 1:
		return nil, shapef("%d layers and %d digests of their contents, where one was expected", len(m.Layers), len(c.RootFS.DiffIDs))
	case len(in.Detail.Files) == 0:
		return nil, shapef("it has no files")
	}
	d := m.Layers[0]
	if d.Digest.String() != in.Layer || d.Size != in.Size || d.MediaType != types.OCILayer || c.RootFS.DiffIDs[0].String() != in.DiffID || !maps.Equal(d.Annotations, in.Annotation) {
		return nil, shapef("its manifest and its config do not agree on the layer")
	}
	d.Data, d.URLs = nil, nil
	return &Single{Wheel: in.Wheel, Detail: in.Detail,
		Layer: Layer{From: "wheels", Comment: in.Comment, Wheels: []string{file}, Descriptor: d, DiffID: c.RootFS.DiffIDs[0]}}, nil
}

// PutWheel stores a wheel with its layer.
func (s Store) PutWheel(ctx context.Context, tag string, w Wheel, d Detail, l *layer.Layer, hints Hints) error {
	img, err := s.composeSingle(tag, w, d, l)
	if err != nil {
		return fmt.Errorf("making an entry of the cache for %s: %w", w.Filename, err)
	}
	if err := s.Client.Ship(ctx, oci.Shipment{Repo: s.Repo, What: img, Tags: []string{tag}, Has: hints.Has, From: hints.From}); err != nil {
		return fmt.Errorf("storing an entry of the cache for %s: %w", w.Filename, err)
	}
	return nil
}

func (s Store) composeSingle(tag string, w Wheel, d Detail, l *layer.Layer) (v1.Image, error) {
	desc, err := l.Descriptor()
	if err != nil {
		return nil, err
	}
	diffID, err := l.DiffID()
	if err != nil {
		return nil, err
	}
	w.Pin, w.Tag, w.Home = "", "", "" // of a lock and a target
	facts, err := pack(single{Tag: tag, Wheel: w, Comment: l.Comment, Detail: d, Layer: desc.Digest.String(), Size: desc.Size, DiffID: diffID.String(), Annotation: desc.Annotations})
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: "amd64", // for tools that want one
		Config: v1.Config{Labels: map[string]string{label: facts}}, RootFS: v1.RootFS{Type: "layers"}}); err != nil {
		return nil, err
	}
	if img, err = mutate.Append(img, mutate.Addendum{Layer: l, MediaType: types.OCILayer}); err != nil {
		return nil, err
	}
	return s.embed(img)
}

// Roots are the topmost paths of the wheel's files, each as root names it.
func (s *Single) Roots(root func(path string) string) []string {
	out := []string{}
	for _, f := range s.Detail.Files {
		out = append(out, root(f.Path))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
