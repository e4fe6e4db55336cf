package lock

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// linux is a target: CPython 3.x on 64-bit Linux.
func linux(python string) requirement.Env {
	short := python[:strings.LastIndexByte(python, '.')]
	return requirement.Env{Vars: map[string]string{
		"python_version": short, "python_full_version": python, "os_name": "posix", "sys_platform": "linux", "platform_system": "Linux",
		"platform_machine": "x86_64", "implementation_name": "cpython", "platform_python_implementation": "CPython", "implementation_version": python,
	}}
}

func names(ps []Package) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

// The locks in testdata were written by the tools themselves for one project,
// and shortened.
func TestEveryFormatSelectsTheSame(t *testing.T) {
	const main = "certifi charset-normalizer click idna pysocks requests urllib3"
	for _, c := range []struct {
		lock   string
		format Format
		bare   bool // neither extras nor groups
	}{
		{"uv/uv.lock", UV, false}, {"poetry-1.8/poetry.lock", Poetry, false}, {"poetry-2.1/poetry.lock", Poetry, false},
		{"poetry-2.5/poetry.lock", Poetry, false}, {"pdm-2.22/pdm.lock", PDM, false}, {"pdm-2.28/pdm.lock", PDM, false},
		{"pdm-flat/pdm.lock", PDM, false}, {"pipenv/Pipfile.lock", Pipfile, false},
		{"uv-pylock/pylock.toml", Pylock, true}, {"requirements/requirements.txt", Requirements, true},
	} {
		t.Run(c.lock, func(t *testing.T) {
			l, err := Read(os.DirFS("testdata"), c.lock, nil)
			if err != nil {
				t.Fatal(err)
			}
			if l.Format != c.format {
				t.Errorf("format %s", l.Format)
			}
			try := func(want string, target Target) {
				t.Helper()
				ps, err := l.Select(target)
				if err != nil {
					t.Errorf("%+v: %v", target, err)
					return
				}
				if got := names(ps); got != want {
					t.Errorf("extras %v groups %v:\n got %s\nwant %s", target.Extras, target.Groups, got, want)
				}
				for _, p := range ps {
					if p.Version == "" || len(p.SHA256()) == 0 || p.Line < 2 || p.Source.Kind != FromIndex {
						t.Errorf("%+v", p)
					}
				}
			}
			try(main, Target{Env: linux("3.11.7")})
			if c.format != Pipfile {
				try(strings.Replace(main, "requests", "requests tomli", 1), Target{Env: linux("3.10.2")})
			}
			if c.bare {
				return
			}
			group, tests := "test", "iniconfig mccabe packaging pluggy pygments pytest"
			if c.format == Pipfile {
				group = "develop"
			}
			switch c.lock {
			case "poetry-2.1/poetry.lock":
				return // it knew no [dependency-groups]
			case "pdm-2.22/pdm.lock", "pdm-2.28/pdm.lock":
				// pdm's inherited metadata joins the markers of all groups that
				// need a package; pdm itself installs it for each of them, too.
				tests += " typing-extensions"
			}
			try(tests, Target{Env: linux("3.11.7"), Groups: []string{group}, OnlyGroups: true})
			if c.format == Pipfile {
				return
			}
			try("anyio "+strings.Replace(main, " urllib3", " typing-extensions urllib3", 1), Target{Env: linux("3.12.1"), Extras: []string{"Async"}})
			try("mccabe", Target{Env: linux("3.11.7"), Groups: []string{"lint"}, OnlyGroups: true})
			if _, err := l.Select(Target{Env: linux("3.9.1")}); failure.CodeOf(err) != failure.Usage {
				t.Errorf("Python 3.9: %v", err)
			}
			if _, err := l.Select(Target{Env: linux("3.11.7"), Groups: []string{"none"}}); err == nil || !strings.Contains(err.Error(), `no dependency group "none"`) {
				t.Errorf("unknown group: %v", err)
			}
		})
	}
}

