// Package wheel reads wheels (binary distribution format 1.0) with the caution
// that files from strangers deserve, and says what installing one means: which
// files, where, with which modes and contents. It writes nothing and executes
// nothing.
package wheel

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Name is a wheel's file name, taken apart.
type Name struct {
	Dist, Version string   // as written
	Build         string   // "" or digits with a suffix
	Tags          []string // every combination, as "cp311-abi3-manylinux2014_x86_64"
}

var buildTag = regexp.MustCompile(`^[0-9][^-]*$`)

// maxTags bounds the product of a compressed tag set.
const maxTags = 1000

// ParseName reads {dist}-{version}(-{build})?-{python}-{abi}-{platform}.whl.
func ParseName(filename string) (Name, error) {
	stem, ok := strings.CutSuffix(filename, ".whl")
	if !ok {
		return Name{}, fmt.Errorf("reading wheel name %q: it does not end in .whl", filename)
	}
	parts := strings.Split(stem, "-")
	if len(parts) != 5 && len(parts) != 6 {
		return Name{}, fmt.Errorf("reading wheel name %q: it has %d parts, not 5 or 6", filename, len(parts))
	}
	for _, p := range parts {
		if p == "" || strings.ContainsAny(p, "/\\ \t\r\n\x00") {
			return Name{}, fmt.Errorf("reading wheel name %q: part %q is not valid", filename, p)
		}
	}
	n := Name{Dist: parts[0], Version: parts[1]}
	if len(parts) == 6 {
		if n.Build = parts[2]; !buildTag.MatchString(n.Build) {
			return Name{}, fmt.Errorf("reading wheel name %q: build tag %q does not begin with a digit", filename, n.Build)
		}
	}
	t := parts[len(parts)-3:]
	for _, py := range strings.Split(t[0], ".") {
		for _, abi := range strings.Split(t[1], ".") {
			for _, plat := range strings.Split(t[2], ".") {
				if len(n.Tags) >= maxTags {
					return Name{}, fmt.Errorf("reading wheel name %q: too many tags", filename)
				}
				n.Tags = append(n.Tags, py+"-"+abi+"-"+plat)
			}
		}
	}
	return n, nil
}

// NormalizedDist is the project's name in PEP 503 form.
func (n Name) NormalizedDist() string { return requirement.NormalizeName(n.Dist) }

// BuildNumber is the build tag's number and rest, for sorting: no tag sorts first.
func (n Name) BuildNumber() (int, string) {
	if n.Build == "" {
		return -1, ""
	}
	i, num := 0, 0
	for i < len(n.Build) && n.Build[i] >= '0' && n.Build[i] <= '9' && num < 1<<40 {
		num = num*10 + int(n.Build[i]-'0')
		i++
	}
	return num, n.Build[i:]
}
