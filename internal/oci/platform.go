package oci

import (
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// pick returns the image for a platform out of an index, looking into nested
// indexes. What else is there is named when nothing fits.
func pick(idx v1.ImageIndex, want v1.Platform, where string) (v1.Image, error) {
	img, seen, err := search(idx, want, 0)
	if err != nil || img != nil {
		return img, err
	}
	slices.Sort(seen)
	return nil, failure.New(failure.Answer, "choose one of the platforms it has, or another image",
		"%s has no image for %s; it has %s", where, want.String(), orNothing(slices.Compact(seen)))
}

const maxIndexDepth = 4 // an index of indexes exists in the wild; a chain does not

func search(idx v1.ImageIndex, want v1.Platform, depth int) (v1.Image, []string, error) {
	m, err := idx.IndexManifest()
	if err != nil || depth > maxIndexDepth {
		return nil, nil, err
	}
	var seen []string
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			child, err := idx.ImageIndex(d.Digest)
			if err != nil {
				return nil, nil, err
			}
			img, more, err := search(child, want, depth+1)
			if err != nil || img != nil {
				return img, nil, err
			}
			seen = append(seen, more...)
		case d.MediaType.IsImage():
			img, p, err := candidate(idx, d)
			if err != nil {
				return nil, nil, err
			}
			if p.Satisfies(want) {
				return img, nil, nil
			}
			// BuildKit files attestations under this platform.
			if p.OS != "unknown" {
				seen = append(seen, p.String())
			}
		}
	}
	return nil, seen, nil
}

// candidate returns the image of a descriptor and its platform, which comes from
// the image's own config when the descriptor does not say (layouts).
func candidate(idx v1.ImageIndex, d v1.Descriptor) (v1.Image, v1.Platform, error) {
	img, err := idx.Image(d.Digest)
	if err != nil {
		return nil, v1.Platform{}, err
	}
	if d.Platform != nil {
		return img, *d.Platform, nil
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, v1.Platform{}, err
	}
	return img, v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}, nil
}

func orNothing(s []string) string {
	if len(s) == 0 {
		return "nothing"
	}
	return strings.Join(s, ", ")
}
