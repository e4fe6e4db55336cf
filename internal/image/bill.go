package image

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"github.com/fairlead-ci/fairlead/internal/disk"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/sbom"
	"github.com/fairlead-ci/fairlead/internal/version"
)

// Bill is a bill of materials that was written or attached.
type Bill struct {
	Format   sbom.Format `json:"format"`
	Platform string      `json:"platform"`
	// Path is the file; Digest the artifact that refers to the platform's image
	// in the registry, "" when nothing was published.
	Path   string `json:"path"`
	Digest string `json:"digest,omitempty"`
	data   []byte
}

// bills writes the documents that were asked for to files, each complete or not
// at all.
func (b *builder) bills(images map[string]v1.Image) error {
	if len(b.SBOM) == 0 {
		return nil
	}
	if err := os.MkdirAll(cmp.Or(b.SBOMFolder, "."), 0o755); err != nil {
		return failure.New(failure.Usage, "", "making the folder for bills of materials: %w", err)
	}
	for _, p := range b.Platforms {
		if err := b.detailsOf(b.ctx, p, b.inside[p]); err != nil {
			return err
		}
		what, err := b.contents(p, images[p])
		if err != nil {
			return err
		}
		for _, f := range b.SBOM {
			name := "sbom"
			if len(b.Platforms) > 1 {
				name += "." + strings.ReplaceAll(p, "/", "-")
			}
			bill := Bill{Format: f, Platform: p, Path: filepath.Join(b.SBOMFolder, name+f.Extension())}
			if bill.data, err = sbom.Write(f, what); err != nil {
				return err
			}
			if err := disk.Put(bill.Path, 0o644, disk.Bytes(bill.data)); err != nil {
				return failure.Wrap(failure.Usage, "name a folder that can be written with --sbom-folder", err)
			}
			b.result.Bills = append(b.result.Bills, bill)
		}
	}
	return nil
}

// attach stores the documents beside the platforms' images that they are about.
// It comes after the push: some registries want the subject to be there.
func (b *builder) attach(ctx context.Context, images map[string]v1.Image) error {
	for i := range b.result.Bills {
		bill := &b.result.Bills[i]
		subject, err := partial.Descriptor(images[bill.Platform])
		if err != nil {
			return fmt.Errorf("computing the image's digest: %w", err)
		}
		bill.Digest, err = b.deps.Registry.Attach(ctx, b.Image, *subject, oci.Attachment{Type: bill.Format.MediaType(), Data: bill.data,
			Annotations: map[string]string{"org.opencontainers.image.created": b.metadata("", "")["org.opencontainers.image.created"]}})
		if err != nil {
			return failure.Wrap(failure.CodeOf(err), "the image is published; run again to attach its bill of materials", err)
		}
	}
	return nil
}

// contents is what a platform's image is made of.
func (b *builder) contents(platform string, img v1.Image) (sbom.Image, error) {
	digest, err := img.Digest()
	if err != nil {
		return sbom.Image{}, fmt.Errorf("computing the image's digest: %w", err)
	}
	facts := b.bases.facts[platform]
	own := slug(filepath.Base(b.contextName()))
	out := sbom.Image{
		Name: cmp.Or(b.Image, own, "app"), Digest: digest.String(), Platform: platform, Created: b.Created, Tool: version.Version,
		Base:        sbom.Base{Name: b.bases.name, Digest: b.bases.digestOf(platform), Python: facts.Target.FullVersion},
		Application: sbom.Application{Name: cmp.Or(own, "app"), Version: b.Version, Source: b.Source, Revision: b.Revision},
	}
	needs := edges(b.inside[platform], facts.Target.MarkerEnv())
	for _, w := range b.inside[platform] {
		if w.project {
			out.Application.Name = w.Name
			out.Application.Version = cmp.Or(b.Version, w.Version)
			continue
		}
		p := sbom.Package{Name: w.Name, Version: w.Version, SHA256: w.sha256, Needs: needs[w.Name],
			License: sbom.ReadLicense(one(w.Header("License-Expression")), one(w.Header("License")), w.Header("Classifier"))}
		if w.sha256 != "" {
			p.Wheel = w.Filename
		}
		out.Packages = append(out.Packages, p)
	}
	return out, nil
}

// one is the first value, "" if there is none.
func one(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// edges says which packages of an image need which: by their metadata, with the
// extras that others of the image ask for. Extras that only the lock knew of are
// not seen: a package that is there for one of them is needed by the project.
func edges(all []built, env requirement.Env) map[string][]string {
	byName := map[string]built{}
	extras := map[string]map[string]bool{}
	var work []string
	for _, w := range all {
		byName[w.Name], extras[w.Name] = w, map[string]bool{}
		work = append(work, w.Name)
	}
	needs := map[string]map[string]bool{}
	for len(work) > 0 { // extras only grow, so this ends
		w := byName[work[0]]
		work = work[1:]
		here := env
		here.Extras = slices.Sorted(maps.Keys(extras[w.Name]))
		for _, text := range w.Requires {
			r, err := requirement.Parse(text)
			if err != nil {
				continue // installers of the lock did not read it either
			}
			if holds, err := r.Marker.Eval(here); err != nil || !holds {
				continue
			}
			name := requirement.NormalizeName(r.Name)
			if _, ok := byName[name]; !ok {
				continue
			}
			if needs[w.Name] == nil {
				needs[w.Name] = map[string]bool{}
			}
			needs[w.Name][name] = true
			for _, e := range r.Extras {
				if e = requirement.NormalizeName(e); !extras[name][e] {
					extras[name][e] = true
					work = append(work, name)
				}
			}
		}
	}
	out := map[string][]string{}
	for name, set := range needs {
		out[name] = slices.Sorted(maps.Keys(set))
	}
	return out
}
