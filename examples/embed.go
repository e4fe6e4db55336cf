// Package examples carries the example application in the binary, for the demo.
package examples

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"testing/fstest"
)

//go:embed hello/pyproject.toml hello/Procfile hello/README.md hello/gunicorn.conf.py hello/.dockerignore
//go:embed hello/requirements.in hello/requirements-test.in hello/requirements.txt hello/requirements-test.txt
//go:embed hello/src/hello/*.py hello/src/hello/templates/*.html hello/src/hello/static/* hello/tests/*.py
var hello embed.FS

// edit replaces one text in one file of the example.
type edit struct{ path, old, new string }

// Release returns the example as its release n of the demo, with its title:
// 1 is the folder as it stands, 2 a good change, 3 a change with a bug.
func Release(n int) (fs.FS, string, error) {
	french := []edit{
		{"src/hello/config.py", `os.environ.get("GREETING", "Hello")`, `os.environ.get("GREETING", "Bonjour")`},
		{"tests/test_config.py", `("Hello", "INFO", 0.0)`, `("Bonjour", "INFO", 0.0)`},
		{"tests/test_pages.py", `b"Hello, world!"`, `b"Bonjour, world!"`},
		{"src/hello/__init__.py", `"1.0.0"`, `"1.1.0"`},
	}
	switch n {
	case 1:
		f, err := with(nil)
		return f, "first", err
	case 2:
		f, err := with(french)
		return f, "greeting in French", err
	case 3:
		// The bug that no test sees: the new cache evicts what it still needs, so one
		// request in fifty of each worker fails; no test sends that many.
		f, err := with(append(french,
			edit{"src/hello/__init__.py", `"1.1.0"`, `"1.2.0"`},
			edit{"src/hello/app.py", "import logging\n", "import itertools\nimport logging\n"},
			edit{"src/hello/app.py", "    app.secret_key = cfg.secret_key\n", "    app.secret_key = cfg.secret_key\n    cached = itertools.count(1)\n"},
			edit{"src/hello/app.py", "        if cfg.fail_share and", "        if next(cached) % 50 == 0:\n            raise KeyError(\"basket\")  # evicted, and asked for again\n        if cfg.fail_share and"},
		))
		return f, "cache the basket (with a bug)", err
	}
	return nil, "", fmt.Errorf("the example has no release %d", n)
}

// MissingTemplate is the example with a mistake in its packaging: one template
// is not listed as package data. Its tests pass in the checkout and fail in the
// image, where the package is installed.
func MissingTemplate() (fs.FS, error) {
	return with([]edit{{"pyproject.toml", `"templates/*.html"`, `"templates/index.html"`}})
}

// with applies edits to a copy. An edit whose text is not there is an error, so
// that the example and its releases cannot drift apart unnoticed.
func with(edits []edit) (fs.FS, error) {
	out := fstest.MapFS{}
	err := fs.WalkDir(hello, "hello", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := hello.ReadFile(path)
		if err != nil {
			return err
		}
		out[strings.TrimPrefix(path, "hello/")] = &fstest.MapFile{Data: data, Mode: 0o644}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range edits {
		f, ok := out[e.path]
		if !ok || !strings.Contains(string(f.Data), e.old) {
			return nil, fmt.Errorf("preparing the example: %s no longer holds %q", e.path, e.old)
		}
		f.Data = []byte(strings.ReplaceAll(string(f.Data), e.old, e.new))
	}
	return out, nil
}
