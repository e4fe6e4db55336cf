package project

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// memory is a Tree of file contents.
type memory map[string]string

func (m memory) Names() []string        { return slices.Collect(maps.Keys(m)) }
func (m memory) Executable(string) bool { return false }

func (m memory) Read(name string) ([]byte, error) {
	s, ok := m[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(s), nil
}

const head = `[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "My.Shop"
version = "1.0"
`

// sources are files of most cases, beside pyproject.toml.
var sources = []string{
	"src/shop/__init__.py", "src/shop/views.py", "src/shop/sub/__init__.py", "src/shop/sub/deep.py",
	"src/shop/templates/index.html", "src/shop/templates/mail/hello.txt", "src/shop/static/site.css", "src/shop/.hidden",
	"src/shop/py.typed", "src/shop/data.json", "src/shop/no-identifier/x.py", "src/other/__init__.py", "src/plain/mod.py",
	"src/top.py", "README.md", "tests/__init__.py", "tests/test_x.py", "docs/conf.py",
}

// cases are configurations whose wheel is compared with what setuptools builds.
var cases = map[string]memory{
	"find in src":            {"pyproject.toml": head + "[tool.setuptools.packages.find]\nwhere = [\"src\"]\n"},
	"find without spaces":    {"pyproject.toml": head + "[tool.setuptools.packages.find]\nwhere = [\"src\"]\nnamespaces = false\n"},
	"find include exclude":   {"pyproject.toml": head + "[tool.setuptools.packages.find]\nwhere = [\"src\"]\ninclude = [\"shop*\"]\nexclude = [\"shop.sub*\"]\n"},
	"found by itself in src": {"pyproject.toml": head},
	"listed":                 {"pyproject.toml": head + "[tool.setuptools]\npackages = [\"shop\", \"shop.sub\"]\npackage-dir = {\"\" = \"src\"}\n"},
	"moved":                  {"pyproject.toml": head + "[tool.setuptools]\npackages = [\"renamed\", \"renamed.sub\"]\npackage-dir = {renamed = \"src/shop\"}\n"},
	"module":                 {"pyproject.toml": head + "[tool.setuptools]\npy-modules = [\"top\"]\npackage-dir = {\"\" = \"src\"}\n"},
	"data of one": {"pyproject.toml": head + "[tool.setuptools]\npackages = [\"shop\"]\npackage-dir = {\"\" = \"src\"}\n" +
		"[tool.setuptools.package-data]\nshop = [\"templates/*.html\", \"static/*\"]\n"},
	"data of all":    {"pyproject.toml": head + "[tool.setuptools.packages.find]\nwhere = [\"src\"]\n[tool.setuptools.package-data]\n\"*\" = [\"*.json\", \"*.txt\", \".hid*\"]\n"},
	"data recursive": {"pyproject.toml": head + "[tool.setuptools]\npackages = [\"shop\"]\npackage-dir = {\"\" = \"src\"}\n[tool.setuptools.package-data]\nshop = [\"templates/**/*\"]\n"},
	"data excluded": {"pyproject.toml": head + "[tool.setuptools]\npackages = [\"shop\"]\npackage-dir = {\"\" = \"src\"}\n[tool.setuptools.package-data]\nshop = [\"templates/*\", \"static/*\"]\n" +
		"[tool.setuptools.exclude-package-data]\nshop = [\"static/*\"]\n"},
	"manifest": {
		"pyproject.toml": head + "[tool.setuptools.packages.find]\nwhere = [\"src\"]\nnamespaces = false\n",
		"MANIFEST.in":    "# what goes along\nrecursive-include src/shop/templates *\nglobal-exclude *.txt\ninclude src/shop/data.json README.md\n",
	},
	"manifest grafts": {
		"pyproject.toml": head + "[tool.setuptools]\npackages = [\"shop\", \"shop.sub\"]\npackage-dir = {\"\" = \"src\"}\n",
		"MANIFEST.in":    "graft src\nprune src/shop/static\nrecursive-exclude src/shop *.json\n",
	},
	"manifest not asked": {
		"pyproject.toml": head + "[tool.setuptools]\ninclude-package-data = false\npackages = [\"shop\"]\npackage-dir = {\"\" = \"src\"}\n",
		"MANIFEST.in":    "graft src\n",
	},
	"commands":          {"pyproject.toml": head + "[project.scripts]\nshop = \"shop.views:main\"\n[project.gui-scripts]\nwin = \"shop:win\"\n[project.entry-points.\"flask.commands\"]\nx = \"shop:x\"\n[tool.setuptools.packages.find]\nwhere=[\"src\"]\n"},
	"dynamic version":   {"pyproject.toml": strings.Replace(head, "version = \"1.0\"", "dynamic = [\"version\"]", 1) + "[tool.setuptools.dynamic]\nversion = {attr = \"shop.meta.__version__\"}\n[tool.setuptools.packages.find]\nwhere=[\"src\"]\n", "src/shop/meta.py": "__version__ = '3.1'\n"},
	"version in a file": {"pyproject.toml": strings.Replace(head, "version = \"1.0\"", "dynamic = [\"version\"]", 1) + "[tool.setuptools.dynamic]\nversion = {file = \"VERSION\"}\n[tool.setuptools.packages.find]\nwhere=[\"src\"]\n", "VERSION": "4.2rc1\n"},
	"flat":              {"pyproject.toml": head, "shop/__init__.py": "", "shop/a/b.py": "", "shop/t.html": "", "tests/t.py": "", "docs/c.py": "", "FLAT": ""},
	"flat module":       {"pyproject.toml": head, "shop.py": "", "conftest.py": "", "manage.py": "", "FLAT": ""},
}

func (m memory) complete() memory {
	out := maps.Clone(m)
	if _, flat := m["FLAT"]; !flat {
		for _, s := range sources {
			if _, own := out[s]; !own {
				out[s] = "# " + s + "\n"
			}
		}
	}
	return out
}

// folder is what lies in a folder, by slash-separated relative path.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		out[filepath.ToSlash(rel)] = text(t, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return normal(b)
}

// normal levels spaces: setuptools writes a blank line between groups.
func normal(b []byte) string {
	return strings.ReplaceAll(strings.TrimSpace(string(b)), "\n\n", "\n")
}

// content is what a wheel installs, without the metadata that describes it.
func content(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		dir, base := filepath.Split(f.Name)
		if strings.HasSuffix(dir, ".dist-info/") && base != "entry_points.txt" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := f.Name
		if base == "entry_points.txt" {
			name = base
		}
		out[name] = normal(b)
	}
	return out
}

func ours(t *testing.T, m memory) (string, []byte) {
	t.Helper()
	p, err := Read(m)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.WriteWheel(m, &b); err != nil {
		t.Fatal(err)
	}
	if _, err := wheel.Install(bytes.NewReader(b.Bytes()), int64(b.Len()), p.Filename(), wheel.Scheme{Prefix: "/app/.venv", Python: [2]int{3, 11}}); err != nil {
		t.Errorf("our own wheel is refused: %v", err)
	}
	return p.Filename(), b.Bytes()
}

// TestAgainstSetuptools builds every case with the real backend and compares
// what is installed. It needs no network.
func TestAgainstSetuptools(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH")
	}
	check := exec.Command(python, "-c", "import setuptools; assert int(setuptools.__version__.split('.')[0]) >= 61")
	check.Dir = t.TempDir()
	if out, err := check.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no setuptools 61 or newer here: %s", out)
	}
	for name, files := range cases {
		t.Run(name, func(t *testing.T) {
			m := files.complete()
			dir, out := t.TempDir(), t.TempDir()
			for f, s := range m {
				p := filepath.Join(dir, filepath.FromSlash(f))
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(p, []byte(s), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(python, "-c", "from setuptools import setup; setup()", "-q",
				"egg_info", "--egg-base", out, "build", "--build-base", t.TempDir(), "--build-lib", filepath.Join(out, "lib"))
			cmd.Dir = dir
			if log, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("setuptools: %v\n%s", err, log)
			}
			theirs := folder(t, filepath.Join(out, "lib"))
			points, _ := filepath.Glob(filepath.Join(out, "*.egg-info", "entry_points.txt"))
			for _, p := range points {
				theirs["entry_points.txt"] = text(t, p)
			}
			if len(theirs) == 0 {
				t.Fatal("setuptools installed nothing")
			}
			_, mine := ours(t, m)
			own := content(t, mine)
			for f := range theirs {
				if own[f] != theirs[f] && !explained(f) {
					t.Errorf("%q: setuptools installs %q, we %q", f, theirs[f], own[f])
				}
			}
			for f := range own {
				if _, ok := theirs[f]; !ok && !explained(f) {
					t.Errorf("%q: only we install it", f)
				}
			}
		})
	}
}

