package image_test

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

func TestTwoPlatforms(t *testing.T) {
	w := newWorld(t)
	reg, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := w.request()
	r.Image, r.Push, r.Tags = reg.Addr+"/acme/shop", true, []string{"v1"}
	r.Source, r.Revision = "https://git.example/acme/shop", "3f2a9c1"
	r.Created = time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600))
	d := deps()
	res := build(t, r, d)
	if !res.Published || !slices.Equal(res.Tags, []string{"v1"}) || res.Cache != image.Miss {
		t.Errorf("result = %+v", res)
	}
	idx, err := d.Registry.Index(t.Context(), r.Image+":v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
	if h, _ := idx.Digest(); h.String() != res.Digest {
		t.Errorf("the tag is at %s; the result says %s", h, res.Digest)
	}
	shared := 0
	for _, l := range res.Layers {
		if len(l.Platforms) == 2 && l.From != "base" {
			shared++
		}
	}
	if shared != 4 { // venv, the large wheel, the pure ones, the application
		t.Errorf("%d layers are shared; want 4: %+v", shared, res.Layers)
	}
	for _, p := range res.Platforms {
		img, err := d.Registry.Image(t.Context(), r.Image+"@"+res.Digest, p.Platform)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, p.Platform, img)
	}
	again := build(t, r, deps())
	if again.Digest != res.Digest || again.Cache != image.Hit {
		t.Errorf("the second build: %s, cache %s; the first: %s", again.Digest, again.Cache, res.Digest)
	}
	checkDocument(t, res)
}

func checkImage(t *testing.T, platform string, img v1.Image) {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if m.MediaType != types.OCIManifestSchema1 || m.Config.MediaType != types.OCIConfigJSON {
		t.Errorf("media types %s, %s", m.MediaType, m.Config.MediaType)
	}
	for _, l := range m.Layers {
		if l.MediaType != types.OCILayer {
			t.Errorf("layer type %s", l.MediaType)
		}
	}
	if m.Annotations["org.opencontainers.image.revision"] != "3f2a9c1" || m.Annotations["org.opencontainers.image.created"] != "2026-01-02T02:04:05Z" {
		t.Errorf("annotations %v", m.Annotations)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Config.Entrypoint, c.Config.Cmd, c.Config.Labels["dev.fairlead.process.web"]); got != "[/app/.venv/bin/fairlead-start] [web]served --workers 2 shop:app" {
		t.Errorf("start: %s", got)
	}
	if c.Config.User != "65532:65532" || c.Config.WorkingDir != "/app" || c.Config.Env[1] != "PATH=/app/.venv/bin:/usr/local/bin:/usr/bin" {
		t.Errorf("config %+v", c.Config)
	}
	layers := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			layers++
		}
	}
	if layers != len(m.Layers) {
		t.Errorf("%d history entries for %d layers", layers, len(m.Layers))
	}
	machine := map[string]string{"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[platform]
	files := contents(t, img, 1)
	const site = "app/.venv/lib/python3.11/site-packages/"
	for name, want := range map[string]string{
		"app/shop.py":              "app = 1\n",
		"app/.venv/bin/python":     "-> /usr/local/bin/python3.11",
		"app/.venv/bin/python3.11": "-> python",
		"app/.venv/lib64":          "-> lib",
		"app/.venv/pyvenv.cfg":     "home = /usr/local/bin\ninclude-system-site-packages = false\nversion = 3.11.9\n",
		site + "speed/_c.cpython-311-" + machine + "-linux-gnu.so": "\x7fELF " + machine,
	} {
		if files[name] != want {
			t.Errorf("%s: %q is %q; want %q", platform, name, files[name], want)
		}
	}
	if !strings.HasPrefix(files["app/.venv/bin/served"], "#!/app/.venv/bin/python\n") {
		t.Errorf("the command is %q", files["app/.venv/bin/served"])
	}
	for name := range files {
		if name == "app/.venv/bin/fairlead-start" && !strings.Contains(files[name], `"/app/.venv/bin/served"`) {
			t.Errorf("the launcher is\n%s", files[name])
		}
		if !strings.HasPrefix(name, "app/") || strings.HasSuffix(name, ".md") || strings.Contains(name, "__pycache__") {
			t.Errorf("%s: %q should not be in the image", platform, name)
		}
	}
}

