package image

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

const hostBase = "host"

// bases are the base images of a build, by platform.
type bases struct {
	images map[string]v1.Image
	facts  map[string]base.Facts
	name   string // for the annotation; "" for base host and layouts
	digest string // of what name means
	// own are the digests of a layout's images, by platform.
	own   map[string]string
	notes []string
}

// openBases finds the base image of each platform and learns what it is.
func (b *builder) openBases(ctx context.Context) (*bases, error) {
	out := &bases{images: map[string]v1.Image{}, facts: map[string]base.Facts{}, own: map[string]string{}}
	if b.Base == hostBase {
		return out, b.openHost(ctx, out)
	}
	where, layout := strings.CutPrefix(b.Base, "oci:")
	pull := func(platform string) (v1.Image, error) { return oci.ReadLayout(where, platform) }
	if !layout {
		ref, err := b.resolveBase(ctx, out)
		if err != nil {
			return nil, err
		}
		pull = func(platform string) (v1.Image, error) { return b.deps.Registry.Image(ctx, b.mirrored(ref), platform) }
	}
	for _, p := range b.Platforms {
		img, f, err := b.openBase(p, pull)
		if err != nil {
			return nil, err
		}
		if "linux/"+f.Target.Arch != baseOf(p) {
			return nil, failure.New(failure.Usage, "name a base that is built for the platform", "base %q is for linux/%s, not %s", b.Base, f.Target.Arch, p)
		}
		if have := fmt.Sprintf("%d.%d", f.Target.Python[0], f.Target.Python[1]); b.Python != "" && b.Python != have && b.Python != f.Target.FullVersion {
			return nil, failure.New(failure.Usage, "name a base of that version, or change python", "base %q has Python %s, not %s", b.Base, cmp.Or(f.Target.FullVersion, have), b.Python)
		}
		if err := b.fitsPython(f); err != nil {
			return nil, err
		}
		out.images[p], out.facts[p] = img, f
		out.note(f.Notes)
		if layout {
			h, err := img.Digest()
			if err != nil {
				return nil, fmt.Errorf("opening the base: %w", err)
			}
			out.own[p] = h.String()
		}
	}
	return out, nil
}

// fitsPython refuses a base whose Python the project excludes. (The lock's own
// range is checked when it is asked for packages.)
func (b *builder) fitsPython(f base.Facts) error {
	p, err := manifest.Read(b.tree.fsys, "pyproject.toml")
	if err != nil || p.RequiresPython == "" {
		return nil // no pyproject.toml, or one whose mistakes show elsewhere
	}
	wants, err := version.ParseSpecifiers(p.RequiresPython)
	if err != nil {
		return failure.New(failure.Usage, "", "pyproject.toml: requires-python: %w", err)
	}
	have, err := version.Parse(f.Target.FullVersion)
	if err != nil || wants.Contains(have, true) {
		return nil
	}
	return failure.New(failure.Usage, "take a base with a Python of that range, or change requires-python and lock again",
		"base %q has Python %s, and pyproject.toml requires %s", b.Base, f.Target.FullVersion, p.RequiresPython)
}

// openBase finds the base of one platform and what is known of it: in the cache,
// if that has it.
func (b *builder) openBase(p string, pull func(string) (v1.Image, error)) (v1.Image, base.Facts, error) {
	if e := b.memory.entry(p); e != nil {
		img, err := b.remembered(e)
		if err != nil {
			return nil, base.Facts{}, fmt.Errorf("recalling the base: %w", err)
		}
		return img, e.Facts, nil
	}
	img, err := pull(p)
	if err != nil {
		return nil, base.Facts{}, fmt.Errorf("opening the base: %w", err)
	}
	f, err := b.facts(img)
	if err != nil {
		return nil, f, fmt.Errorf("looking into base %q for %s: %w", b.Base, p, err)
	}
	return img, f, nil
}

// digestOf is what the base's digest is for one platform's image.
func (o *bases) digestOf(platform string) string { return cmp.Or(o.digest, o.own[platform]) }