// explained are the differences that are meant.
func explained(file string) bool {
	// setuptools 69 and newer take these along by themselves; older ones do not.
	return strings.HasSuffix(file, "py.typed")
}

func TestUnsupported(t *testing.T) {
	tests := map[string]struct {
		files memory
		want  string
	}{
		"none":            {memory{}, ""},
		"tools only":      {memory{"pyproject.toml": "[tool.ruff]\n"}, ""},
		"no build system": {memory{"pyproject.toml": "[project]\nname='x'\nversion='1'\n"}, "[build-system]"},
		"hatchling":       {memory{"pyproject.toml": strings.Replace(head, "setuptools.build_meta", "hatchling.build", 1)}, "hatchling.build"},
		"own backend":     {memory{"pyproject.toml": strings.Replace(head, "[project]", "backend-path = [\".\"]\n[project]", 1)}, "its own code"},
		"setup.py":        {memory{"pyproject.toml": head, "setup.py": ""}, "setup.py"},
		"setup.cfg":       {memory{"pyproject.toml": head, "setup.cfg": "[metadata]\n[options]\npackages = find:\n"}, "setup.cfg"},
		"scm":             {memory{"pyproject.toml": strings.Replace(head, `"setuptools"`, `"setuptools", "setuptools_scm>=8"`, 1)}, "setuptools-scm"},
		"several":         {memory{"pyproject.toml": head, "a/x.py": "", "b/x.py": ""}, "several candidates (a, b)"},
		"nothing":         {memory{"pyproject.toml": head, "tests/x.py": ""}, "no packages"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Read(tt.files)
			var u Unsupported
			if !errors.As(err, &u) || !strings.Contains(string(u), tt.want) || (tt.want == "") != (u == "") {
				t.Errorf("err = %#v; want %q", err, tt.want)
			}
		})
	}
}

func TestWrongProjects(t *testing.T) {
	tests := map[string]struct {
		files memory
		want  string
	}{
		"no TOML":         {memory{"pyproject.toml": "[project\n"}, "pyproject.toml:1:"},
		"missing package": {memory{"pyproject.toml": head + "[tool.setuptools]\npackages = [\"shop\"]\n"}, `"shop"`},
		"missing module":  {memory{"pyproject.toml": head + "[tool.setuptools]\npy-modules = [\"shop\"]\n"}, `"shop.py"`},
		"outside":         {memory{"pyproject.toml": head + "[tool.setuptools]\npackages = [\"x\"]\npackage-dir = {x = \"../x\"}\n"}, "outside"},
		"no version":      {memory{"pyproject.toml": strings.Replace(head, "version = \"1.0\"", "dynamic = [\"version\"]", 1), "src/a/__init__.py": ""}, "version"},
		"manifest":        {memory{"pyproject.toml": head, "src/a/__init__.py": "", "MANIFEST.in": "\nincude x\n"}, "MANIFEST.in:2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Read(tt.files)
			if failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v; want %q", err, tt.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, c := range cases {
		f.Add(c["pyproject.toml"], c["MANIFEST.in"])
	}
	f.Fuzz(func(t *testing.T, pyproject, manifest string) {
		m := memory{"pyproject.toml": pyproject, "MANIFEST.in": manifest}.complete()
		p, err := Read(m)
		if err != nil {
			return
		}
		for dest, from := range p.Files {
			if _, ok := m[from]; !ok {
				t.Errorf("%q comes from %q, which does not exist", dest, from)
			}
		}
	})
}
