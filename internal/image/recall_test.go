package image_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
	"github.com/fairlead-ci/fairlead/internal/sbom"
)

// warmWorld is a project whose image was built once, with a base in the registry.
func warmWorld(t *testing.T, o registry.Options) (*world, image.Request, *registry.Registry) {
	t.Helper()
	w := newWorld(t)
	o.Strict = true
	reg, err := registry.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	base := reg.Addr + "/library/python"
	c := deps().Registry
	idx := baseIndex(t)
	if err := c.Push(t.Context(), base, idx, []string{"3.11"}); err != nil {
		t.Fatal(err)
	}
	d, err := idx.Digest()
	if err != nil {
		t.Fatal(err)
	}
	r := w.request()
	r.Base = base + "@" + d.String()
	r.Image, r.Push, r.Tags = reg.Addr+"/acme/shop", true, []string{"v1"}
	return w, r, reg
}

// since are the requests after the first n, without those that only ask how the
// registry wants to be talked to.
func since(reg *registry.Registry, n int) []string {
	return slices.DeleteFunc(reg.Requests()[n:], func(q string) bool { return q == "GET /v2/" })
}

// cut is a request's method and last two parts, without digests.
func kinds(all []string) string {
	var out []string
	for _, q := range all {
		method, path, _ := strings.Cut(q, " ")
		parts := strings.Split(path, "/")
		kind := parts[len(parts)-2]
		if strings.HasPrefix(parts[len(parts)-1], "deps-") {
			kind = "cache"
		}
		out = append(out, method+" "+kind)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestWarmBuild(t *testing.T) {
	for _, single := range []bool{true, false} {
		t.Run(fmt.Sprintf("single=%v", single), func(t *testing.T) {
			w, r, reg := warmWorld(t, registry.Options{NoSingle: !single})
			r.Platforms = []string{"linux/amd64"}
			cold := build(t, r, deps())
			if cold.Cache != image.Miss {
				t.Errorf("the first build: cache %s", cold.Cache)
			}
			// From here on there is no index, and no wheel, and no base to be had.
			r.Index = w.serve(500)
			w.gone()

			n := len(reg.Requests())
			same := build(t, r, deps())
			if got := since(reg, n); len(got) > 2 || same.Digest != cold.Digest || same.Cache != image.Hit || !same.Published {
				t.Errorf("nothing changed: %q, cache %s, digest %s; want %s", got, same.Cache, same.Digest, cold.Digest)
			}

			w.file("shop.py", "app = 2\n")
			n = len(reg.Requests())
			next := build(t, r, deps())
			got := kinds(since(reg, n))
			want := "GET cache, HEAD manifests, POST uploads, POST uploads, PUT manifests"
			if !single {
				want = "GET cache, HEAD manifests, POST uploads, POST uploads, POST uploads, PUT manifests, PUT uploads, PUT uploads"
			}
			if single && got != want {
				t.Errorf("requests: %s\nwant      %s", got, want)
			}
			if !single && len(strings.Split(got, ", ")) > len(strings.Split(want, ", "))+1 {
				t.Errorf("requests: %s\nwant      %s", got, want)
			}
			if next.Digest == cold.Digest || reg.Tags("acme/shop")["v1"] != next.Digest {
				t.Errorf("digest %s; the tag is at %s", next.Digest, reg.Tags("acme/shop")["v1"])
			}
			if next.BytesUp > 30_000 || next.BytesDown > 30_000 {
				t.Errorf("%d bytes up, %d down", next.BytesUp, next.BytesDown)
			}
			img, err := deps().Registry.Image(t.Context(), r.Image+":v1", "linux/amd64")
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(img); err != nil {
				t.Error(err)
			}
			if c := contents(t, img, 1); c["app/shop.py"] != "app = 2\n" || c["app/.venv/bin/served"] == "" {
				t.Errorf("contents: %v", c)
			}
		})
	}
}

// gone removes the wheels.
func (w *world) gone() {
	if err := os.RemoveAll(w.wheels); err != nil {
		w.t.Fatal(err)
	}
}

// A warm build gives the digest of a cold one, whatever is in the image.
func TestWarmIsCold(t *testing.T) {
	package1 := func(w *world, _ *image.Request) {
		w.file("pyproject.toml", "[build-system]\nrequires=['setuptools']\n[project]\nname='shop'\nversion='1'\n[tool.setuptools]\npackages=['shopping']\n")
		w.file("shopping/__init__.py", "x = 1\n")
	}
	for name, set := range map[string]func(*world, *image.Request){
		"plain":         func(*world, *image.Request) {},
		"one platform":  func(_ *world, r *image.Request) { r.Platforms = []string{"linux/arm64"} },
		"package":       package1,
		"another cache": func(_ *world, r *image.Request) { r.CacheRepo = registryHost(r.Image) + "/acme/cache" },
		"bills":         func(w *world, r *image.Request) { r.SBOM, r.SBOMFolder = sbom.Formats(), w.bills() },
		"base in a layout": func(w *world, r *image.Request) {
			r.Base = "oci:" + w.base
		},
		"namespace shared with the project": func(w *world, r *image.Request) {
			w.add(wheeltest.Wheel{Name: "spaced", Version: "1", Files: map[string]string{"space/one.py": "1"}})
			w.file("pyproject.toml", "[build-system]\nrequires=['setuptools']\n[project]\nname='shop'\nversion='1'\n[tool.setuptools]\npackages=['space']\n")
			w.file("space/two.py", "x = 1\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, r, reg := warmWorld(t, registry.Options{})
			set(w, &r)
			build(t, r, deps())
			w.file("shop.py", "app = 2\n")
			off := r
			off.Cache, off.Push = image.CacheOff, false
			want := build(t, off, deps()).Digest
			bill, _ := os.ReadFile(filepath.Join(r.SBOMFolder, "sbom.linux-amd64.spdx.json"))
			r.Index = w.serve(500)
			w.gone()
			res := build(t, r, deps())
			if again, _ := os.ReadFile(filepath.Join(r.SBOMFolder, "sbom.linux-amd64.spdx.json")); !bytes.Equal(again, bill) {
				t.Errorf("warm the bill is\n%s\ncold\n%s", again, bill)
			}
			if res.Digest != want {
				t.Errorf("warm it is %s, cold %s", res.Digest, want)
			}
			if lack := reg.Complete("acme/shop", "v1"); lack != "" {
				t.Errorf("the tag's image lacks %s", lack)
			}
			if notes := strings.Join(res.Notes, "\n"); strings.Contains(notes, "cache") {
				t.Errorf("notes: %s", notes)
			}
		})
	}
}

func (w *world) bills() string { return filepath.Join(filepath.Dir(w.wheels), "bills") }

func registryHost(repo string) string {
	host, _, _ := strings.Cut(repo, "/")
	return host
}

// The project's files against wheels that are only remembered.
func TestWarmCollision(t *testing.T) {
	w, r, _ := warmWorld(t, registry.Options{})
	build(t, r, deps())
	w.file("pyproject.toml", "[build-system]\nrequires=['setuptools']\n[project]\nname='shop'\nversion='1'\n[tool.setuptools]\npackages=['served']\n")
	w.file("served/__init__.py", "not the same\n")
	r.Index = w.serve(500)
	w.gone()
	_, err := image.Build(t.Context(), r, deps())
	if err == nil || failure.CodeOf(err) != failure.Answer || !strings.Contains(err.Error(), "served/__init__.py") {
		t.Errorf("err = %v", err)
	}
}

// What is not the same is not taken: another lock, another base, another Python
// asked for.
func TestMisses(t *testing.T) {
	w, r, reg := warmWorld(t, registry.Options{})
	build(t, r, deps())
	w.add(wheeltest.Wheel{Name: "more", Version: "1", Files: map[string]string{"more.py": "1"}})
	res := build(t, r, deps())
	found := false
	for _, l := range res.Layers {
		found = found || slices.Contains(l.Wheels, "more-1-py3-none-any.whl")
	}
	if !found || res.Cache != image.Partial {
		t.Errorf("cache %s, layers %+v", res.Cache, res.Layers)
	}
	n := 0
	for tag := range reg.Tags("acme/shop") {
		if strings.HasPrefix(tag, cache.Prefix) {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d entries; want two for each of two platforms", n)
	}
}

// Modes: off neither reads nor writes, read does not write, verify compares.
func TestCacheModes(t *testing.T) {
	_, r, reg := warmWorld(t, registry.Options{})
	entries := func() (n int) {
		for tag := range reg.Tags("acme/shop") {
			if strings.HasPrefix(tag, cache.Prefix) {
				n++
			}
		}
		return n
	}
	r.Cache = image.CacheOff
	want := build(t, r, deps()).Digest
	r.Cache = image.CacheRead
	build(t, r, deps())
	if n := entries(); n != 0 {
		t.Fatalf("%d entries were written", n)
	}
	r.Cache = image.CacheOn
	build(t, r, deps())
	if n := entries(); n != 2 {
		t.Fatalf("%d entries; want 2", n)
	}
	r.Cache = image.CacheVerify
	res := build(t, r, deps())
	if res.Digest != want || !strings.Contains(strings.Join(res.Notes, "\n"), "the cache was verified") {
		t.Errorf("digest %s; want %s; notes %q", res.Digest, want, res.Notes)
	}
	r.Cache = "sometimes"
	if _, err := image.Build(t.Context(), r, deps()); failure.CodeOf(err) != failure.Usage {
		t.Errorf("an unknown mode: %v", err)
	}
}

// An entry whose layers hold something else passes every check of its shape: the
// trust model says who can plant one, and verify finds it. Entries of the wrong
// shape are passed over.
func TestPoison(t *testing.T) {
	_, r, reg := warmWorld(t, registry.Options{})
	r.Platforms = []string{"linux/amd64"}
	want := build(t, r, deps())
	var tag string
	for name := range reg.Tags("acme/shop") {
		if strings.HasPrefix(name, cache.Prefix) {
			tag = name
		}
	}
	original, ok := reg.Manifest("acme/shop", tag)
	if !ok {
		t.Fatal("no entry")
	}
	plant := func(edit func([]byte) []byte) {
		reg.Plant("acme/shop", tag, edit(bytes.Clone(original)))
	}
	var app string
	for _, l := range want.Layers {
		if l.From == "app" {
			app = l.Digest
		}
	}
	r.Tags = []string{"v2"}
	for name, edit := range map[string]func([]byte) []byte{
		"no JSON":            func([]byte) []byte { return []byte("{") },
		"empty":              func([]byte) []byte { return []byte("{}") },
		"another base layer": func(m []byte) []byte { return bytes.Replace(m, []byte(want.Layers[0].Digest), []byte(app), 1) },
		"the config changed": func(m []byte) []byte { return bytes.Replace(m, []byte(`"data":"ey`), []byte(`"data":"ex`), 1) },
		"fewer layers": func(m []byte) []byte {
			i := bytes.LastIndex(m, []byte(`,{"mediaType"`))
			return append(m[:i:i], []byte("]}")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			plant(edit)
			res := build(t, r, deps())
			if res.Digest != want.Digest {
				t.Errorf("digest %s; want %s", res.Digest, want.Digest)
			}
			if name != "empty" && !strings.Contains(strings.Join(res.Notes, "\n"), "the cache") {
				t.Errorf("nothing is said: %q", res.Notes)
			}
		})
	}
	var wheels string
	for _, l := range want.Layers {
		if l.From == "wheels" {
			wheels = l.Digest
		}
	}
	plant(func(m []byte) []byte { return bytes.Replace(m, []byte(wheels), []byte(app), 1) })
	verifyFinds(t, r, reg)
}

// verifyFinds makes sure that --cache verify refuses what the cache holds, and that
// nothing is written then.
func verifyFinds(t *testing.T, r image.Request, reg *registry.Registry) {
	t.Helper()
	r.Cache = image.CacheVerify
	writes := len(reg.Writes())
	_, err := image.Build(t.Context(), r, deps())
	if failure.CodeOf(err) != failure.Answer || !strings.Contains(fmt.Sprint(err), "verifying the cache") {
		t.Errorf("verify: %v", err)
	}
	if got := reg.Writes()[writes:]; len(got) > 0 {
		t.Errorf("written: %q", got)
	}
}

// A blob that vanishes between the cache's answer and the manifest: with the
// wheels there the image is made again; without, it is a clear error, and no tag.
func TestVanishedBlob(t *testing.T) {
	w, r, reg := warmWorld(t, registry.Options{})
	r.Platforms = []string{"linux/amd64"}
	first := build(t, r, deps())
	for _, l := range first.Layers {
		if l.From == "wheels" {
			reg.Forget("acme/shop", l.Digest)
		}
	}
	w.file("shop.py", "app = 2\n")
	r.Tags = []string{"v2"}
	res, err := image.Build(t.Context(), r, deps())
	if err != nil {
		t.Fatal(err)
	}
	if lack := reg.Complete("acme/shop", "v2"); lack != "" || reg.Tags("acme/shop")["v2"] != res.Digest {
		t.Errorf("lacks %s", lack)
	}
	for _, l := range first.Layers {
		if l.From == "wheels" {
			reg.Forget("acme/shop", l.Digest)
		}
	}
	w.file("shop.py", "app = 3\n")
	r.Tags, r.Index = []string{"v3"}, w.serve(500)
	w.gone()
	if _, err := image.Build(t.Context(), r, deps()); err == nil || failure.CodeOf(err) == failure.OK {
		t.Error("built out of nothing")
	}
	if _, ok := reg.Tags("acme/shop")["v3"]; ok {
		t.Error("a tag points at half an image")
	}
}

// One wheel of many is another: it alone is looked up, downloaded and converted,
// and the digest is that of a cold build.
func TestBump(t *testing.T) {
	for _, large := range []bool{true, false} {
		t.Run(fmt.Sprintf("large=%v", large), func(t *testing.T) {
			w, r, reg := warmWorld(t, registry.Options{})
			r.Platforms = []string{"linux/amd64"}
			for _, name := range []string{"one", "two", "three"} {
				w.add(wheeltest.Wheel{Name: name, Version: "1", Files: map[string]string{name + "/__init__.py": strings.Repeat(name, 50), "space/" + name + ".py": "", name + "/empty.py": ""}})
			}
			_, r.Index = w.index()
			build(t, r, deps())
			content := "next"
			if large {
				content = strings.Repeat("next version of it ", 1<<17)
			}
			next := wheeltest.Wheel{Name: "two", Version: "2", Files: map[string]string{"two/__init__.py": content, "space/two.py": ""},
				Header: func(h *zip.FileHeader) { h.Method = zip.Store }}
			w.drop("two==1 ")
			w.add(next)
			tr, cfg := w.index()
			r.Index = cfg
			r.Tags = []string{"v2"}
			n := len(reg.Requests())
			tr.Make(-1, "")
			res := build(t, r, deps())
			if seen, _ := tr.Seen(); seen != 2 {
				t.Errorf("%d requests to the index; want a page and a wheel", seen)
			}
			for _, q := range reg.Requests()[n:] {
				if strings.Contains(q, "/library/python/") {
					t.Errorf("the base was asked for: %s", q)
				}
			}
			off := r
			off.Cache, off.Push = image.CacheOff, false
			if want := build(t, off, deps()).Digest; res.Digest != want {
				t.Errorf("digest %s; cold it is %s", res.Digest, want)
			}
			if lack := reg.Complete("acme/shop", "v2"); lack != "" {
				t.Errorf("lacks %s", lack)
			}
			// And that is remembered, too.
			r.Index, r.Tags = w.serve(500), []string{"v3"}
			w.gone()
			if again := build(t, r, deps()); again.Digest != res.Digest || again.Cache == image.Miss {
				t.Errorf("again: digest %s, cache %s", again.Digest, again.Cache)
			}
		})
	}
}

// drop takes a line out of the lock.
func (w *world) drop(begins string) {
	w.t.Helper()
	name := filepath.Join(w.context, "requirements.txt")
	lock, err := os.ReadFile(name)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, l := range strings.Split(string(lock), "\n") {
		if !strings.HasPrefix(l, begins) {
			out = append(out, l)
		}
	}
	w.write(name, strings.Join(out, "\n"))
}