func TestFind(t *testing.T) {
	f := func(names ...string) fs.FS {
		m := fstest.MapFS{}
		for _, n := range names {
			m[n] = &fstest.MapFile{}
		}
		return m
	}
	for _, c := range []struct {
		fsys fs.FS
		want string
		err  string
	}{
		{f("requirements.txt", "uv.lock"), "uv.lock", ""},
		{f("requirements.txt", "requirements.lock"), "requirements.txt", ""},
		{f("poetry.lock", "uv.lock"), "", "uv.lock and poetry.lock"},
		{fstest.MapFS{"poetry.lock": {}, "uv.lock": {}, "pyproject.toml": {Data: []byte("[tool.uv]\n")}}, "uv.lock", ""},
		{f("main.py"), "", "file does not exist"},
	} {
		got, err := Find(c.fsys, ".")
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("got %q, %v; want %q, %s", got, err, c.want, c.err)
		}
	}
}

func TestRefusals(t *testing.T) {
	sha := strings.Repeat("a", 64)
	for _, c := range []struct{ name, text, want string }{
		{"uv.lock", "version = 2", "version 2 of uv.lock is not known"},
		{"uv.lock", "version = 1\n[[package]]\nname = \"a b\"\n", "uv.lock:2:1: \"a b\" is no package name"},
		{"uv.lock", "version = 1\n[[package]]\nname = \"a\"\nsource = { registry = \"x\" }\nsdist = { url = \"u/a.tar.gz\", hash = \"sha256:12\" }", "sha256 has 64 hex digits"},
		{"uv.lock", "version = \"x\"", "uv.lock:1:"},
		{"uv.lock", "version = 1 1", "uv.lock:1:"},
		{"poetry.lock", "[metadata]\nlock-version = \"3.0\"", `lock-version "3.0" is not known`},
		{"poetry.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\nfiles = []\n[metadata]\nlock-version = \"2.0\"", "the project is needed"},
		{"pdm.lock", "[metadata]\nlock_version = \"3\"", `lock_version "3" is not known`},
		{"Pipfile.lock", "{}", "_meta is missing"},
		{"Pipfile.lock", "{\n 1", "Pipfile.lock:2:2"},
		{"Pipfile.lock", `{"_meta":{"pipfile-spec":6},` + "\n" + `"default":{"a":{"version":">=1"}}}`, `Pipfile.lock:2:12: a: ">=1" is not one exact version`},
		{"pylock.toml", "", "lock-version is missing"},
		{"pylock.toml", "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"a\"", "packages[0]: it needs exactly one of vcs"},
		{"pylock.toml", "lock-version = \"1.0\"\ncreated-by = \"x\"\npackages = [{name = \"a\", archive = {url = \"u\"}}]", "pylock.toml:3:14: packages[0].archive: hashes are missing"},
		{"pylock.toml", "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\nwheels = [{url = \"u/b-1-py3-none-any.whl\", hashes = {sha256 = \"" + sha + "\"}}]", `packages[0].wheels[0].name: "b-1-py3-none-any.whl" is no wheel of a`},
	} {
		_, err := Read(fstest.MapFS{c.name: {Data: []byte(c.text)}}, c.name, nil)
		if failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v; want %q", c.name, c.text, err, c.want)
		}
	}
}

