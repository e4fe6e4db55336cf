package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

func TestParseKeepsLines(t *testing.T) {
	src := "[project]\nname = \"x\"\n\n[tool.fairlead.pin-check]\n# why\nfail-on = \"warning\"\npaths = [\n  \"a\",\n  \"b\"]\n\n[tool.fairlead]\nbuild-image = { push = true,\n}\n"
	// inline tables may not span lines in TOML 1.0: keep it on one.
	src = strings.ReplaceAll(src, ",\n}", " }")
	f, err := Parse("pyproject.toml", []byte(src), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tool, key string
		line      int
	}{{"pin-check", "fail-on", 6}, {"pin-check", "paths", 7}, {"build-image", "push", 12}} {
		v, ok := f.Tools[c.tool][c.key]
		if !ok || v.Line != c.line {
			t.Errorf("%s.%s = %+v (found %v), want line %d", c.tool, c.key, v, ok, c.line)
		}
	}
	if f.Tools["pin-check"]["fail-on"].Any != "warning" || f.Tools["build-image"]["push"].Any != true {
		t.Errorf("values = %v", f.Tools)
	}
}

func TestEnvironments(t *testing.T) {
	f, err := Parse("fairlead.toml", []byte("[environments.production]\ntarget = \"tag\"\n\n[environments]\nstaging = { publish = \"8080\" }\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	if v := f.Tools["environments.production"]["target"]; v.Any != "tag" || v.Line != 2 {
		t.Errorf("production: %+v", v)
	}
	if v := f.Tools["environments.staging"]["publish"]; v.Any != "8080" || v.Line != 5 || f.Lines["environments.staging"] != 5 {
		t.Errorf("staging: %+v, table at %d", v, f.Lines["environments.staging"])
	}
	if _, err := Parse("fairlead.toml", []byte("[environments]\nproduction = 3\n"), false); err == nil || !strings.Contains(err.Error(), "fairlead.toml:2: \"production\" is not a table") {
		t.Errorf("not a table: %v", err)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"syntax", "[tool.fairlead.pin-check]\nx = = 1\n", "pyproject.toml:2:"},
		{"not a table", "[tool.fairlead]\npin-check = 3\n", "pyproject.toml:2: \"pin-check\" is not a table"},
		{"scalar", "[tool]\nfairlead = 3\n", "not a table"},
	} {
		_, err := Parse("pyproject.toml", []byte(c.src), true)
		if err == nil || !strings.Contains(err.Error(), c.want) || failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v (code %d), want %q and code 2", c.name, err, failure.CodeOf(err), c.want)
		}
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	sub := filepath.Join(root, "services", "web")
	must(t, os.MkdirAll(filepath.Join(root, ".git"), 0o755))
	must(t, os.MkdirAll(sub, 0o755))
	must(t, os.WriteFile(filepath.Join(root, "fairlead.toml"), []byte("[promote]\nservice = \"web\"\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(sub, "pyproject.toml"), []byte("[project]\nname = \"web\"\n"), 0o644))
	f, err := Find(sub)
	if err != nil || f.Tools["promote"]["service"].Any != "web" {
		t.Fatalf("Find = %+v, %v; want the root's settings", f, err)
	}
	must(t, os.WriteFile(filepath.Join(root, "pyproject.toml"), []byte("[tool.fairlead.promote]\n"), 0o644))
	if _, err := Find(sub); err == nil || !strings.Contains(err.Error(), "both") {
		t.Errorf("two files with settings: %v, want an error", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[tool.fairlead.x]\na = {b.c = 1}\n"), true)
	f.Add([]byte("[x]\n\"a b\" = [1]\n[[x.y]]\nz=1"), false)
	f.Fuzz(func(t *testing.T, data []byte, inProject bool) {
		file, err := Parse("f.toml", data, inProject)
		if err == nil && file == nil {
			t.Fatal("neither file nor error")
		}
	})
}
