package image_test

import (
	"context"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/image/base/basetest"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

func indexOf(t *testing.T, k basetest.Base) v1.ImageIndex {
	t.Helper()
	idx, err := k.Index()
	if err != nil {
		t.Fatal(err)
	}
	return idx
}

// push publishes a base and returns its reference by digest.
func push(t *testing.T, k basetest.Base, d image.Deps, repo string) string {
	t.Helper()
	idx := indexOf(t, k)
	if err := d.Registry.Push(context.Background(), repo, idx, nil); err != nil {
		t.Fatal(err)
	}
	h, err := idx.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return repo + "@" + h.String()
}

func oldKind() basetest.Base {
	return basetest.Base{Python: "3.11.9", Glibc: "2.36", Bin: "usr/local/bin", Libraries: []string{"libpq.so.5"}, Env: []string{"LANG=C.UTF-8", "OLD=1"},
		Labels: map[string]string{"maintainer": "old", "org.opencontainers.image.title": "python"}}
}

func newKind() basetest.Base {
	return basetest.Base{Python: "3.11.12", Glibc: "2.41", Bin: "usr/bin", Libraries: []string{"libpq.so.5"}, Env: []string{"LANG=C.UTF-8", "NEW=1"},
		Labels: map[string]string{"vendor": "new"}}
}

// TestRebase: the rebased image is the one that a build on the new base gives,
// for an index of two platforms; the old base stays or is gone.
func TestRebase(t *testing.T) {
	w := newWorld(t)
	reg, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := deps()
	from, to := push(t, oldKind(), d, reg.Addr+"/library/python"), push(t, newKind(), d, reg.Addr+"/library/python")
	r := w.request()
	r.Base, r.Image, r.Push, r.Tags, r.Labels = from, reg.Addr+"/acme/shop", true, []string{"v1"}, map[string]string{"team": "shop"}
	old := build(t, r, deps())
	fresh := r
	fresh.Base, fresh.Push = to, false
	want := build(t, fresh, deps())

	got, err := image.Rebase(t.Context(), image.RebaseRequest{Image: r.Image + ":v1", Base: to, Push: true, Tags: []string{"v1", "rebased"}}, deps())
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != want.Digest || got.Previous != old.Digest || !got.Published || len(got.Notes) != 0 {
		t.Errorf("rebased: %+v\na build on the new base gives %s, the old image was %s", got, want.Digest, old.Digest)
	}
	if len(got.Platforms) != 2 || got.Platforms[0].To != "CPython 3.11.12, glibc 2.41" || got.Platforms[0].From != "CPython 3.11.9, glibc 2.36" || got.Platforms[0].Kept < 3 {
		t.Errorf("platforms: %+v", got.Platforms)
	}
	idx, err := d.Registry.Index(t.Context(), r.Image+":rebased")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
	again, err := image.Rebase(t.Context(), image.RebaseRequest{Image: r.Image + ":v1", Base: from}, deps())
	if err != nil || again.Digest != old.Digest || again.Published {
		t.Errorf("and back: %+v, %v; want %s", again, err, old.Digest)
	}

	// Without the old base, its labels cannot be told from the image's own.
	reg.Fail(registry.Fault{Path: "/library/python/manifests/" + from[strings.Index(from, "sha256:"):], Status: 404})
	gone, err := image.Rebase(t.Context(), image.RebaseRequest{Image: r.Image + "@" + old.Digest, Base: to, Layout: t.TempDir() + "/out"}, deps())
	if err != nil || len(gone.Notes) != 1 || !strings.Contains(gone.Notes[0], "labels that came from it stay") {
		t.Fatalf("without the old base: %+v, %v", gone, err)
	}
}

// TestRebaseLayouts needs no registry.
func TestRebaseLayouts(t *testing.T) {
	w := newWorld(t)
	r := w.request()
	r.Platforms = []string{"linux/arm64"}
	dir := t.TempDir()
	r.Outputs = []image.Output{{Kind: image.OutputOCI, Path: dir + "/image"}}
	build(t, r, deps())
	if err := oci.WriteLayout(dir+"/new", indexOf(t, newKind()), ""); err != nil {
		t.Fatal(err)
	}
	got, err := image.Rebase(t.Context(), image.RebaseRequest{Image: "oci:" + dir + "/image", Base: "oci:" + dir + "/new", Layout: dir + "/out"}, deps())
	if err != nil {
		t.Fatal(err)
	}
	r.Base, r.Outputs = "oci:"+dir+"/new", nil
	if want := build(t, r, deps()); got.Digest != want.Digest {
		t.Errorf("rebased %s, built %s", got.Digest, want.Digest)
	}
	img, err := oci.ReadLayout(dir+"/out", "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := img.Digest(); h.String() != got.Digest {
		t.Errorf("the layout holds %s", h)
	}
}

func TestRebaseRefused(t *testing.T) {
	w := newWorld(t)
	w.add(wheeltest.Wheel{Name: "fresh", Version: "1.0", Tag: "cp311-cp311-manylinux_2_35_x86_64.manylinux_2_35_aarch64", WheelTag: "cp311-cp311-manylinux_2_35_x86_64\nTag: cp311-cp311-manylinux_2_35_aarch64",
		RequiresPy: ">=3.11.5", Files: map[string]string{"fresh.py": ""}})
	dir := t.TempDir()
	if err := oci.WriteLayout(dir+"/old", indexOf(t, oldKind()), ""); err != nil {
		t.Fatal(err)
	}
	r := w.request()
	r.Base, r.Outputs = "oci:"+dir+"/old", []image.Output{{Kind: image.OutputOCI, Path: dir + "/image"}}
	build(t, r, deps())
	for name, c := range map[string]struct {
		spoil func(*basetest.Base)
		want  []string
	}{
		"python":   {func(k *basetest.Base) { k.Python = "3.12.1" }, []string{"linux/amd64: it has CPython 3.12, the image's packages are installed for 3.11", "linux/arm64: it has"}},
		"libc":     {func(k *basetest.Base) { k.Glibc, k.Musl = "", "1.2.5" }, []string{"linux/amd64: its C library is musl, the image's packages need glibc"}},
		"glibc":    {func(k *basetest.Base) { k.Glibc = "2.31" }, []string{"linux/amd64: fresh-1.0 is built for cp311-cp311-manylinux_2_35_x86_64", "which glibc 2.31 does not run"}},
		"patch":    {func(k *basetest.Base) { k.Python = "3.11.2" }, []string{"fresh-1.0 needs Python >=3.11.5, it has 3.11.2"}},
		"platform": {func(k *basetest.Base) { k.Arches = []string{"amd64"} }, []string{"linux/arm64: it has no image for this platform; it has linux/amd64"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKind()
			c.spoil(&k)
			dirOf := t.TempDir() + "/base"
			if err := oci.WriteLayout(dirOf, indexOf(t, k), ""); err != nil {
				t.Fatal(err)
			}
			_, err := image.Rebase(t.Context(), image.RebaseRequest{Image: "oci:" + dir + "/image", Base: "oci:" + dirOf, Layout: t.TempDir() + "/out"}, deps())
			if failure.CodeOf(err) != failure.Answer {
				t.Fatalf("err = %v", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
		})
	}
	if _, err := image.Rebase(t.Context(), image.RebaseRequest{Image: "oci:" + dir + "/old@" + digestOf(t, dir+"/old"), Base: "oci:" + dir + "/old"}, deps()); failure.CodeOf(err) != failure.Answer || !strings.Contains(err.Error(), "no layers of build-image") {
		t.Errorf("a stranger's image: %v", err)
	}
	if _, err := image.Rebase(t.Context(), image.RebaseRequest{Image: "oci:" + dir + "/image"}, deps()); failure.CodeOf(err) != failure.Usage {
		t.Errorf("no base: %v", err)
	}
	if _, err := image.Rebase(t.Context(), image.RebaseRequest{Image: "oci:" + dir + "/image", Base: "oci:" + dir + "/old", Push: true}, deps()); failure.CodeOf(err) != failure.Usage {
		t.Errorf("nowhere to push: %v", err)
	}
}

func digestOf(t *testing.T, dir string) string {
	t.Helper()
	o, err := deps().Registry.Open(t.Context(), "oci:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return o.Digest
}
