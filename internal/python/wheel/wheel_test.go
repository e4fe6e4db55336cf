package wheel_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

func scheme() wheel.Scheme { return wheel.Scheme{Prefix: "/app/.venv", Python: [2]int{3, 11}} }

func good() wheeltest.Wheel {
	return wheeltest.Wheel{
		Name: "demo-pkg", Version: "1.0",
		Files: map[string]string{
			"demo_pkg/__init__.py": "x = 1\n", "demo_pkg/templates/a.html": "<p>é</p>", "demo_pkg/tool.sh": "#!/bin/sh\n", "demo_pkg/empty.txt": "",
			"demo_pkg/__pycache__/x.cpython-311.pyc": "no", "demo_pkg-1.0.data/scripts/old-script": "#!python\nprint(1)\n",
			"demo_pkg-1.0.data/scripts/shell": "#!/bin/sh\necho\n", "demo_pkg-1.0.data/data/share/doc.txt": "doc",
			"demo_pkg-1.0.data/headers/a.h": "int a;", "demo_pkg-1.0.data/platlib/demo_native.py": "y = 2\n",
		},
		Exec:        []string{"demo_pkg/tool.sh"},
		EntryPoints: "[console_scripts]\ndemo = demo_pkg:main.run [extra]\n\n[other]\nx = y\n",
		Requires:    []string{"flask>=2"}, RequiresPy: ">=3.8",
	}
}

func install(data []byte, name string) (*wheel.Installed, error) {
	return wheel.Install(bytes.NewReader(data), int64(len(data)), name, scheme())
}

func TestInstall(t *testing.T) {
	w := good()
	got, err := install(w.Build(), w.Filename())
	if err != nil {
		t.Fatal(err)
	}
	site := "lib/python3.11/site-packages/"
	want := []string{
		"bin/demo", "bin/old-script", "bin/shell", "include/site/python3.11/demo-pkg/a.h",
		site + "demo_native.py", site + "demo_pkg-1.0.dist-info/INSTALLER", site + "demo_pkg-1.0.dist-info/METADATA", site + "demo_pkg-1.0.dist-info/RECORD",
		site + "demo_pkg-1.0.dist-info/WHEEL", site + "demo_pkg-1.0.dist-info/entry_points.txt", site + "demo_pkg/__init__.py",
		site + "demo_pkg/empty.txt", site + "demo_pkg/templates/a.html", site + "demo_pkg/tool.sh", "share/doc.txt",
	}
	var paths []string
	content := map[string]string{}
	for _, f := range got.Files {
		paths = append(paths, f.Path)
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(rc)
		content[f.Path] = string(b)
		exec := strings.HasPrefix(f.Path, "bin/") || strings.HasSuffix(f.Path, "tool.sh")
		if (f.Mode == 0o755) != exec {
			t.Errorf("%s has mode %o", f.Path, f.Mode)
		}
	}
	if !slices.Equal(paths, want) {
		t.Errorf("paths\n%s\nwant\n%s", strings.Join(paths, "\n"), strings.Join(want, "\n"))
	}
	if c := content["bin/demo"]; c != "#!/app/.venv/bin/python\nimport sys\nfrom demo_pkg import main\nif __name__ == '__main__':\n    sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit(main.run())\n" {
		t.Errorf("wrapper:\n%s", c)
	}
	if c := content["bin/old-script"]; c != "#!/app/.venv/bin/python\nprint(1)\n" {
		t.Errorf("script:\n%s", c)
	}
	rec := content[site+"demo_pkg-1.0.dist-info/RECORD"]
	for _, row := range []string{"../../../bin/demo,sha256=", "demo_pkg-1.0.dist-info/RECORD,,\n", "demo_pkg/__init__.py,sha256="} {
		if !strings.Contains(rec, row) {
			t.Errorf("RECORD lacks %q:\n%s", row, rec)
		}
	}
	if got.Name != "demo-pkg" || got.RequiresPython != ">=3.8" || len(got.Requires) != 1 {
		t.Errorf("metadata: %+v", got)
	}
}

