// Package cache keeps the dependencies of built images in a registry, as
// ordinary images, so that a build on an empty machine finds what the last one
// made. An entry holds the base's layers, the virtual environment and the layers
// of wheels; its tag is a digest of what determines them. Because it is an image,
// garbage collection leaves it alone and its blobs can be mounted.
//
// What is read is content-addressed and checked for its shape: the base is the
// pinned one, byte by byte, and every layer is named by its digest. That a layer
// holds what its wheels hold cannot be seen without the wheels: whoever may write
// to the cache is trusted with that. So keep repositories of different trust
// apart, and let builds of strangers only read (docs/cache.md).
package cache

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
)

// format is the version of an entry; another one is a miss.
const format = "1"

// Prefix begins the tags of entries, LastPrefix those of the newest entry of a
// project.
const (
	Prefix     = "deps-"
	LastPrefix = "last-"
)

// label holds an entry's facts in its image's config.
const label = "dev.fairlead.cache"

const (
	maxFacts = 32 << 20 // unpacked
	// maxData is the largest config that is repeated in the manifest, where one
	// request gets both.
	maxData = 64 << 10
)

// Pin is a package of a lock, with all digests its files may have.
type Pin struct {
	Name, Version string
	SHA256        []string
	// URL is set where the lock names the file itself: the installation says so.
	URL string
}

// Key is the name of an entry: a digest of everything that determines it. base
// is the pinned digest of the base image, selection what was asked of the lock
// besides its pins (extras, groups). What the lock selects for the base's Python
// is held against the entry once it is there.
func Key(platform, base string, pins []Pin, selection ...string) string {
	h := sha256.New()
	line := func(parts ...string) { _ = json.NewEncoder(h).Encode(parts) } // unambiguous, and a hash takes everything
	line("fairlead dependencies", format, layer.LayoutVersion, platform, base)
	line(selection...)
	all := slices.Clone(pins)
	slices.SortFunc(all, func(a, b Pin) int { return strings.Compare(a.Name+" "+a.Version, b.Name+" "+b.Version) })
	for _, p := range all {
		sums := slices.Sorted(slices.Values(p.SHA256))
		line(append([]string{p.Name, p.Version}, slices.Compact(sums)...)...)
		if p.URL != "" {
			line(p.Name, p.URL)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Digest is the name of a pin in an entry.
func (p Pin) Digest() string {
	sums := slices.Sorted(slices.Values(p.SHA256))
	return sum([]byte(p.Name + " " + p.Version + " " + p.URL + " " + strings.Join(slices.Compact(sums), " ")))
}

// Project is the name of what a project's builds follow one another by.
func Project(parts ...string) string {
	h := sha256.New()
	_ = json.NewEncoder(h).Encode(append([]string{"fairlead project", format, layer.LayoutVersion}, parts...))
	return hex.EncodeToString(h.Sum(nil))
}

// Entry is the dependencies of an image.
type Entry struct {
	Key string `json:"key"`
	// Facts are what was learnt of the base, Base its own words.
	Facts base.Facts `json:"facts"`
	Base  Base       `json:"base"`
	// Wheels are what is installed; Layers those above the base's, in order.
	Wheels []Wheel `json:"wheels"`
	Layers []Layer `json:"layers"`

	details v1.Descriptor // of the layer with the wheels' details
}

// Base is a base image without its layers: enough to build on it.
type Base struct {
	Index    []byte `json:"index,omitempty"` // of several platforms, if the pinned digest is an index's
	Manifest []byte `json:"manifest"`
	Config   []byte `json:"config"`
}

// Wheel is an installed wheel.
type Wheel struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Filename string `json:"filename"`
	Tag      string `json:"tag,omitempty"`
	SHA256   string `json:"sha256"`
	// Pin is a digest of the package's pin in the lock: while it is the same, and
	// the base, too, the choice among its files is the same.
	Pin  string `json:"pin"`
	Size int64  `json:"size"`
	Pure bool   `json:"pure,omitempty"`
	// Roots are the topmost paths that it alone brings: a package's folder in
	// site-packages, other files by their whole path.
	Roots    []string `json:"roots"`
	Warnings []string `json:"warnings,omitempty"`
	// Home is where it was found, "" for the main index.
	Home string `json:"home,omitempty"`
}

// Layer is a layer above the base's.
type Layer struct {
	From    string   `json:"from"`
	Comment string   `json:"comment"`
	Wheels  []string `json:"wheels,omitempty"` // file names
	// Descriptor and DiffID are those of the entry's own manifest and config.
	Descriptor v1.Descriptor `json:"-"`
	DiffID     v1.Hash       `json:"-"`
}

// Detail is what of a wheel is seldom needed: for bills of materials, and where
// files of others might be the same.
type Detail struct {
	Files    []File   `json:"files"`
	Requires []string `json:"requires,omitempty"`
	// Metadata is METADATA without the description.
	Metadata []byte `json:"metadata,omitempty"`
}

// File is a file of a wheel.
type File struct {
	Path   string `json:"p"`
	Mode   uint32 `json:"m"`
	Size   int64  `json:"s"`
	SHA256 []byte `json:"h"`
}

// pack makes text of an entry.
func pack(e any) (string, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := z.Write(raw); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func unpack(text string, into any) error {
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(text)))
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxFacts+1))
	if err != nil {
		return err
	}
	if len(raw) > maxFacts {
		return errors.New("too large")
	}
	return json.Unmarshal(raw, into)
}

