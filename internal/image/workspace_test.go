package image_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// uvWorkspace turns the world's pins into a uv.lock with three members: shop
// needs served and common, common needs large-thing, admin needs speed. The
// group test of shop needs speed, its extra fast, too.
func (w *world) uvWorkspace() {
	w.t.Helper()
	reg := func(pin string) string {
		var out strings.Builder
		name, version, _ := strings.Cut(pin, "==")
		out.WriteString("[[package]]\nname = \"" + name + "\"\nversion = \"" + version + "\"\nsource = { registry = \"https://index.example/simple\" }\nwheels = [\n")
		for file, sum := range w.sums {
			if dist, _, _ := strings.Cut(file, "-"); requirement.NormalizeName(dist) == name {
				out.WriteString("  { filename = \"" + file + "\", hash = \"sha256:" + sum + "\" },\n")
			}
		}
		return out.String() + "]\n"
	}
	_ = os.Remove(filepath.Join(w.context, "requirements.txt"))
	w.file("uv.lock", `version = 1
revision = 3
requires-python = ">=3.10"
[manifest]
members = ["admin", "common", "shop"]
`+reg("served==2.0")+reg("large-thing==0.9")+reg("speed==1.2")+`
[[package]]
name = "shop"
version = "1"
source = { editable = "services/shop" }
dependencies = [{ name = "served" }, { name = "common" }]
[package.optional-dependencies]
fast = [{ name = "speed" }]
[package.dev-dependencies]
test = [{ name = "speed" }]
[[package]]
name = "common"
version = "1"
source = { editable = "libs/common" }
dependencies = [{ name = "large-thing" }]
[[package]]
name = "admin"
version = "1"
source = { virtual = "services/admin" }
dependencies = [{ name = "speed" }]
`)
	pyproject := func(name string) string {
		return "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n[project]\nname = \"" + name + "\"\nversion = \"1\"\n"
	}
	w.file("services/shop/pyproject.toml", pyproject("shop"))
	w.file("services/shop/src/shop/__init__.py", "import common\n")
	w.file("services/shop/Procfile", "web: served shop\n")
	w.file("services/admin/pyproject.toml", "[project]\nname = \"admin\"\n")
	w.file("services/admin/admin.py", "")
	w.file("services/admin/Procfile", "web: python admin.py\n")
	w.file("libs/common/pyproject.toml", pyproject("common"))
	w.file("libs/common/src/common/__init__.py", "")
	if err := os.MkdirAll(filepath.Join(w.context, ".git"), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func names(res *image.Result) string {
	var out []string
	for _, c := range res.Platforms[0].Wheels {
		out = append(out, c.Name)
	}
	return strings.Join(out, " ")
}

func TestMembersOfWorkspaces(t *testing.T) {
	for _, tt := range []struct {
		name   string
		set    func(*world, *image.Request)
		wheels string
	}{
		{"by the context's folder", func(w *world, r *image.Request) { r.Context = filepath.Join(w.context, "services", "shop") }, "large-thing served"},
		{"by name", func(_ *world, r *image.Request) { r.Member = "Shop" }, "large-thing served"},
		{"by path", func(_ *world, r *image.Request) { r.Member = "./services/admin" }, "speed"},
		{"with an extra", func(_ *world, r *image.Request) { r.Member, r.Extras = "shop", []string{"fast"} }, "large-thing served speed"},
		{"with a group", func(_ *world, r *image.Request) { r.Member, r.Groups = "shop", []string{"test"} }, "large-thing served speed"},
		{"in a monorepo with one lock", func(w *world, r *image.Request) {
			_ = os.Remove(filepath.Join(w.context, "uv.lock"))
			w.file("requirements.txt", "served==2.0 --hash=sha256:"+w.sums["served-2.0-py3-none-any.whl"]+"\n")
			r.Member = "services/admin"
		}, "served"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.uvWorkspace()
			r := w.request()
			tt.set(w, &r)
			res, err := image.Plan(t.Context(), r, deps())
			if err != nil {
				t.Fatal(err)
			}
			if got := names(res); got != tt.wheels {
				t.Errorf("wheels %q, want %q", got, tt.wheels)
			}
		})
	}
}

func TestMembersRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*world, *image.Request)
		want []string
	}{
		{"none named", func(*world, *image.Request) {}, []string{"uv.lock", "3 members", "shop (services/shop)"}},
		{"unknown", func(_ *world, r *image.Request) { r.Member = "nope" }, []string{`"nope"`, "admin (services/admin)"}},
		{"a folder that is none", func(w *world, r *image.Request) {
			w.file("other/x.py", "")
			r.Context = filepath.Join(w.context, "other")
		}, []string{"no member there", "common (libs/common)"}},
		{"unknown extra", func(_ *world, r *image.Request) { r.Member, r.Extras = "shop", []string{"nope"} }, []string{`extra "nope"`}},
		{"unknown group", func(_ *world, r *image.Request) { r.Member, r.Groups = "shop", []string{"nope"} }, []string{`dependency group "nope"`}},
		{"outside", func(w *world, r *image.Request) {
			_ = os.Remove(filepath.Join(w.context, "uv.lock"))
			w.file("requirements.txt", "served==2.0 --hash=sha256:"+w.sums["served-2.0-py3-none-any.whl"]+"\n")
			r.Member = "../x"
		}, []string{`"../x"`, "outside the context"}},
		{"a dependency outside the repository", func(w *world, r *image.Request) {
			raw, _ := os.ReadFile(filepath.Join(w.context, "uv.lock"))
			w.file("uv.lock", strings.Replace(string(raw), `editable = "libs/common"`, `editable = "../../../elsewhere"`, 1))
			r.Member = "shop"
		}, []string{"uv.lock:", "common", "outside the repository"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.uvWorkspace()
			r := w.request()
			tt.set(w, &r)
			_, err := image.Plan(t.Context(), r, deps())
			for _, want := range tt.want {
				if failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error()+failure.HintOf(err), want) {
					t.Errorf("the error lacks %q: %v (%s)", want, err, failure.HintOf(err))
				}
			}
		})
	}
}