// Two packages of one name, told apart by the markers of edges; a conflict that
// only an active extra opens; a member of a workspace.
func TestUVForks(t *testing.T) {
	sha := strings.Repeat("a", 64)
	wheel := func(n, v string) string {
		return "\nwheels = [{ url = \"https://files.example/" + n + "-" + v + "-py3-none-any.whl\", hash = \"sha256:" + sha + "\", size = 7, upload-time = \"2026-01-02T03:04:05Z\" }]\n"
	}
	text := `version = 1
revision = 3
conflicts = [[{ package = "app", extra = "cpu" }, { package = "app", extra = "gpu" }]]
[manifest]
members = ["app", "lib"]
[[package]]
name = "app"
version = "1"
source = { editable = "." }
dependencies = [
  { name = "lib" },
  { name = "np", version = "1.0", source = { registry = "https://index.example/simple" }, marker = "python_full_version < '3.12'" },
  { name = "np", version = "2.0", source = { registry = "https://index.example/simple" }, marker = "python_full_version >= '3.12'" },
]
[package.optional-dependencies]
cpu = [{ name = "torch", version = "1", source = { registry = "https://index.example/simple" }, marker = "extra == 'extra-3-app-cpu'" }]
gpu = [{ name = "torch", version = "2", source = { registry = "https://gpu.example/simple" } }]
[[package]]
name = "lib"
version = "1"
source = { editable = "lib" }
dependencies = [{ name = "cuda", marker = "extra == 'extra-3-app-gpu'" }]
`
	for _, p := range [][2]string{{"np", "1.0"}, {"np", "2.0"}, {"torch", "1"}, {"cuda", "1"}} {
		text += "[[package]]\nname = \"" + p[0] + "\"\nversion = \"" + p[1] + "\"\nsource = { registry = \"https://index.example/simple\" }" + wheel(p[0], p[1])
	}
	text += "[[package]]\nname = \"torch\"\nversion = \"2\"\nsource = { registry = \"https://gpu.example/simple\" }" + wheel("torch", "2")
	l, err := Read(fstest.MapFS{"uv.lock": {Data: []byte(text)}}, "uv.lock", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Members, []string{"app", "lib"}) || !slices.Equal(l.Extras, []string{"cpu", "gpu"}) {
		t.Errorf("members %v, extras %v", l.Members, l.Extras)
	}
	show := func(target Target) string {
		ps, err := l.Select(target)
		if err != nil {
			return err.Error()
		}
		var out []string
		for _, p := range ps {
			out = append(out, p.Name+"="+p.Version)
		}
		return strings.Join(out, " ")
	}
	for want, target := range map[string]Target{
		"lib=1 np=1.0":                {Env: linux("3.11.1")},
		"lib=1 np=2.0":                {Env: linux("3.12.1")},
		"lib=1 np=2.0 torch=1":        {Env: linux("3.12.1"), Extras: []string{"cpu"}},
		"cuda=1 lib=1 np=2.0 torch=2": {Env: linux("3.12.1"), Extras: []string{"gpu"}},
		"":                            {Env: linux("3.12.1"), Member: "lib"},
	} {
		if got := show(target); got != want {
			t.Errorf("%v %v: got %q, want %q", target.Extras, target.Member, got, want)
		}
	}
	f := l.Packages[2].Files[0]
	if f.Name != "np-1.0-py3-none-any.whl" || f.Size != 7 || f.Uploaded.Year() != 2026 || l.Packages[2].Line != 23 {
		t.Errorf("file %+v at %d", f, l.Packages[2].Line)
	}
}

func TestConstraint(t *testing.T) {
	for _, c := range []struct {
		in, yes, no string
	}{
		{"^1.2", "1.9", "2.0"}, {"^0.2.3", "0.2.9", "0.3"}, {"^0.0.3", "0.0.3", "0.0.4"}, {"^0", "0.9", "1"}, {"~1.2", "1.2.9", "1.3"}, {"~1", "1.9", "2"},
		{"1.*", "1.5", "2.0"}, {"*", "7", ""}, {">=1,<2 || >=3", "3.1", "2.5"}, {">= 1.0 <2.0", "1.5", "2.1"}, {"1.5", "1.5", "1.6"}, {"=1.5", "1.5", "1.6"}, {"~=1.4", "1.9", "2.0"},
	} {
		if !admits(c.in, c.yes, true) || c.no != "" && admits(c.in, c.no, true) {
			t.Errorf("%q: %s %v, %s %v", c.in, c.yes, admits(c.in, c.yes, true), c.no, admits(c.in, c.no, true))
		}
	}
}

func FuzzRead(f *testing.F) {
	for i, n := range fuzzNames() {
		for _, dir := range []string{"uv", "poetry-1.8", "poetry-2.1", "pdm-2.22", "pdm-flat", "pipenv", "uv-pylock", "requirements"} {
			if data, err := os.ReadFile("testdata/" + dir + "/" + n); err == nil {
				f.Add(uint8(i), data[:min(len(data), 6000)], []byte("[project]\nname = \"shop\"\n"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data, project []byte) {
		name := fuzzNames()[int(which)%len(fuzzNames())]
		l, err := Read(fstest.MapFS{name: {Data: data}, "pyproject.toml": {Data: project}}, name, nil)
		if err != nil {
			if failure.CodeOf(err) != failure.Usage {
				t.Errorf("no usage error: %v", err)
			}
			return
		}
		target := Target{Env: linux("3.11.7"), Extras: l.Extras, Groups: l.Groups}
		for range 2 {
			if ps, err := l.Select(target); err == nil && len(ps) > len(l.Packages) {
				t.Errorf("%d of %d packages", len(ps), len(l.Packages))
			}
			target.Env.Vars = nil
		}
	})
}

func fuzzNames() []string {
	return []string{"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "requirements.txt"}
}
