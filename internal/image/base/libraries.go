package base

import (
	"fmt"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Libraries are the names of the shared libraries in an image, wherever in it,
// such as "libpq.so.5". Links count: loaders look for names.
type Libraries map[string]bool

// InspectWithLibraries is Inspect, and the shared libraries of the image, from
// one reading of its layers.
func InspectWithLibraries(img v1.Image) (Facts, Libraries, error) {
	c, err := img.ConfigFile()
	if err != nil {
		return Facts{}, nil, fmt.Errorf("reading the base image's config: %w", err)
	}
	root, err := readRoot(img)
	if err != nil {
		return Facts{}, nil, err
	}
	f, err := inspect(c, root)
	if err != nil {
		return Facts{}, nil, err
	}
	libs := Libraries{}
	for p, n := range root.nodes {
		if name := path.Base(p); !n.dir && strings.Contains(name, ".so") {
			libs[name] = true
		}
	}
	return f, libs, nil
}
