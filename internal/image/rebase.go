package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/image/needs"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// RebaseRequest says which image gets which base.
type RebaseRequest struct {
	// Image is a reference of an image that build-image made, or "oci:FOLDER".
	Image string
	// Base is a reference, or "oci:FOLDER".
	Base string
	// To is the repository to publish to; default Image's own.
	To   string
	Tags []string
	Push bool
	// Layout is a folder to write the result to as an OCI layout; "" for none.
	Layout string
}

// Rebased is what a rebase made: the document of fairlead rebase.
type Rebased struct {
	Schema  int             `json:"schema"`
	Tool    string          `json:"tool"`
	Verdict finding.Verdict `json:"verdict"`
	Image   string          `json:"image"`
	Digest  string          `json:"digest"`
	// Previous is the digest that was there.
	Previous  string            `json:"previous"`
	Base      Base              `json:"base"`
	Platforms []RebasedPlatform `json:"platforms"`
	Tags      []string          `json:"tags"`
	Published bool              `json:"published"`
	Notes     []string          `json:"notes,omitempty"`
}

// RebasedPlatform is one platform's image.
type RebasedPlatform struct {
	Platform string `json:"platform"`
	Digest   string `json:"digest"`
	Previous string `json:"previous"`
	// From and To say what was below and what is now, for people.
	From string `json:"from"`
	To   string `json:"to"`
	// Kept is the number of layers that stay as they are.
	Kept int `json:"kept"`
}

// labels of a base.
const (
	baseName   = "org.opencontainers.image.base.name"
	baseDigest = "org.opencontainers.image.base.digest"
)