// TestRefused has a wheel for each thing that no wheel may hold; malformed
// archives have their own test.
func TestRefused(t *testing.T) {
	file := func(name, content string) wheeltest.Wheel {
		w := good()
		w.NoRecord = true
		w.Files = map[string]string{name: content, "demo_pkg-1.0.dist-info/RECORD": ""}
		return w
	}
	for _, c := range []struct {
		name string
		w    wheeltest.Wheel
		edit func([]byte) []byte
		want string
	}{
		{"crc", good(), func(b []byte) []byte { // flip a byte of the first body
			i := bytes.Index(b, []byte("__init__.py")) + len("__init__.py") + 2
			b[i] ^= 0xff
			return b
		}, ""},
		{"no dist-info", wheeltest.Wheel{Name: "other", Version: "1.0"}, nil, "its metadata folder"},
		{"two dist-infos", file("demo_pkg-2.0.dist-info/METADATA", ""), nil, "two metadata folders"},
		{"record differs", func() wheeltest.Wheel {
			w := good()
			w.NoRecord = true
			w.Files["demo_pkg-1.0.dist-info/RECORD"] = "demo_pkg/__init__.py,sha256=" + strings.Repeat("A", 43) + ",6\n"
			return w
		}(), nil, "does not match its digest in RECORD"},
		{"record differs in sha512", func() wheeltest.Wheel {
			w := good()
			w.NoRecord = true
			w.Files["demo_pkg-1.0.dist-info/RECORD"] = "demo_pkg/__init__.py,sha512=" + strings.Repeat("A", 86) + ",6\n"
			return w
		}(), nil, `"demo_pkg/__init__.py" does not match its digest in RECORD`},
		{"record malformed", func() wheeltest.Wheel {
			w := good()
			w.NoRecord = true
			w.Files["demo_pkg-1.0.dist-info/RECORD"] = "demo_pkg/__init__.py,sha384=" + strings.Repeat("A", 43) + ",6\n"
			return w
		}(), nil, "malformed digest"},
		{"no record", func() wheeltest.Wheel { w := good(); w.NoRecord = true; return w }(), nil, "no demo_pkg-1.0.dist-info/RECORD"},
		{"scheme key", file("demo_pkg-1.0.data/evil/x", "x"), nil, `unknown scheme key "evil"`},
		{"replaces python", file("demo_pkg-1.0.data/scripts/python3", "x"), nil, "replace the interpreter"},
		{"replaces python by data", file("demo_pkg-1.0.data/data/bin/python", "x"), nil, "replace the interpreter"},
		{"pyvenv.cfg", file("demo_pkg-1.0.data/data/pyvenv.cfg", "x"), nil, "may not be installed"},
		{"entry point python", func() wheeltest.Wheel { w := good(); w.EntryPoints = "[console_scripts]\npython3.11 = a:b\n"; return w }(), nil, "replace the interpreter"},
		{"entry point escape", func() wheeltest.Wheel { w := good(); w.EntryPoints = "[console_scripts]\n../x = a:b\n"; return w }(), nil, "no command name"},
		{"entry point value", func() wheeltest.Wheel {
			w := good()
			w.EntryPoints = "[console_scripts]\nx = a:b;import os\n"
			return w
		}(), nil, "not name = module:attribute"},
		{"no WHEEL", func() wheeltest.Wheel { w := good(); w.NoWheel = true; return w }(), nil, "no demo_pkg-1.0.dist-info/WHEEL"},
		{"metadata version", file("demo_pkg-1.0.dist-info/METADATA", "Name: demo-pkg\nVersion: 2.0\n"), nil, `METADATA has version "2.0"`},
		{"script in a folder", file("demo_pkg-1.0.data/scripts/a/b", "x"), nil, "scripts have no folders"},
		{"command replaced by data", func() wheeltest.Wheel {
			w := good()
			w.Files["demo_pkg-1.0.data/data/bin/demo"] = "x"
			return w
		}(), nil, `both install "bin/demo"`},
		{"library replaced by data", file("demo_pkg-1.0.data/data/lib/python3.11/site-packages/demo_pkg-1.0.dist-info/METADATA", "x"), nil, "both install"},
		{"data below a file", func() wheeltest.Wheel {
			w := good()
			w.Files["demo_pkg-1.0.data/platlib/demo_pkg/tool.sh/x"] = "x"
			return w
		}(), nil, `is a file, and`},
		{"format 2", file("demo_pkg-1.0.dist-info/WHEEL", "Wheel-Version: 2.0\n"), nil, "not 1.x"},
		{"metadata name", file("demo_pkg-1.0.dist-info/METADATA", "Name: x\nVersion: 1.0\n"), nil, `METADATA names "x"`},
		{"cut", good(), func(b []byte) []byte { return b[:len(b)/2] }, "no end of central directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := c.w.Build()
			if c.edit != nil {
				data = c.edit(data)
			}
			_, err := install(data, "demo_pkg-1.0-py3-none-any.whl")
			if err == nil {
				t.Fatal("installed")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "demo_pkg-1.0-py3-none-any.whl") {
				t.Errorf("error %q, want one that names the wheel and holds %q", err, c.want)
			}
		})
	}
}