func (o *bases) note(notes []string) {
	for _, n := range notes {
		o.notes = append(o.notes, "base: "+n)
	}
}

// baseOf is a platform without its variant: "linux/arm64/v8" is "linux/arm64".
func baseOf(platform string) string {
	parts := strings.SplitN(platform, "/", 3)
	if len(parts) < 2 {
		return platform
	}
	return parts[0] + "/" + parts[1]
}

// resolveBase turns the base's reference into one by digest.
func (b *builder) resolveBase(ctx context.Context, out *bases) (string, error) {
	if b.resolved == "" {
		var err error
		if b.resolved, err = b.deps.Registry.Resolve(ctx, b.mirrored(b.Base)); err != nil {
			return "", fmt.Errorf("resolving the base: %w", err)
		}
	}
	digest := b.resolved
	name, _, pinned := strings.Cut(b.Base, "@")
	out.name, out.digest = name, digest
	if pinned {
		return b.Base, nil
	}
	repo := untagged(b.Base)
	if b.RequireBaseDigest {
		return "", failure.New(failure.Answer, fmt.Sprintf("write --base %s@%s", b.Base, digest), "base %q is named by a tag, and a digest is required", b.Base)
	}
	out.notes = append(out.notes, fmt.Sprintf("base: %s is a tag, which moves; today it means %s@%s", b.Base, repo, digest))
	return repo + "@" + digest, nil
}

// mirrored is a reference on the mirror that is to be read instead.
func (b *builder) mirrored(ref string) string {
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return ref
	}
	repo := parsed.Context()
	for from, to := range b.Mirrors {
		if reg, err := name.NewRegistry(from); err != nil || reg.RegistryStr() != repo.RegistryStr() {
			continue
		}
		separator := ":"
		if _, pinned := parsed.(name.Digest); pinned {
			separator = "@"
		}
		return strings.TrimSuffix(to, "/") + "/" + repo.RepositoryStr() + separator + parsed.Identifier()
	}
	return ref
}

// untagged is a reference without its tag; a registry's port is no tag.
func untagged(ref string) string {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}

func (b *builder) openHost(ctx context.Context, out *bases) error {
	own := "linux/" + runtime.GOARCH
	if len(b.Platforms) != 1 || baseOf(b.Platforms[0]) != own {
		return failure.New(failure.Usage, "leave --platforms out, or name a base image from a registry", "base host is this machine's, %s: it cannot serve %s", own, strings.Join(b.Platforms, ", "))
	}
	img, facts, err := base.Host(ctx, b.HostPython, b.work, b.deps.CacheDir)
	if err != nil {
		return fmt.Errorf("assembling base host: %w", err)
	}
	if err := b.fitsPython(facts); err != nil {
		return err
	}
	p := b.Platforms[0]
	out.images[p], out.facts[p] = img, facts
	out.note(facts.Notes)
	return nil
}

// facts looks into a base image, or remembers having done so: they depend on
// its bytes alone.
func (b *builder) facts(img v1.Image) (base.Facts, error) {
	if b.deps.CacheDir == "" {
		return base.Inspect(img)
	}
	digest, err := img.Digest()
	if err != nil {
		return base.Facts{}, fmt.Errorf("reading the base image: %w", err)
	}
	key := sha256.Sum256([]byte("facts 2 " + digest.String()))
	file := filepath.Join(b.deps.CacheDir, "base-"+hex.EncodeToString(key[:])+".json")
	var f base.Facts
	if raw, err := os.ReadFile(file); err == nil && json.Unmarshal(raw, &f) == nil && f.Interpreter != "" {
		return f, nil
	}
	if f, err = base.Inspect(img); err != nil {
		return f, err
	}
	if raw, err := json.Marshal(f); err == nil && os.MkdirAll(b.deps.CacheDir, 0o755) == nil {
		// Without the cache the next build looks again; that is no failure.
		_ = os.WriteFile(file, raw, 0o644)
	}
	return f, nil
}
