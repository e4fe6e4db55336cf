package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// refName is the annotation by which readers of a layout find a name.
const refName = "org.opencontainers.image.ref.name"

// WriteLayout makes dir an OCI image layout that holds exactly this image or
// index, named tag if tag is not empty. An empty or missing folder and an
// existing layout are (re)written; any other folder is refused. The old content
// stays until the new one is complete.
func WriteLayout(dir string, what Artifact, tag string) error {
	old, err := replaceable(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("making a folder for the layout: %w", err)
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".new-*")
	if err != nil {
		return fmt.Errorf("making a folder for the layout: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := fill(tmp, what, tag); err != nil {
		return fmt.Errorf("writing OCI layout %q: %w", dir, err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("writing OCI layout %q: %w", dir, err)
	}
	if old {
		aside := tmp + ".old"
		if err := os.Rename(dir, aside); err != nil {
			return fmt.Errorf("replacing OCI layout %q: %w", dir, err)
		}
		defer func() { _ = os.RemoveAll(aside) }()
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("writing OCI layout %q: %w", dir, err)
	}
	return nil
}

// replaceable says whether dir exists and may be replaced.
func replaceable(dir string) (bool, error) {
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at the layout's folder: %w", err)
	}
	if len(list) == 0 {
		return true, nil
	}
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return false, failure.New(failure.Usage, "give an empty or a new folder", "folder %q is not empty and not an OCI layout: it will not be replaced", dir)
	}
	return true, nil
}

func fill(dir string, what Artifact, tag string) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	var opts []layout.Option
	if tag != "" {
		opts = append(opts, layout.WithAnnotations(map[string]string{refName: tag}))
	}
	switch w := what.(type) {
	case v1.ImageIndex:
		return path.AppendIndex(w, opts...)
	case v1.Image:
		return path.AppendImage(w, opts...)
	default:
		return fmt.Errorf("not an image nor an index: %T", what)
	}
}

// ReadLayout returns the image for a platform from an OCI layout. where is a
// folder, or FOLDER@sha256:… to choose among several manifests.
func ReadLayout(where, platform string) (v1.Image, error) {
	dir, digest, _ := strings.Cut(where, "@")
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, failure.New(failure.Usage, "for example linux/amd64", "reading platform %q: %w", platform, err)
	}
	idx, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, failure.New(failure.Usage, "name a folder that holds oci-layout and index.json", "opening OCI layout %q: %w", dir, err)
	}
	if digest != "" {
		if idx, err = narrow(idx, digest); err != nil {
			return nil, failure.New(failure.Usage, "see index.json for the digests it holds", "opening OCI layout %q: %w", dir, err)
		}
	}
	img, err := pick(idx, *p, fmt.Sprintf("OCI layout %q", dir))
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", fmt.Errorf("reading OCI layout: %w", err))
	}
	return img, nil
}

// narrow returns the index that holds only the manifest with the digest.
func narrow(idx v1.ImageIndex, digest string) (v1.ImageIndex, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil, err
	}
	return only{members: idx, match: match.Digests(h)}, nil
}

// only is an index seen through a filter on its direct members.
type only struct {
	members
	match match.Matcher
}

// members renames the embedded interface, whose name is one of its methods'.
type members = v1.ImageIndex

// IndexManifest returns the members that match.
func (o only) IndexManifest() (*v1.IndexManifest, error) {
	m, err := o.members.IndexManifest()
	if err != nil {
		return nil, err
	}
	kept := *m
	kept.Manifests = nil
	for _, d := range m.Manifests {
		if o.match(d) {
			kept.Manifests = append(kept.Manifests, d)
		}
	}
	return &kept, nil
}

// WriteArchive writes one image as a docker archive ("docker load", "podman
// load") under the given name, such as "localhost/shop:1".
func WriteArchive(w io.Writer, ref string, img v1.Image) error {
	r, err := name.ParseReference(ref)
	if err != nil {
		return failure.New(failure.Usage, "write it as repository:tag", "reading image reference %q: %w", ref, err)
	}
	if err := tarball.Write(r, img, w); err != nil {
		return fmt.Errorf("writing docker archive of %q: %w", ref, err)
	}
	return nil
}
