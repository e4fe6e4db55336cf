package manifest

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestGroups(t *testing.T) {
	p, err := Parse("pyproject.toml", []byte(`[project]
name = "shop"
dependencies = ["a"]
[project.optional-dependencies]
Fast_er = ["b"]
[dependency-groups]
Test = ["pytest", { include-group = "lint" }]
lint = ["ruff"]
loop = [{ include-group = "pool" }]
pool = [{ include-group = "Loop" }]
odd = [{ path = "x" }]
two = []
Two = []
`))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Group("test"); err != nil || !slices.Equal(got, []string{"pytest", "ruff"}) {
		t.Errorf("test = %q, %v", got, err)
	}
	if got := p.OptionalOf("fast.er"); !slices.Equal(got, []string{"b"}) {
		t.Errorf("extra = %q", got)
	}
	for group, want := range map[string]string{"loop": "loop → pool → loop", "none": `no group "none"`, "odd": "an item is a string", "two": `"Two" and "two" are one name`} {
		if _, err := p.Group(group); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", group, err)
		}
	}
	for text, want := range map[string]string{
		"project = 1":                             "project is not a table",
		"[project]\ndependencies = [1]":           "project.dependencies is not a list of strings",
		"[dependency-groups]\na = 1":              "dependency-groups.a is not a list",
		"[build-system]\nrequires = \"x\"":        "build-system.requires is not a list",
		"a = 1\n\na = 2":                          "p.toml:3:",
		"[project.optional-dependencies]\na = {}": "optional-dependencies.a is not",
	} {
		if _, err := Parse("p.toml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestSetup(t *testing.T) {
	fsys := fstest.MapFS{
		"setup.cfg": {Data: []byte("[options]\npython_requires = >=3.9\ninstall_requires =\n    click>=8  ; python_version < \"4\"\n    # why\n    requests[socks] == 2.*\n[options.extras_require]\ntest =\n  pytest\n")},
		"file.cfg":  {Data: []byte("[options]\ninstall_requires = file: requirements.txt\n")},
		"setup.py":  {Data: []byte("from setuptools import setup\nsetup(python_requires='>=3.8', install_requires=[\n  'a>=1',  # c\n  \"b\",\n], setup_requires = ['wheel'])\n")},
		"dyn.py":    {Data: []byte("setup(install_requires=read('r.txt'))\n")},
		"sum.py":    {Data: []byte("setup(install_requires=['a'] + more)\n")},
	}
	c, err := SetupCfg(fsys, "setup.cfg")
	if err != nil || c.RequiresPython != ">=3.9" || !slices.Equal(c.Dependencies, []string{`click>=8  ; python_version < "4"`, "requests[socks] == 2.*"}) || !slices.Equal(c.Optional["test"], []string{"pytest"}) || c.Dynamic {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := SetupCfg(fsys, "file.cfg"); err != nil || !c.Dynamic {
		t.Errorf("%+v, %v", c, err)
	}
	s, err := SetupPy(fsys, "setup.py")
	if err != nil || s.RequiresPython != ">=3.8" || !slices.Equal(s.Dependencies, []string{"a>=1", "b"}) || !slices.Equal(s.SetupRequires, []string{"wheel"}) || s.Dynamic {
		t.Errorf("%+v, %v", s, err)
	}
	for _, name := range []string{"dyn.py", "sum.py"} {
		if s, err := SetupPy(fsys, name); err != nil || !s.Dynamic {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte("[options]\ninstall_requires =\n a\n"))
	f.Add([]byte("setup(install_requires=['a', # b\n\"c\"], python_requires='>=3')"))
	f.Add([]byte("[project]\nname = \"a\"\n[dependency-groups]\na = [{include-group = \"a\"}, \"b\"]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys := fstest.MapFS{"x": {Data: data}}
		_, _ = SetupCfg(fsys, "x")
		_, _ = SetupPy(fsys, "x")
		if p, err := Parse("x", data); err == nil {
			for g := range p.Groups {
				_, _ = p.Group(g)
			}
		}
	})
}