// Rebase puts the layers of an image that build-image made on another base, for
// every platform of it or for none. The wheels and the application stay what
// they are, byte for byte; a base on which they could not run is refused with
// the reasons. With the same inputs the result is the image that build-image
// would have made on that base.
func Rebase(ctx context.Context, r RebaseRequest, d Deps) (*Rebased, error) {
	if r.Image == "" || r.Base == "" {
		return nil, failure.New(failure.Usage, "fairlead rebase REPOSITORY@sha256:… --base REPOSITORY@sha256:…", "rebasing: name the image and its new base")
	}
	if r.To == "" && !strings.HasPrefix(r.Image, "oci:") {
		r.To = untagged(strings.SplitN(r.Image, "@", 2)[0])
	}
	if r.Push && r.To == "" {
		return nil, failure.New(failure.Usage, "give --image registry/owner/name", "pushing: no repository is named")
	}
	work, err := os.MkdirTemp(d.WorkDir, "fairlead-rebase-*")
	if err != nil {
		return nil, fmt.Errorf("making a folder to work in: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	old, err := d.Registry.Open(ctx, r.Image)
	if err != nil {
		return nil, fmt.Errorf("opening the image: %w", err)
	}
	below, err := d.Registry.Open(ctx, r.Base)
	if err != nil {
		return nil, fmt.Errorf("opening the new base: %w", err)
	}
	b := &rebaser{RebaseRequest: r, deps: d, below: below, shop: &workshop{dir: work, made: map[string]*layer.Layer{}}, name: r.Base}
	if name, _, pinned := strings.Cut(r.Base, "@"); pinned {
		b.name = name
	}
	if strings.HasPrefix(r.Base, "oci:") {
		b.name = ""
	}
	b.result = &Rebased{Schema: 1, Tool: "rebase", Verdict: finding.Pass, Image: r.To, Previous: old.Digest, Tags: []string{}, Base: Base{Name: b.name, Digest: below.Digest}}
	what, err := b.all(ctx, old)
	if err != nil {
		return nil, err
	}
	return b.result, b.publish(ctx, what)
}

// rebaser is one rebase on its way.
type rebaser struct {
	RebaseRequest
	deps   Deps
	below  *oci.Opened
	name   string // of the new base, "" where it has none
	shop   *workshop
	result *Rebased
}

// all rebases every platform and puts them together as they were.
func (b *rebaser) all(ctx context.Context, old *oci.Opened) (oci.Artifact, error) {
	platforms := slices.Sorted(maps.Keys(old.Images))
	if len(platforms) == 0 {
		return nil, failure.New(failure.Answer, "", "rebasing %q: it holds no image", b.Image)
	}
	images := map[string]v1.Image{}
	var refused []string
	for _, p := range platforms {
		img, err := b.one(ctx, p, old.Images[p])
		var no hindered
		if errors.As(err, &no) {
			for _, why := range no {
				refused = append(refused, p+": "+why)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("rebasing %q for %s: %w", b.Image, p, err)
		}
		images[p] = img
	}
	if len(refused) > 0 {
		return nil, failure.New(failure.Answer, "build the image anew on this base: its packages are then chosen for it", "rebasing %q on %q: it does not fit, nothing was changed:\n  %s",
			b.Image, b.Base, strings.Join(refused, "\n  "))
	}
	digest := b.below.Digest
	if b.name == "" {
		digest = "" // that of a layout's folder says nothing to others
	}
	what, made, err := together(images, platforms, old.Index, b.rename(old.Annotations, digest))
	b.result.Digest = made
	return what, err
}

// hindered are the reasons why an image cannot run on a base.
type hindered []string

func (h hindered) Error() string { return strings.Join(h, "; ") }

// one rebases one platform's image.
func (b *rebaser) one(ctx context.Context, platform string, img v1.Image) (v1.Image, error) {
	under, ok := b.below.Images[platform]
	if !ok {
		under, ok = b.below.Images[baseOf(platform)]
	}
	if !ok {
		return nil, hindered{"it has no image for this platform; it has " + strings.Join(slices.Sorted(maps.Keys(b.below.Images)), ", ")}
	}
	own, err := ownLayers(img)
	if err != nil {
		return nil, err
	}
	was, wasLibraries, err := base.InspectWithLibraries(img)
	if err != nil {
		return nil, fmt.Errorf("looking into the image: %w", err)
	}
	is, isLibraries, err := base.InspectWithLibraries(under)
	if err != nil {
		return nil, fmt.Errorf("looking into the new base: %w", err)
	}
	var layers []v1.Layer
	for _, a := range own {
		layers = append(layers, a.Layer)
	}
	n, err := needs.Read(layers)
	if err != nil {
		return nil, err
	}
	why, err := n.Hinders(needs.Base{Facts: was, Libraries: wasLibraries}, needs.Base{Facts: is, Libraries: isLibraries})
	if err != nil {
		return nil, err
	}
	if len(why) > 0 {
		return nil, hindered(why)
	}
	for _, note := range is.Notes {
		b.note("base: " + note)
	}
	done, err := b.put(ctx, platform, img, under, own, is)
	if err != nil {
		return nil, err
	}
	return done, b.enter(platform, img, done, was, is, len(own)-1)
}

// ownLayers are the layers that build-image put on the base, with their history
// and annotations.
func ownLayers(img v1.Image) ([]mutate.Addendum, error) {
	m, err := img.Manifest()
	if err != nil {
		return nil, fmt.Errorf("reading the image's manifest: %w", err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image's config: %w", err)
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the image's layers: %w", err)
	}
	notOurs := failure.New(failure.Answer, "only images that fairlead build-image made can be rebased: others may have run anything on their base", "its history has no layers of build-image above a base's")
	if len(c.History) != len(layers) || len(m.Layers) != len(layers) {
		return nil, notOurs
	}
	first := slices.IndexFunc(c.History, func(h v1.History) bool { return h.CreatedBy == assembledBy })
	if first < 0 || slices.ContainsFunc(c.History[first:], func(h v1.History) bool { return h.CreatedBy != assembledBy }) ||
		!strings.HasPrefix(c.History[first].Comment, venvComment) {
		return nil, notOurs
	}
	var out []mutate.Addendum
	for i := first; i < len(layers); i++ {
		out = append(out, mutate.Addendum{Layer: layers[i], History: c.History[i], MediaType: types.OCILayer, Annotations: m.Layers[i].Annotations})
	}
	return out, nil
}

// put stacks our layers on the new base. The virtual environment's skeleton is
// made anew: it says where the interpreter is.
func (b *rebaser) put(ctx context.Context, platform string, img, under v1.Image, own []mutate.Addendum, is base.Facts) (v1.Image, error) {
	venv, err := b.shop.venv(is)
	if err != nil {
		return nil, err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the image's config: %w", err)
	}
	own = append(stack([]*layer.Layer{venv}, c.Created.Time), own[1:]...)
	m, err := img.Manifest()
	if err != nil {
		return nil, fmt.Errorf("reading the image's manifest: %w", err)
	}
	digest := b.below.Digest
	if b.name == "" {
		h, err := under.Digest()
		if err != nil {
			return nil, fmt.Errorf("opening the new base: %w", err)
		}
		digest = h.String()
	}
	before := b.oldBase(ctx, platform, m.Annotations)
	set := func(to *v1.ConfigFile) { transfer(&c.Config, before, &to.Config, b.rename(nil, digest)) }
	return compose(under, own, set, b.rename(m.Annotations, digest), c.Created.Time)
}

// oldBase is the config of the base that the image says it has; nil where it
// cannot be had: then what is known to come from build-image is taken for it.
func (b *rebaser) oldBase(ctx context.Context, platform string, annotations map[string]string) *v1.Config {
	name, digest := annotations[baseName], annotations[baseDigest]
	if name == "" || digest == "" {
		return nil
	}
	img, err := b.deps.Registry.Image(ctx, untagged(name)+"@"+digest, platform)
	if err == nil {
		var c *v1.ConfigFile
		if c, err = img.ConfigFile(); err == nil {
			return &c.Config
		}
	}
	b.note(fmt.Sprintf("the old base %s@%s cannot be read: labels that came from it stay (%s)", untagged(name), digest, oneLine(err.Error())))
	return nil
}

// rename says of annotations which base there is now.
func (b *rebaser) rename(annotations map[string]string, digest string) map[string]string {
	out := maps.Clone(annotations)
	if out == nil {
		out = map[string]string{}
	}
	delete(out, baseName)
	delete(out, baseDigest)
	if b.name != "" {
		out[baseName] = b.name
	}
	if digest != "" {
		out[baseDigest] = digest
	}
	return out
}

func (b *rebaser) note(text string) {
	if !slices.Contains(b.result.Notes, text) {
		b.result.Notes = append(b.result.Notes, text)
	}
}

// enter adds a platform to the result.
func (b *rebaser) enter(platform string, img, done v1.Image, was, is base.Facts, kept int) error {
	from, err := img.Digest()
	if err != nil {
		return fmt.Errorf("computing the image's digest: %w", err)
	}
	to, err := done.Digest()
	if err != nil {
		return fmt.Errorf("computing the image's digest: %w", err)
	}
	say := func(f base.Facts) string {
		return fmt.Sprintf("CPython %s, %s %d.%d", cmp.Or(f.Target.FullVersion, pythonName(f)), f.Target.Libc, f.Target.LibcVersion[0], f.Target.LibcVersion[1])
	}
	b.result.Platforms = append(b.result.Platforms, RebasedPlatform{Platform: platform, Digest: to.String(), Previous: from.String(), From: say(was), To: say(is), Kept: kept})
	return nil
}

func pythonName(f base.Facts) string {
	return strings.TrimPrefix(minorOf(f.Target.Python), "python")
}

// publish writes and pushes what was made, the registry last.
func (b *rebaser) publish(ctx context.Context, what oci.Artifact) error {
	if b.Layout != "" {
		tag := "latest"
		if len(b.Tags) > 0 {
			tag = b.Tags[0]
		}
		if err := oci.WriteLayout(b.Layout, what, tag); err != nil {
			return err
		}
	}
	if !b.Push {
		return nil
	}
	if err := b.deps.Registry.Push(ctx, b.To, what, b.Tags); err != nil {
		return err
	}
	b.result.Published, b.result.Tags = true, append(b.result.Tags, b.Tags...)
	return nil
}