// TestPipItself: the pip that a lock has gets its commands for the target, as
// when pip installs itself.
func TestPipItself(t *testing.T) {
	w := wheeltest.Wheel{Name: "pip", Version: "25.0", Files: map[string]string{"pip/__init__.py": ""},
		EntryPoints: "[console_scripts]\npip = pip._internal.cli.main:main\npip3 = pip._internal.cli.main:main\npip3.13 = pip._internal.cli.main:main\n"}
	got, err := install(w.Build(), w.Filename())
	if err != nil {
		t.Fatal(err)
	}
	var bin []string
	for _, f := range got.Files {
		if n, ok := strings.CutPrefix(f.Path, "bin/"); ok {
			bin = append(bin, n)
		}
	}
	if want := []string{"pip", "pip3", "pip3.11"}; !slices.Equal(bin, want) {
		t.Errorf("commands %v, want %v", bin, want)
	}
}

// TestOrigin: a wheel that was asked for by its URL says where it came from, and
// no wheel says so of itself.
func TestOrigin(t *testing.T) {
	w := good()
	w.Files["demo_pkg-1.0.dist-info/direct_url.json"] = `{"url": "https://evil.example"}`
	raw := w.Build()
	for url, want := range map[string]string{
		"": "",
		"https://user:secret@h.example/a/demo_pkg-1.0-py3-none-any.whl?x=1#sha256=00": `{"archive_info":{"hash":"sha256=ab","hashes":{"sha256":"ab"}},"url":"https://h.example/a/demo_pkg-1.0-py3-none-any.whl?x=1"}`,
	} {
		s := scheme()
		if url != "" {
			s.Origin = &wheel.Origin{URL: url, SHA256: "ab"}
		}
		in, err := wheel.Install(bytes.NewReader(raw), int64(len(raw)), w.Filename(), s)
		if err != nil {
			t.Fatal(err)
		}
		got, recorded := "", false
		for _, f := range in.Files {
			rc, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(rc)
			if strings.HasSuffix(f.Path, "/direct_url.json") {
				got = string(b)
			}
			recorded = recorded || strings.HasSuffix(f.Path, "/RECORD") && strings.Contains(string(b), "direct_url.json")
		}
		if got != want || recorded != (want != "") {
			t.Errorf("%q: direct_url.json %s, in RECORD: %v", url, got, recorded)
		}
	}
}

// TestLongerDigests: RECORD may have SHA-384 and SHA-512.
func TestLongerDigests(t *testing.T) {
	w := good()
	w.NoRecord = true
	a, b := sha512.Sum512([]byte("x = 1\n")), sha512.Sum384([]byte("#!/bin/sh\n"))
	w.Files["demo_pkg-1.0.dist-info/RECORD"] = "demo_pkg/__init__.py,sha512=" + base64.RawURLEncoding.EncodeToString(a[:]) + ",6\n" +
		"demo_pkg/tool.sh,sha384=" + base64.RawURLEncoding.EncodeToString(b[:]) + ",10\ndemo_pkg/empty.txt,md5=AA,0\n"
	if _, err := install(w.Build(), w.Filename()); err != nil {
		t.Error(err)
	}
}

// TestCase warns of names that are one on other file systems.
func TestCase(t *testing.T) {
	w := good()
	w.Files["demo_pkg/TOOL.sh"] = ""
	got, err := install(w.Build(), w.Filename())
	if err != nil || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], `"demo_pkg/TOOL.sh" and "demo_pkg/tool.sh"`) {
		t.Errorf("warnings %q, %v", got.Warnings, err)
	}
}

func TestParseName(t *testing.T) {
	n, err := wheel.ParseName("Foo_Bar-1.0+l-2b-cp310.cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
	if err != nil || n.Build != "2b" || len(n.Tags) != 4 || n.NormalizedDist() != "foo-bar" {
		t.Errorf("%+v, %v", n, err)
	}
	for _, bad := range []string{"x.whl", "a-1-py3-none.whl", "a-1-x-py3-none-any.whl", "a-1-py3-none-any.zip", "a--py3-none-any.whl", "a/b-1-py3-none-any.whl"} {
		if n, err := wheel.ParseName(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, n)
		}
	}
}