// What a member depends on in its repository is in the image: installed where
// that can be told, else as source.
func TestDependenciesInTheRepository(t *testing.T) {
	const site = "app/.venv/lib/python3.11/site-packages/"
	w := newWorld(t)
	w.uvWorkspace()
	r := w.request()
	r.Context, r.Platforms = filepath.Join(w.context, "services", "shop"), []string{"linux/amd64"}
	out := filepath.Join(t.TempDir(), "oci")
	r.Outputs = []image.Output{{Kind: image.OutputOCI, Path: out}}
	files := func(has ...string) []string {
		t.Helper()
		build(t, r, deps())
		img, err := oci.ReadLayout(out, "linux/amd64")
		if err != nil {
			t.Fatal(err)
		}
		all := contents(t, img, 1)
		for _, name := range has {
			if _, ok := all[name]; !ok {
				t.Errorf("%s is not in the image", name)
			}
		}
		c, _ := img.ConfigFile()
		return c.Config.Env
	}
	files(site+"shop/__init__.py", site+"common/__init__.py", site+"common-1.dist-info/RECORD", site+"large_thing/data.bin")
	w.file("libs/common/pyproject.toml", "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n[project]\nname = \"common\"\n")
	env := files(site+"shop/__init__.py", "app/.members/common/src/common/__init__.py")
	if !slices.Contains(env, "PYTHONPATH=/app/.members/common:/app/.members/common/src") {
		t.Errorf("environment %q", env)
	}
}

// The tests get the lock's own group, and the image does not.
func TestGroupsOfTests(t *testing.T) {
	for _, tt := range []struct {
		name   string
		set    func(*image.Request)
		has    bool
		failed string
	}{
		{"by itself", func(*image.Request) {}, true, ""},
		{"named", func(r *image.Request) { r.Test.Groups = []string{"test"} }, true, ""},
		{"an extra", func(r *image.Request) { r.Test.Extras = []string{"fast"} }, true, ""},
		{"unknown", func(r *image.Request) { r.Test.Groups = []string{"nope"} }, false, `"nope"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, r, d, e, _ := tested(t)
			w.uvWorkspace()
			w.file("services/shop/tests/test_shop.py", "def test(): pass\n")
			r.Context = filepath.Join(w.context, "services", "shop")
			r.Test.Requirements = ""
			tt.set(&r)
			res, err := image.Build(t.Context(), r, d)
			if tt.failed != "" {
				if err == nil || !strings.Contains(err.Error(), tt.failed) {
					t.Errorf("err = %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			published, err := d.Registry.Image(t.Context(), r.Image+":1", res.Test.Platform)
			if err != nil {
				t.Fatal(err)
			}
			m, _ := published.Manifest()
			loaded, err := oci.ReadLayout(e.dir, res.Test.Platform)
			if err != nil {
				t.Fatal(err)
			}
			const file = "app/.venv/lib/python3.11/site-packages/speed/__init__.py"
			if _, ok := contents(t, loaded, len(m.Layers))[file]; ok != tt.has {
				t.Errorf("the tests have the package: %v", ok)
			}
			if _, ok := contents(t, published, 0)[file]; ok {
				t.Error("the image has the package")
			}
		})
	}
}
