package image_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/python/index"
)

// packaged is a project whose templates are package data, with a test that
// reads one, for the standard library alone.
func packaged(t *testing.T, data string) string {
	t.Helper()
	w := &world{t: t, context: t.TempDir()}
	w.file("requirements.txt", "# nothing but the standard library\n")
	w.file("Procfile", "web: python -m shop\n")
	w.file("pyproject.toml", `[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "shop"
version = "1.0"

[project.scripts]
shop = "shop:main"

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
shop = [`+data+`]
`)
	w.file("src/shop/__init__.py", `from importlib.resources import files


def page(name):
    return (files(__package__) / "templates" / name).read_text()


def main():
    print(page("index.html"))
`)
	w.file("src/shop/templates/index.html", "index")
	w.file("src/shop/templates/basket.html", "basket")
	w.file("tests/test_shop.py", `import os
import pathlib
import socket
import subprocess
import unittest

import shop


class Test(unittest.TestCase):
    def test_pages(self):
        self.assertEqual(shop.page("index.html"), "index")
        self.assertEqual(shop.page("basket.html"), "basket")

    @unittest.skipUnless(pathlib.Path("/app/.venv").exists(), "not in the image")
    def test_image(self):
        self.assertEqual(os.getuid(), 65532)
        self.assertEqual(subprocess.check_output(["shop"]), b"index\n")
        self.assertNotIn("SECRET_TOKEN", os.environ)
        self.assertNotIn("/app/src", shop.__file__)
        pathlib.Path("written").write_text("tests may write beside themselves")
        # Without root and without an engine, one user owns everything there.
        if os.stat("/app/.venv").st_uid != os.getuid():
            with self.assertRaises(OSError):
                open("/app/.venv/x", "w")
        with self.assertRaises(OSError):
            socket.create_connection(("192.0.2.1", 80), timeout=2)
`)
	return w.context
}

// engines are those that work here.
func engines(t *testing.T) map[string]engine.Engine {
	t.Helper()
	out := map[string]engine.Engine{}
	for _, kind := range []string{"podman", "none"} {
		e, err := engine.Detect(t.Context(), engine.Wanted{Engine: kind, Environ: os.Environ(), Dir: t.TempDir(), Pull: noPull})
		if err != nil {
			t.Logf("SKIPPED: engine %s does not work here: %v", kind, err)
			continue
		}
		if c, ok := e.(interface{ Close() error }); ok {
			t.Cleanup(func() { _ = c.Close() })
		}
		out[kind] = e
	}
	return out
}

func noPull(context.Context, string) (v1.Image, error) { panic("tests load, they do not pull") }

func TestMissingTemplate(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: assembles and runs a whole image")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("SKIPPED: no python3 on PATH")
	}
	for kind, e := range engines(t) {
		for _, variant := range []struct {
			name, data string
			verdict    finding.Verdict
		}{
			{"complete", `"templates/*.html"`, finding.Pass},
			{"forgotten", `"templates/index.html"`, finding.Fail},
		} {
			t.Run(kind+"/"+variant.name, func(t *testing.T) {
				dir := packaged(t, variant.data)
				cmd := exec.Command(python, "-m", "unittest", "discover", "-s", "tests")
				cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("in the checkout the tests fail: %v\n%s", err, out)
				}
				d := deps()
				d.Engine = func(context.Context, string) (engine.Engine, error) { return e, nil }
				var out bytes.Buffer
				d.TestOutput = &out
				d.Getenv = func(k string) string { return map[string]string{"SECRET_TOKEN": "x"}[k] }
				layout := filepath.Join(t.TempDir(), "oci")
				res := build(t, image.Request{
					Context: dir, Base: "host", HostPython: python, Index: index.Config{NoIndex: true},
					Outputs: []image.Output{{Kind: image.OutputOCI, Path: layout}},
					Test:    &image.Test{Command: []string{"python", "-m", "unittest", "discover", "-v", "-s", "tests"}},
				}, d)
				if res.Verdict != variant.verdict {
					t.Errorf("verdict %s; want %s\n%s", res.Verdict, variant.verdict, out.String())
				}
				_, missing := os.Stat(layout)
				if (missing == nil) != (variant.verdict == finding.Pass) {
					t.Errorf("verdict %s, and the output is there: %v", res.Verdict, missing == nil)
				}
				if variant.verdict == finding.Fail && !strings.Contains(out.String(), "basket.html") {
					t.Errorf("the output does not name the template:\n%s", out.String())
				}
			})
		}
	}
}