func TestCollisions(t *testing.T) {
	a, b := good(), good()
	b.Name = "other-pkg"
	b.Files = map[string]string{"demo_pkg/__init__.py": "x = 2\n", "demo_pkg/empty.txt": ""}
	b.EntryPoints, b.Exec = "", nil
	one, err := install(a.Build(), a.Filename())
	if err != nil {
		t.Fatal(err)
	}
	two, err := install(b.Build(), b.Filename())
	if err != nil {
		t.Fatal(err)
	}
	c := wheeltest.Wheel{Name: "third", Version: "1.0", Files: map[string]string{"demo_pkg/tool.sh/x.py": ""}}
	three, err := install(c.Build(), c.Filename())
	if err != nil {
		t.Fatal(err)
	}
	if got := wheel.Collisions([]*wheel.Installed{one, three}); len(got) != 1 || got[0].Wheels != [2]string{a.Filename(), c.Filename()} || !strings.HasSuffix(got[0].Path, "demo_pkg/tool.sh") {
		t.Errorf("a file and a folder: %+v", got)
	}
	got := wheel.Collisions([]*wheel.Installed{one, two})
	if len(got) != 1 || !strings.HasSuffix(got[0].Path, "demo_pkg/__init__.py") || got[0].Wheels[1] != b.Filename() {
		t.Errorf("collisions = %+v", got)
	}
}

// TestSameTreeAsPip installs the same wheel with pip and compares the trees.
func TestSameTreeAsPip(t *testing.T) {
	py, err := exec.LookPath("python3")
	if err != nil || exec.Command(py, "-m", "pip", "--version").Run() != nil {
		t.Skip("python3 with pip is not here: the comparison with pip did not run")
	}
	out, err := exec.Command(py, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	if err != nil || strings.TrimSpace(string(out)) != "3.11" {
		t.Skipf("this Python is %s, the comparison is made for 3.11", out)
	}
	dir := t.TempDir()
	w := good()
	path := filepath.Join(dir, w.Filename())
	if err := os.WriteFile(path, w.Build(), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(py, "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile", "--ignore-installed", "--no-warn-script-location", "--prefix", filepath.Join(dir, "pip"), path)
	cmd.Env = append(os.Environ(), "PIP_BREAK_SYSTEM_PACKAGES=1", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	ours, err := install(w.Build(), w.Filename())
	if err != nil {
		t.Fatal(err)
	}
	// allowed explains every difference from pip.
	allowed := map[string]string{
		"INSTALLER":  "the tool's name",
		"REQUESTED":  "pip marks named requirements; it would tie the layer to the requirement graph",
		"RECORD":     "rows of the files that differ, and pip's line ends",
		"direct_url": "written by pip because it was given a path",
		"include/":   "outside a virtual environment pip leaves out site/",
		".pyc":       "byte code from a wheel is never installed",
	}
	theirs := map[string]string{}
	root := filepath.Join(dir, "pip")
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(root, p)
			// Debian's pip puts things under local/ and dist-packages.
			rel = strings.ReplaceAll(strings.TrimPrefix(rel, "local/"), "dist-packages", "site-packages")
			b, _ := os.ReadFile(p)
			theirs[rel] = strings.ReplaceAll(string(b), "#!"+py, "#!/app/.venv/bin/python")
		}
		return err
	})
	if len(theirs) < 8 {
		t.Fatalf("pip installed %d files", len(theirs))
	}
	for _, f := range ours.Files {
		rc, _ := f.Open()
		b, _ := io.ReadAll(rc)
		other, ok := theirs[f.Path]
		delete(theirs, f.Path)
		if strings.HasPrefix(f.Path, "bin/") {
			// First lines name interpreters; pip's wrapper text varies with its version.
			_, mine, _ := strings.Cut(string(b), "\n")
			_, their, _ := strings.Cut(other, "\n")
			if ok && (mine == their || strings.Contains(their, "from demo_pkg import main")) {
				continue
			}
		}
		if ok && string(b) == other {
			continue
		}
		if !explained(allowed, f.Path) {
			t.Errorf("%s: pip has it: %v; contents differ", f.Path, ok)
		}
	}
	for p := range theirs {
		if !explained(allowed, p) {
			t.Errorf("%s: only pip installs it", p)
		}
	}
}

func explained(allowed map[string]string, path string) bool {
	for k := range allowed {
		if strings.Contains(path, k) {
			return true
		}
	}
	return false
}

func FuzzInstall(f *testing.F) {
	f.Add(good().Build())
	parts := good().Parts()
	for i := range parts { // every place of the format once: descriptors, extra fields, ZIP64, comments
		parts[i].Descriptor, parts[i].Stored, parts[i].LocalExtra = i%2 == 0, i%3 == 0, strings.Repeat("UT\x00\x00", i%4)
	}
	f.Add((wheeltest.Raw{Parts: parts, Zip64: true, Comment: "c"}).Build())
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := install(data, "demo_pkg-1.0-py3-none-any.whl")
		if err != nil {
			return
		}
		for _, file := range got.Files {
			if !fs.ValidPath(file.Path) {
				t.Errorf("invalid path %q", file.Path)
			}
		}
	})
}