// checkDocument compares the JSON form with design.md.
func checkDocument(t *testing.T, res *image.Result) {
	t.Helper()
	raw, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"schema", "tool", "image", "digest", "platforms", "tags", "layers", "cache", "requests", "bytes_up", "bytes_down", "seconds"} {
		if _, ok := doc[key]; !ok {
			t.Errorf("the document lacks %q", key)
		}
	}
	layer, ok := doc["layers"].([]any)[0].(map[string]any)
	if !ok {
		t.Fatal("layers are no objects")
	}
	for _, key := range []string{"digest", "diff_id", "size", "wheels", "reused"} {
		if _, ok := layer[key]; !ok {
			t.Errorf("a layer lacks %q", key)
		}
	}
}

// TestSameInputsSameDigest varies everything that must not matter.
func TestSameInputsSameDigest(t *testing.T) {
	w := newWorld(t)
	first := build(t, w.request(), deps())

	other := newWorld(t)
	oldMask := syscall.Umask(0o077)
	defer syscall.Umask(oldMask)
	oldLocal := time.Local
	time.Local = time.FixedZone("elsewhere", -9*3600)
	defer func() { time.Local = oldLocal }()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for name, mode := range map[string]os.FileMode{"shop.py": 0o600, "Procfile": 0o664, "requirements.txt": 0o640} {
		p := filepath.Join(other.context, name)
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(p, time.Unix(5, 0), time.Unix(7, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(other.context, "empty", "folders"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := other.request()
	r.Platforms = []string{"linux/amd64", "linux/arm64"}
	d := deps()
	d.Now = func() time.Time { return time.Unix(1, 0) }
	d.CacheDir, d.WorkDir = t.TempDir(), t.TempDir()
	second := build(t, r, d)
	if first.Digest != second.Digest {
		t.Errorf("digests differ: %s and %s", first.Digest, second.Digest)
	}
	if third := build(t, r, d); third.Digest != first.Digest { // with a filled cache
		t.Errorf("with a cache the digest differs: %s and %s", first.Digest, third.Digest)
	}
	other.file("shop.py", "app = 2\n")
	if fourth := build(t, r, d); fourth.Digest == first.Digest {
		t.Error("another application has the same digest")
	}
	if left, _ := os.ReadDir(d.WorkDir); len(left) > 0 {
		t.Errorf("the build left %d files behind", len(left))
	}
}

func TestOutputs(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	r := w.request()
	r.Outputs = []image.Output{{Kind: image.OutputOCI, Path: filepath.Join(dir, "oci")}}
	res := build(t, r, deps())
	img, err := oci.ReadLayout(filepath.Join(dir, "oci"), "linux/arm64")
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := img.Digest(); h.String() != res.Platforms[1].Digest {
		t.Errorf("the layout's arm64 image is %s; want %s", h, res.Platforms[1].Digest)
	}
	r.Platforms = []string{"linux/amd64"}
	r.Outputs = []image.Output{{Kind: image.OutputTar, Path: filepath.Join(dir, "shop.tar")}}
	single := build(t, r, deps())
	if single.Digest != res.Platforms[0].Digest {
		t.Errorf("alone, amd64 is %s; in the index %s", single.Digest, res.Platforms[0].Digest)
	}
	if info, err := os.Stat(filepath.Join(dir, "shop.tar")); err != nil || info.Size() < 1000 {
		t.Errorf("the archive: %v, %v", info, err)
	}
}

func TestBadInputs(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*world, *image.Request)
		code  failure.Code
		want  []string
	}{
		{"wheel changed", func(w *world, _ *image.Request) {
			w.write(filepath.Join(w.wheels, "served-2.0-py3-none-any.whl"), "other bytes")
		}, failure.Answer, []string{"served==2.0", "requirements.txt:1", "served-2.0-py3-none-any.whl (its hash is not in the lock)"}},
		{"no wheel for a platform", func(w *world, _ *image.Request) {
			_ = os.Remove(filepath.Join(w.wheels, "speed-1.2-cp311-cp311-manylinux_2_17_aarch64.whl"))
		}, failure.Answer, []string{"1 package", "speed==1.2", "linux/arm64", "cp311-cp311-manylinux_2_17_x86_64.whl (for another target)"}},
		{"no wheels at all", func(_ *world, r *image.Request) { r.Index.FindLinks = []string{r.Context} }, failure.Answer,
			[]string{"3 packages", "served==2.0", "large-thing==0.9", "no source has the project"}},
		{"no such version", func(w *world, _ *image.Request) {
			_ = os.Rename(filepath.Join(w.wheels, "served-2.0-py3-none-any.whl"), filepath.Join(w.wheels, "served-3.0-py3-none-any.whl"))
		}, failure.Answer, []string{"served==2.0", "no file of this version"}},
		{"wheel that climbs", func(w *world, _ *image.Request) {
			w.add(wheeltest.Wheel{Name: "evil", Version: "1", Files: map[string]string{"evil.py": ""}, Extra: []wheeltest.Entry{
				{Header: zip.FileHeader{Name: "../../../../etc/cron.d/evil"}, Content: "x"},
			}})
		}, failure.Answer, []string{"evil-1-py3-none-any.whl", "../../../../etc/cron.d/evil"}},
		{"wheels that contradict", func(w *world, _ *image.Request) {
			w.add(wheeltest.Wheel{Name: "usurper", Version: "1", Files: map[string]string{"served/__init__.py": "evil"}})
		}, failure.Answer, []string{"served/__init__.py", "usurper-1", "served-2.0"}},
		{"index answers 500", func(w *world, r *image.Request) { r.Index = w.serve(http.StatusInternalServerError) }, failure.Service, []string{"127.0.0.1"}},
		{"index answers 404", func(w *world, r *image.Request) { r.Index = w.serve(http.StatusNotFound) }, failure.Answer, []string{"served==2.0", "127.0.0.1"}},
		{"lock without hashes", func(w *world, _ *image.Request) { w.file("requirements.txt", "served==2.0\n") }, failure.Usage, []string{"requirements.txt:1:1"}},
		{"no lock", func(_ *world, r *image.Request) { r.Lock = "missing.txt" }, failure.Usage, []string{"missing.txt"}},
		{"lock outside", func(_ *world, r *image.Request) { r.Lock = "../requirements.txt" }, failure.Usage, []string{"../requirements.txt"}},
		{"no context", func(_ *world, r *image.Request) { r.Context = "/does/not/exist" }, failure.Usage, []string{"context"}},
		{"no base", func(_ *world, r *image.Request) { r.Base = "" }, failure.Usage, []string{"base"}},
		{"no such layout", func(_ *world, r *image.Request) { r.Base = "oci:/does/not/exist" }, failure.Usage, []string{"/does/not/exist"}},
		{"platform unknown", func(_ *world, r *image.Request) { r.Platforms = []string{"linux/s390x"} }, failure.Usage, []string{"linux/s390x"}},
		{"archive of two", func(_ *world, r *image.Request) { r.Outputs = []image.Output{{Kind: image.OutputTar, Path: "x"}} }, failure.Usage, []string{"holds one platform"}},
		{"host for a foreign platform", func(_ *world, r *image.Request) { r.Base = "host" }, failure.Usage, []string{"base host"}},
		{"host to a real registry", func(_ *world, r *image.Request) {
			r.Base, r.Platforms, r.Push, r.Image = "host", nil, true, "registry.example/acme/shop"
		}, failure.Usage, []string{"registry.example/acme/shop", "not for publishing"}},
		{"push to nowhere", func(_ *world, r *image.Request) { r.Push = true }, failure.Usage, []string{"no image is named"}},
		{"link out of the context", func(w *world, r *image.Request) {
			_ = os.Symlink("../../etc/passwd", filepath.Join(w.context, "passwd"))
		}, failure.Usage, []string{`"passwd"`, "../../etc/passwd"}},
		{"absolute link", func(w *world, r *image.Request) { _ = os.Symlink("/etc/passwd", filepath.Join(w.context, "pw")) }, failure.Usage, []string{`"pw"`}},
		{"no Procfile", func(w *world, _ *image.Request) { _ = os.Remove(filepath.Join(w.context, "Procfile")) }, failure.Usage, []string{"Procfile"}},
		{"shell in the Procfile", func(w *world, _ *image.Request) { w.file("Procfile", "web: served --bind 0.0.0.0:$(port) x\n") }, failure.Usage, []string{"Procfile:1", `"$("`}},
		{"command from nowhere", func(w *world, _ *image.Request) { w.file("Procfile", "web: uwsgi x\n") }, failure.Usage, []string{`"uwsgi"`}},
		{"closed registry", func(_ *world, r *image.Request) { r.Push, r.Image = true, "127.0.0.1:1/x" }, failure.Service, []string{"127.0.0.1:1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.request()
			tt.spoil(w, &r)
			_, err := image.Build(context.Background(), r, deps())
			if failure.CodeOf(err) != tt.code {
				t.Errorf("code %d; want %d: %v", failure.CodeOf(err), tt.code, err)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

func TestRefusedPushTagsNothing(t *testing.T) {
	w := newWorld(t)
	reg, err := registry.Start(t.Context(), registry.Options{User: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	r := w.request()
	r.Push, r.Image, r.Tags = true, reg.Addr+"/acme/shop", []string{"v1"}
	if _, err := image.Build(t.Context(), r, deps()); failure.CodeOf(err) != failure.Answer || !strings.Contains(failure.HintOf(err), "docker login "+reg.Addr) {
		t.Errorf("err = %v, hint %q", err, failure.HintOf(err))
	}
	for _, q := range reg.Requests() {
		if strings.HasPrefix(q, http.MethodPut) {
			t.Errorf("something was written: %s", q)
		}
	}
}

func TestTagsOfBases(t *testing.T) {
	w := newWorld(t)
	reg, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := deps()
	base := reg.Addr + "/python"
	idx := baseIndex(t)
	if err := d.Registry.Push(t.Context(), base, idx, []string{"3.11"}); err != nil {
		t.Fatal(err)
	}
	h, _ := idx.Digest()
	r := w.request()
	r.Base = base + ":3.11"
	res := build(t, r, d)
	if res.Base.Digest != h.String() || !strings.Contains(strings.Join(res.Notes, "\n"), base+"@"+h.String()) {
		t.Errorf("base %+v, notes %q", res.Base, res.Notes)
	}
	pinned := r
	pinned.Base = base + "@" + h.String()
	pinned.RequireBaseDigest = true
	if p := build(t, pinned, d); len(p.Notes) > 0 {
		t.Errorf("a pinned base gives notes: %q", p.Notes)
	}
	r.RequireBaseDigest = true
	if _, err := image.Build(t.Context(), r, d); failure.CodeOf(err) != failure.Answer || !strings.Contains(failure.HintOf(err), h.String()) {
		t.Errorf("a tag with --require-base-digest: %v (%s)", err, failure.HintOf(err))
	}
}

func TestPlan(t *testing.T) {
	w := newWorld(t)
	res, err := image.Plan(t.Context(), w.request(), deps())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range res.Platforms {
		for _, c := range p.Wheels {
			got[p.Platform+" "+c.Name] = c.Tag
		}
	}
	if got["linux/arm64 speed"] != "cp311-cp311-manylinux_2_17_aarch64" || got["linux/amd64 served"] != "py3-none-any" || len(got) != 6 {
		t.Errorf("plan = %v", got)
	}
}

func TestWaysIn(t *testing.T) {
	const site = "app/.venv/lib/python3.11/site-packages/"
	pyproject := "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n[project]\nname = \"shop\"\nversion = \"1\"\n[tool.setuptools.packages.find]\nwhere = [\"src\"]\n"
	tests := []struct {
		name    string
		set     func(*world, *image.Request)
		has     []string
		lacks   []string
		path    string
		refused string
	}{
		{"packages by themselves", func(*world, *image.Request) {},
			[]string{site + "shop/__init__.py", site + "shop-1.dist-info/RECORD", "app/Procfile"}, []string{"app/src/shop/__init__.py", site + "shop/page.html", "app/pyproject.toml", "app/alembic/env.py"}, "", ""},
		{"with more files", func(_ *world, r *image.Request) { r.Include = []string{"alembic", "*.ini"} },
			[]string{"app/alembic/env.py", "app/alembic.ini", site + "shop/__init__.py"}, []string{"app/Procfile"}, "", ""},
		{"as source", func(_ *world, r *image.Request) { r.Project = image.ProjectSource },
			[]string{"app/src/shop/__init__.py", "app/src/shop/page.html", "app/alembic/env.py"}, []string{site + "shop/__init__.py"}, "/app:/app/src", ""},
		{"another backend", func(w *world, _ *image.Request) {
			w.file("pyproject.toml", strings.Replace(pyproject, "setuptools.build_meta", "hatchling.build", 1))
		}, []string{"app/src/shop/__init__.py", site + "shop-1.dist-info/METADATA"}, []string{site + "shop/__init__.py"}, "/app:/app/src", ""},
		{"another backend, with a command", func(w *world, _ *image.Request) {
			w.file("pyproject.toml", strings.Replace(pyproject, "setuptools.build_meta", "hatchling.build", 1)+"[project.scripts]\nserve-shop = \"shop:main\"\n")
			w.file("Procfile", "web: serve-shop\n")
		}, []string{"app/.venv/bin/serve-shop", site + "shop-1.dist-info/entry_points.txt"}, nil, "/app:/app/src", ""},
		{"a wheel", func(w *world, r *image.Request) {
			own := wheeltest.Wheel{Name: "shop", Version: "7", Files: map[string]string{"shop/__init__.py": "built"}}
			w.write(filepath.Join(w.context, "dist", own.Filename()), string(own.Build()))
			r.Wheel = "dist/" + own.Filename()
		}, []string{site + "shop-7.dist-info/RECORD", "app/Procfile"}, []string{"app/src/shop/__init__.py", "app/dist/shop-7-py3-none-any.whl"}, "", ""},
		{"backend unknown, packages asked", func(w *world, r *image.Request) {
			r.Project = image.ProjectPackage
			w.file("pyproject.toml", strings.Replace(pyproject, "setuptools.build_meta", "hatchling.build", 1))
		}, nil, nil, "", "hatchling.build"},
		{"included file absent", func(_ *world, r *image.Request) { r.Include = []string{"nope"} }, nil, nil, "", `"nope"`},
		{"included from outside", func(_ *world, r *image.Request) { r.Include = []string{"../x"} }, nil, nil, "", `"../x"`},
		{"no wheel", func(_ *world, r *image.Request) { r.Wheel = "dist/none.whl" }, nil, nil, "", "none.whl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.file("pyproject.toml", pyproject)
			w.file("src/shop/__init__.py", "")
			w.file("src/shop/page.html", "forgotten")
			w.file("alembic/env.py", "")
			w.file("alembic.ini", "")
			r := w.request()
			r.Platforms = []string{"linux/amd64"}
			dir := filepath.Join(t.TempDir(), "oci")
			r.Outputs = []image.Output{{Kind: image.OutputOCI, Path: dir}}
			tt.set(w, &r)
			_, err := image.Build(t.Context(), r, deps())
			if tt.refused != "" {
				if failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("err = %v; want %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			img, err := oci.ReadLayout(dir, "linux/amd64")
			if err != nil {
				t.Fatal(err)
			}
			files := contents(t, img, 1)
			for _, f := range tt.has {
				if _, ok := files[f]; !ok {
					t.Errorf("%q is missing", f)
				}
			}
			for _, f := range tt.lacks {
				if _, ok := files[f]; ok {
					t.Errorf("%q should not be there", f)
				}
			}
			c, _ := img.ConfigFile()
			path := ""
			for _, kv := range c.Config.Env {
				if v, ok := strings.CutPrefix(kv, "PYTHONPATH="); ok {
					path = v
				}
			}
			if path != tt.path {
				t.Errorf("PYTHONPATH = %q; want %q", path, tt.path)
			}
		})
	}
}
