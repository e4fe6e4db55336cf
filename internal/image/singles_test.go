package image_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
	"github.com/fairlead-ci/fairlead/internal/sbom"
)

// incompressible bytes, another sequence for each seed.
func incompressible(n int, seed uint32) string {
	out := make([]byte, n)
	for i := range out {
		seed = seed*1664525 + 1013904223
		out[i] = byte(seed >> 24)
	}
	return string(out)
}

func large(name string, seed uint32, more map[string]string) wheeltest.Wheel {
	files := map[string]string{name + "/data.bin": incompressible(600<<10, seed), name + "/__init__.py": "x = 1\n"}
	for k, v := range more {
		files[k] = v
	}
	return wheeltest.Wheel{Name: name, Version: "1", Files: files}
}

func tagsWith(reg *registry.Registry, repo, begins string) (out []string) {
	for t := range reg.Tags(repo) {
		if strings.HasPrefix(t, begins) {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out
}

// What one project made of a large wheel, another takes, through a repository of
// the cache that they share; small wheels cost less to make than to ask for.
func TestSharedWheels(t *testing.T) {
	w, r, reg := warmWorld(t, registry.Options{})
	r.Platforms, r.CacheRepo = []string{"linux/amd64"}, registryHost(r.Image)+"/shared/cache"
	w.add(large("grand", 7, nil))
	build(t, r, deps())
	if got := tagsWith(reg, "shared/cache", cache.WheelPrefix); len(got) != 2 {
		t.Fatalf("single wheels in the cache: %q; want the two large ones", got)
	}
	// Another project, with a further wheel.
	w.add(wheeltest.Wheel{Name: "small", Version: "1", Files: map[string]string{"small.py": "1"}})
	tr, cfg := w.index()
	r.Index, r.Image = cfg, registryHost(r.Image)+"/other/site"
	r.SBOM, r.SBOMFolder = sbom.Formats(), filepath.Join(t.TempDir(), "bills")
	off := r
	off.Cache, off.Push, off.SBOMFolder = image.CacheOff, false, filepath.Join(t.TempDir(), "bills")
	want := build(t, off, deps())
	tr.Make(-1, "")
	n := len(reg.Requests())
	res := build(t, r, deps())
	if res.Digest != want.Digest {
		t.Errorf("digest %s; cold it is %s", res.Digest, want.Digest)
	}
	// Five pages, and the files of the three small wheels.
	if seen, _ := tr.Seen(); seen != 5+3 {
		t.Errorf("%d requests to the index; want 5 pages and 3 wheels", seen)
	}
	asked := 0
	for _, q := range since(reg, n) {
		if strings.HasPrefix(q, "GET") && strings.Contains(q, "/"+cache.WheelPrefix) {
			asked++
		}
	}
	if asked != 5 { // this index does not say how large files are
		t.Errorf("%d wheels were asked for", asked)
	}
	if lack := reg.Complete("other/site", "v1"); lack != "" {
		t.Errorf("lacks %s", lack)
	}
	if res.BytesUp > 700<<10 { // the large layers are mounted
		t.Errorf("%d bytes up", res.BytesUp)
	}
	for _, f := range []string{"sbom.spdx.json", "sbom.cdx.json"} {
		if a, b := read(t, filepath.Join(r.SBOMFolder, f)), read(t, filepath.Join(off.SBOMFolder, f)); a != b {
			t.Errorf("%s differs from a cold build's:\n%s\n%s", f, a, b)
		}
	}
	// Its own entry was written, too: now it is warm, without any index.
	r.Index, r.SBOM = w.serve(500), nil
	w.gone()
	n = len(reg.Requests())
	if again := build(t, r, deps()); again.Digest != res.Digest || len(since(reg, n)) > 2 {
		t.Errorf("again: digest %s, %q", again.Digest, since(reg, n))
	}
}

// Builds of strangers take and leave nothing; off does not ask.
func TestSharedWheelsModes(t *testing.T) {
	_, r, reg := warmWorld(t, registry.Options{})
	r.Platforms = []string{"linux/amd64"}
	build(t, r, deps())
	reg.Untag("acme/shop", cache.Prefix)
	reg.Untag("acme/shop", cache.LastPrefix)
	before := len(reg.Tags("acme/shop"))
	r.Cache = image.CacheRead
	res := build(t, r, deps())
	if got := len(reg.Tags("acme/shop")); got != before || res.Cache == image.Miss {
		t.Errorf("%d tags, before %d; cache %s", got, before, res.Cache)
	}
	n := len(reg.Requests())
	r.Cache = image.CacheOff
	build(t, r, deps())
	for _, q := range since(reg, n) {
		if strings.Contains(q, cache.WheelPrefix) {
			t.Errorf("asked in spite of off: %s", q)
		}
	}
}

// Another base: the large wheels are there.
func TestOtherBase(t *testing.T) {
	w, r, _ := warmWorld(t, registry.Options{})
	r.Platforms = []string{"linux/amd64"}
	build(t, r, deps())
	img := rootImage(t, "amd64", map[string]string{
		"usr/local/bin/python3.11":            "a later one",
		"usr/lib/x86_64-linux-gnu/libc.so.6":  "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n",
		"usr/local/bin/python3 -> python3.11": "",
	}, "PYTHON_VERSION=3.11.10")
	dir := filepath.Join(t.TempDir(), "base")
	if err := oci.WriteLayout(dir, img, ""); err != nil {
		t.Fatal(err)
	}
	r.Base = "oci:" + dir
	tr, cfg := w.index()
	r.Index = cfg
	off := r
	off.Cache, off.Push = image.CacheOff, false
	want := build(t, off, deps()).Digest
	tr.Make(-1, "")
	if res := build(t, r, deps()); res.Digest != want {
		t.Errorf("digest %s; cold it is %s", res.Digest, want)
	}
	if seen, _ := tr.Seen(); seen != 3+2 {
		t.Errorf("%d requests to the index; want 3 pages and 2 small wheels", seen)
	}
}

// Entries of single wheels that are not what they should be are refused, and the
// layer is made of the wheel.
func TestPoisonedWheel(t *testing.T) {
	w, r, reg := warmWorld(t, registry.Options{})
	r.Platforms = []string{"linux/amd64"}
	w.add(large("grand", 7, nil))
	want := build(t, r, deps())
	reg.Untag("acme/shop", cache.Prefix)
	reg.Untag("acme/shop", cache.LastPrefix)
	tags := tagsWith(reg, "acme/shop", cache.WheelPrefix)
	one, _ := reg.Manifest("acme/shop", tags[0])
	other, _ := reg.Manifest("acme/shop", tags[1])
	var app, layer string
	for _, l := range want.Layers {
		if l.From == "app" {
			app = l.Digest
		}
		if len(l.Wheels) == 1 && bytes.Contains(one, []byte(l.Digest)) {
			layer = l.Digest
		}
	}
	if layer == "" {
		t.Fatal("the entry has none of the image's layers")
	}
	r.Tags = []string{"v2"}
	for name, planted := range map[string][]byte{
		"no JSON":              []byte("{"),
		"empty":                []byte("{}"),
		"another digest":       bytes.Replace(one, []byte(layer), []byte(app), 1),
		"another size":         bytes.Replace(one, []byte(`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":`), []byte(`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":1`), 1),
		"another wheel":        other,
		"swapped annotation":   swapAnnotation(t, one, other),
		"the config changed":   bytes.Replace(one, []byte(`"data":"ey`), []byte(`"data":"ex`), 1),
		"another layout":       relabel(t, one, tags[0], strings.Replace(tags[0], "-", "-0", 1)),
		"zstd by its type":     bytes.Replace(one, []byte("tar+gzip"), []byte("tar+zstd"), 1),
		"another wheel's name": relabel(t, one, `"filename":"`, `"filename":"x`),
	} {
		t.Run(name, func(t *testing.T) {
			if bytes.Equal(planted, one) {
				t.Fatal("nothing was changed")
			}
			reg.Plant("acme/shop", tags[0], planted)
			res := build(t, r, deps())
			if res.Digest != want.Digest {
				t.Errorf("digest %s; want %s", res.Digest, want.Digest)
			}
			if name != "empty" && !strings.Contains(strings.Join(res.Notes, "\n"), "the cache was not used for 1 wheel") {
				t.Errorf("nothing is said: %q", res.Notes)
			}
			// It was made anew, and is what it was.
			if healed, _ := reg.Manifest("acme/shop", tags[0]); !bytes.Equal(healed, one) {
				t.Errorf("the entry is now %s\nwant %s", healed, one)
			}
			reg.Untag("acme/shop", cache.Prefix)
			reg.Untag("acme/shop", cache.LastPrefix)
		})
	}
	// One that is consistent in itself passes: verify finds it.
	reg.Plant("acme/shop", tags[0], relabel(t, bytes.ReplaceAll(one, []byte(layer), []byte(app)), layer, app))
	verifyFinds(t, r, reg)
}

// swapAnnotation gives one manifest the table of contents of another.
func swapAnnotation(t *testing.T, one, other []byte) []byte {
	t.Helper()
	return bytes.Replace(one, tocOf(t, one), tocOf(t, other), 1)
}

func tocOf(t *testing.T, raw []byte) []byte {
	t.Helper()
	var m struct {
		Layers []struct{ Annotations map[string]string }
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	toc := m.Layers[0].Annotations["containerd.io/snapshot/stargz/toc.digest"]
	if toc == "" {
		t.Fatal("no annotation")
	}
	return []byte(toc)
}

// relabel changes the facts in an entry's config, and the manifest so that it
// fits: what somebody can do who may write.
func relabel(t *testing.T, manifest []byte, from, to string) []byte {
	t.Helper()
	var m struct {
		Config struct {
			Digest string
			Size   int64
			Data   []byte
		}
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	changed := changeLabel(t, m.Config.Data, from, to)
	manifest = bytes.Replace(manifest, []byte(base64.StdEncoding.EncodeToString(m.Config.Data)), []byte(base64.StdEncoding.EncodeToString(changed)), 1)
	manifest = bytes.ReplaceAll(manifest, []byte(m.Config.Digest), []byte(sumOf(changed)))
	return bytes.Replace(manifest, fmt.Appendf(nil, `"size":%d`, m.Config.Size), fmt.Appendf(nil, `"size":%d`, len(changed)), 1)
}

// changeLabel changes the packed facts in a config.
func changeLabel(t *testing.T, config []byte, from, to string) []byte {
	t.Helper()
	var c struct {
		Config struct{ Labels map[string]string }
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	packed := c.Config.Labels["dev.fairlead.cache"]
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	facts, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(facts, []byte(from)) {
		t.Fatalf("the facts lack %q", from)
	}
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := zw.Write(bytes.ReplaceAll(facts, []byte(from), []byte(to))); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(config, []byte(packed), []byte(base64.StdEncoding.EncodeToString(b.Bytes())), 1)
}

func sumOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A layer that vanished between the cache's answer and the manifest.
func TestVanishedWheel(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w, r, reg := warmWorld(t, registry.Options{})
		r.Platforms = []string{"linux/amd64"}
		repo := "acme/shop"
		if shared {
			repo = "shared/cache"
			r.CacheRepo = registryHost(r.Image) + "/" + repo
		}
		first := build(t, r, deps())
		for _, l := range first.Layers {
			if len(l.Wheels) == 1 && strings.HasPrefix(l.Wheels[0], "Large") {
				reg.Forget(repo, l.Digest)
				reg.Forget("acme/shop", l.Digest)
			}
		}
		reg.Untag(repo, cache.Prefix)
		reg.Untag(repo, cache.LastPrefix)
		w.file("shop.py", "app = 2\n")
		r.Tags = []string{"v2"}
		res := build(t, r, deps())
		if lack := reg.Complete("acme/shop", "v2"); lack != "" || reg.Tags("acme/shop")["v2"] != res.Digest {
			t.Errorf("lacks %s", lack)
		}
		for _, tag := range tagsWith(reg, repo, cache.WheelPrefix) {
			if lack := reg.Complete(repo, tag); lack != "" {
				t.Errorf("the entry %s lacks %s", tag, lack)
			}
		}
	}
}

// Two wheels that never met in one project, and do not fit together.
func TestSharedCollision(t *testing.T) {
	w, r, _ := warmWorld(t, registry.Options{})
	r.Platforms, r.CacheRepo = []string{"linux/amd64"}, registryHost(r.Image)+"/shared/cache"
	w.add(large("grand", 7, map[string]string{"both/one.py": "1"}))
	build(t, r, deps())
	w.drop("grand==1 ")
	w.add(large("great", 8, map[string]string{"both/one.py": "2"}))
	build(t, r, deps())
	w.add(large("grand", 7, map[string]string{"both/one.py": "1"}))
	_, err := image.Build(t.Context(), r, deps())
	if failure.CodeOf(err) != failure.Answer || !strings.Contains(fmt.Sprint(err), "both/one.py") {
		t.Errorf("err = %v", err)
	}
}

// More large wheels than get layers of their own: what the cache has of the
// others goes into the layer that they share.
func TestSharedBeyondLayers(t *testing.T) {
	w, r, _ := warmWorld(t, registry.Options{})
	r.Platforms, r.CacheRepo = []string{"linux/amd64"}, registryHost(r.Image)+"/shared/cache"
	var all []wheeltest.Wheel
	for i := range 25 {
		all = append(all, large(fmt.Sprintf("grand%02d", i), uint32(i+1), nil))
	}
	for _, f := range all[:2] {
		w.add(f)
	}
	build(t, r, deps())
	for _, f := range all[2:] {
		w.add(f)
	}
	off := r
	off.Cache, off.Push = image.CacheOff, false
	want := build(t, off, deps()).Digest
	r.Image = registryHost(r.Image) + "/other/site"
	if res := build(t, r, deps()); res.Digest != want {
		t.Errorf("digest %s; cold it is %s", res.Digest, want)
	}
}