// shapef is the error of an entry that is not what an entry is.
func shapef(format string, args ...any) error { return fmt.Errorf("not an entry: "+format, args...) }

// parseConfig reads a config, and the facts in it.
func parseConfig(config []byte, facts any) (*v1.ConfigFile, error) {
	c, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return nil, shapef("its config: %w", err)
	}
	if err := unpack(c.Config.Labels[label], facts); err != nil {
		return nil, shapef("its facts: %w", err)
	}
	return c, nil
}

// parse reads an entry from its manifest and config and checks that it is built
// on the pinned base.
func parse(m *v1.Manifest, config []byte, key, pinned, platform string) (*Entry, error) {
	var e Entry
	c, err := parseConfig(config, &e)
	if err != nil {
		return nil, err
	}
	if key != "" && e.Key != key {
		return nil, shapef("it is of the key %q", e.Key)
	}
	below, err := e.Base.check(pinned, platform)
	if err != nil {
		return nil, err
	}
	// The last layer is the wheels' details.
	if len(m.Layers) != len(below)+len(e.Layers)+1 || len(c.RootFS.DiffIDs) != len(m.Layers) {
		return nil, shapef("%d layers and %d digests of their contents, where %d were expected", len(m.Layers), len(c.RootFS.DiffIDs), len(below)+len(e.Layers)+1)
	}
	for i, l := range below {
		if m.Layers[i].Digest != l.Digest || m.Layers[i].Size != l.Size {
			return nil, shapef("layer %d is not the base's", i)
		}
	}
	for i := range e.Layers {
		e.Layers[i].Descriptor, e.Layers[i].DiffID = m.Layers[len(below)+i], c.RootFS.DiffIDs[len(below)+i]
		e.Layers[i].Descriptor.Data, e.Layers[i].Descriptor.URLs = nil, nil
	}
	e.details = m.Layers[len(m.Layers)-1]
	return &e, nil
}

// check follows the base from its pinned digest to its config, and returns its
// layers.
func (b Base) check(pinned, platform string) ([]v1.Descriptor, error) {
	want := pinned
	if len(b.Index) > 0 {
		if sum(b.Index) != want {
			return nil, shapef("its base index is not %s", want)
		}
		idx, err := v1.ParseIndexManifest(bytes.NewReader(b.Index))
		if err != nil {
			return nil, shapef("its base index: %w", err)
		}
		p, err := v1.ParsePlatform(platform)
		if err != nil {
			return nil, shapef("platform %q: %w", platform, err)
		}
		want = sum(b.Manifest)
		if !slices.ContainsFunc(idx.Manifests, func(d v1.Descriptor) bool {
			return d.Digest.String() == want && d.Platform != nil && d.Platform.Satisfies(*p)
		}) {
			return nil, shapef("its base is not the index's for %s", platform)
		}
	}
	if sum(b.Manifest) != want {
		return nil, shapef("its base is not %s", want)
	}
	m, err := v1.ParseManifest(bytes.NewReader(b.Manifest))
	if err != nil {
		return nil, shapef("its base's manifest: %w", err)
	}
	if sum(b.Config) != m.Config.Digest.String() {
		return nil, shapef("its base's config is not %s", m.Config.Digest)
	}
	return m.Layers, nil
}

func sum(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }
