//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// packaged is a project whose templates are package data, with a test that
// reads one, for the standard library alone.
func packaged(t *testing.T, data string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	file := func(name, text string) {
		if err := write(filepath.Join(dir, name), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	file("requirements.txt", "# nothing but the standard library\n")
	file("Procfile", "web: python -m shop\n")
	file("pyproject.toml", `[build-system]
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
	file("src/shop/__init__.py", `from importlib.resources import files


def page(name):
    return (files(__package__) / "templates" / name).read_text()


def main():
    print(page("index.html"))
`)
	file("src/shop/templates/index.html", "index")
	file("src/shop/templates/basket.html", "basket")
	file("tests/test_shop.py", `import os
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
	return dir
}

// TestInsideTheImage: the tests run inside the image with each engine that works
// here, without root, secrets, network or the checkout; what they find missing
// keeps the image from being written.
func TestInsideTheImage(t *testing.T) {
	need(t, "python3")
	for _, engine := range []string{"podman", "none"} {
		t.Run(engine, func(t *testing.T) {
			if engine == "podman" {
				podmanWorks(t)
			}
			for _, variant := range []struct {
				name, data string
				code       int
			}{
				{"complete", `"templates/*.html"`, 0},
				{"forgotten", `"templates/index.html"`, 1},
			} {
				t.Run(variant.name, func(t *testing.T) {
					dir := packaged(t, variant.data)
					cmd := exec.Command("python3", "-m", "unittest", "discover", "-s", "tests")
					cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH=src", "PYTHONDONTWRITEBYTECODE=1")
					if out, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("in the checkout the tests fail: %v\n%s", err, out)
					}
					layout := filepath.Join(t.TempDir(), "oci")
					r := run(t, dir, []string{"SECRET_TOKEN=x"}, bin(t), "build-image", ".", "--base", "host", "--engine", engine, "--output", "oci:"+layout,
						"--test", "python -m unittest discover -v -s tests", "--format", "json")
					if strings.Contains(r.stderr, "name spaces are not available") {
						t.Skipf("NOT TESTED: no name spaces here: %s", r.stderr)
					}
					if r.code != variant.code {
						t.Fatalf("exit code %d, want %d\n%s%s", r.code, variant.code, r.stdout, r.stderr)
					}
					_, missing := os.Stat(layout)
					if (missing == nil) != (variant.code == 0) {
						t.Errorf("exit code %d, and the output is there: %v", r.code, missing == nil)
					}
					if variant.code != 0 && !strings.Contains(r.stdout+r.stderr, "basket.html") {
						t.Errorf("the output does not name the template:\n%s%s", r.stdout, r.stderr)
					}
				})
			}
		})
	}
}
