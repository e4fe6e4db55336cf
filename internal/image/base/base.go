// Package base answers what build-image must know about a base image, without
// running it: its Python, its C library, its architecture. It can also assemble
// a base from the machine's own CPython, for demonstrations and tests.
package base

import (
	"cmp"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/tags"
)

// Facts is what wheels and a virtual environment need to know of a base.
type Facts struct {
	Target tags.Target `json:"target"`
	// Interpreter is the absolute path of the interpreter's own file, such as
	// "/usr/local/bin/python3.11".
	Interpreter string `json:"interpreter"`
	// System is the base's name for itself, from os-release(5); "" if it has none.
	System string `json:"system,omitempty"`
	// Notes are guesses that a person should know of.
	Notes []string `json:"notes,omitempty"`
}

// Inspect reads an image's config and layers. The facts are a function of the
// image alone and may be cached by its digest.
func Inspect(img v1.Image) (Facts, error) {
	c, err := img.ConfigFile()
	if err != nil {
		return Facts{}, fmt.Errorf("reading the base image's config: %w", err)
	}
	if c.OS != "" && c.OS != "linux" {
		return Facts{}, failure.New(failure.Usage, "choose a Linux image", "the base image is for %q, not linux", c.OS)
	}
	root, err := readRoot(img)
	if err != nil {
		return Facts{}, err
	}
	return inspect(c, root)
}

func inspect(c *v1.ConfigFile, root *rootFS) (Facts, error) {
	if c.Architecture != "amd64" && c.Architecture != "arm64" {
		return Facts{}, failure.New(failure.Usage, "amd64 and arm64 are supported", "the base image is for architecture %q", c.Architecture)
	}
	env := map[string]string{}
	for _, kv := range c.Config.Env {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	python, err := findPython(root, env)
	if err != nil {
		return Facts{}, err
	}
	libc, version, err := findLibc(root)
	if err != nil {
		return Facts{}, err
	}
	return Facts{
		Interpreter: python.path,
		Notes:       python.notes,
		System:      system(root),
		Target: tags.Target{
			Python: python.version, FullVersion: python.full, FreeThreaded: python.freeThreaded,
			Arch: c.Architecture, Libc: libc, LibcVersion: version,
		},
	}, nil
}

// defaultPath is what container engines search when an image does not say.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func searchPath(env map[string]string) []string {
	return strings.Split(cmp.Or(env["PATH"], defaultPath), ":")
}

// system is PRETTY_NAME of os-release(5), in printable characters.
func system(root *rootFS) string {
	for _, name := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		real, ok := root.resolve(name)
		if !ok {
			continue
		}
		for line := range strings.Lines(string(root.content[real])) {
			v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME=")
			if !ok {
				continue
			}
			v = strings.Map(func(r rune) rune {
				if r < ' ' || r > '~' {
					return -1
				}
				return r
			}, strings.Trim(v, `"'`))
			return v[:min(len(v), 100)]
		}
	}
	return ""
}
