package image_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// One build goes to several repositories and files, annotated as asked.
func TestDestinationsAndAnnotations(t *testing.T) {
	w := newWorld(t)
	a, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := deps()
	r := w.request()
	r.Image, r.Tags, r.Push = a.Addr+"/shop", []string{"1"}, true
	r.Further = []image.Destination{{Repository: b.Addr + "/other", Tags: []string{"x", "y"}}}
	r.Annotations = []image.Annotation{{Key: "all", Value: "1"}, {Key: "top", Value: "2", Level: "index"}, {Key: "arm", Value: "3", Level: "manifest", Platform: "linux/arm64"}}
	file := filepath.Join(t.TempDir(), "image.tar")
	r.Outputs = []image.Output{{Kind: image.OutputOCITar, Path: file}}
	res := build(t, r, d)
	if got := strings.Join(res.Tags, " "); got != "1 "+b.Addr+"/other:x "+b.Addr+"/other:y" {
		t.Errorf("tags %q", got)
	}
	for _, ref := range []string{a.Addr + "/shop:1", b.Addr + "/other:x", b.Addr + "/other:y"} {
		if got, err := d.Registry.Digest(t.Context(), ref); err != nil || got != res.Digest {
			t.Errorf("%s is %s, %v", ref, got, err)
		}
	}
	idx, err := d.Registry.Index(t.Context(), a.Addr+"/shop:1")
	if err != nil {
		t.Fatal(err)
	}
	top, _ := idx.IndexManifest()
	if top.Annotations["all"] != "1" || top.Annotations["top"] != "2" || top.Annotations["arm"] != "" {
		t.Errorf("annotations of the index %v", top.Annotations)
	}
	for platform, want := range map[string]string{"linux/amd64": "", "linux/arm64": "3"} {
		img, err := d.Registry.Image(t.Context(), a.Addr+"/shop:1", platform)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := img.Manifest()
		if m.Annotations["all"] != "1" || m.Annotations["arm"] != want || m.Annotations["top"] != "" {
			t.Errorf("annotations of %s %v", platform, m.Annotations)
		}
	}
	if raw, _ := idx.RawManifest(); res.ManifestSize != int64(len(raw)) || !strings.Contains(res.MediaType, "index") || !strings.HasPrefix(res.Platforms[0].ImageID, "sha256:") {
		t.Errorf("described as %s, %d bytes, %+v", res.MediaType, res.ManifestSize, res.Platforms[0])
	}

	// The archive is the layout, and the same each time.
	first, _ := os.ReadFile(file)
	build(t, r, d)
	if second, _ := os.ReadFile(file); !bytes.Equal(first, second) {
		t.Error("two archives of one image differ")
	}
	dir := t.TempDir()
	for tr := tar.NewReader(bytes.NewReader(first)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(tr)
		if h.Typeflag == tar.TypeReg {
			w.write(filepath.Join(dir, h.Name), string(body))
		}
	}
	img, err := oci.ReadLayout(dir, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := img.Digest(); h.String() != res.Platforms[0].Digest {
		t.Errorf("the archive holds %s", h)
	}
}

// A mirror is read in place of the registry that the base names, and the image
// does not know it.
func TestMirrors(t *testing.T) {
	w := newWorld(t)
	reg, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := deps()
	if err := d.Registry.Push(t.Context(), reg.Addr+"/hub/library/python", baseIndex(t), []string{"3.11"}); err != nil {
		t.Fatal(err)
	}
	r := w.request()
	r.Base, r.Mirrors = "python:3.11", map[string]string{"docker.io": reg.Addr + "/hub"}
	res := build(t, r, d)
	pinned := r
	pinned.Base = "docker.io/library/python@" + res.Base.Digest
	if again := build(t, pinned, d); again.Base.Digest != res.Base.Digest {
		t.Errorf("by digest: %+v", again.Base)
	}
	if strings.Contains(res.Base.Name, reg.Addr) || res.Base.Name != "python:3.11" {
		t.Errorf("base %+v", res.Base)
	}
}
