package base

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// skippedFolders of the standard library are for developing, not for serving.
var skippedFolders = map[string]bool{
	"__pycache__": true, "site-packages": true, "dist-packages": true,
	"test": true, "tests": true, "idlelib": true, "idle_test": true, "tkinter": true,
	"turtledemo": true, "ensurepip": true, "lib2to3": true, "lib-dynload": true,
}

// addStdlib takes in the standard library without its test suites, graphical
// parts, installers and caches. (unittest and doctest stay; a folder named test
// inside a library's package is its test suite.)
func addStdlib(t *tree, dir string) error {
	root, err := t.add(dir)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := filepath.Base(name)
		if d.IsDir() {
			if name != root && (skippedFolders[base] || strings.HasPrefix(base, "config-")) {
				return filepath.SkipDir
			}
			return nil
		}
		switch filepath.Ext(base) {
		case ".pyc", ".exe", ".a", ".o":
			return nil
		}
		if _, err := t.add(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // a link into nowhere is left out
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("collecting the standard library: %w", err)
	}
	return nil
}

// addExtensions takes in the extension modules with what they need. One that
// cannot be loaded here cannot be loaded there: it is left out and noted.
func addExtensions(t *tree, l *linker, dirs []string) (notes []string, err error) {
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(globEscape(dir), "*.so"))
		if err != nil {
			return nil, fmt.Errorf("listing extension modules: %w", err)
		}
		for _, file := range files {
			module, _, _ := strings.Cut(filepath.Base(file), ".")
			if module == "_tkinter" || strings.HasPrefix(module, "_test") || strings.HasPrefix(module, "xx") || module == "_ctypes_test" {
				continue
			}
			parts, err := l.closure(file)
			if err != nil {
				notes = append(notes, fmt.Sprintf("the base goes without module %s: %v", module, err))
				continue
			}
			for _, p := range append(parts, file) {
				if _, err := t.add(p); err != nil {
					return nil, err
				}
			}
		}
	}
	return notes, nil
}

func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
