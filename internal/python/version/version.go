// Package version implements PEP 440: versions, their order, and specifiers, as
// pypa/packaging does. Parsing and ordering of versions come from
// aquasecurity/go-pep440-version, which agrees with packaging; its specifiers do
// not, so those are ours.
package version

import (
	"fmt"
	"strconv"
	"strings"

	pep440 "github.com/aquasecurity/go-pep440-version"
)

// maxLength bounds a version string; real ones have a few dozen characters.
const maxLength = 512

// Version is a PEP 440 version. The zero Version is not valid.
type Version struct {
	v       pep440.Version
	epoch   string
	release []string // without leading zeros
	pre     bool     // pre-release or development release
	post    bool
	local   string
}

// Parse reads a version in any spelling that PEP 440 accepts.
func Parse(s string) (Version, error) {
	if len(s) > maxLength {
		return Version{}, fmt.Errorf("parsing version: %d characters are too many", len(s))
	}
	p, err := pep440.Parse(s)
	if err != nil {
		return Version{}, fmt.Errorf("parsing version %q: not a PEP 440 version", s)
	}
	v := Version{v: p, epoch: "0", local: p.Local(), pre: p.IsPreRelease(), post: p.IsPostRelease()}
	base := p.BaseVersion()
	if e, rest, ok := strings.Cut(base, "!"); ok {
		v.epoch, base = e, rest
	}
	v.release = strings.Split(base, ".")
	return v, nil
}

// String is the normal form ("1.0rc1" for "v1.0-RC.1").
func (v Version) String() string { return v.v.String() }

// Compare orders versions as PEP 440 does: negative, zero or positive.
func (v Version) Compare(o Version) int { return v.v.Compare(o.v) }

// Local is the part behind "+", or "".
func (v Version) Local() string { return v.local }

// IsPreRelease says whether it is an alpha, beta, candidate or development release.
func (v Version) IsPreRelease() bool { return v.pre }

// IsPostRelease says whether it is a post-release.
func (v Version) IsPostRelease() bool { return v.post }

// Release is the release segment's number i as an int, 0 where there is none;
// numbers beyond int are clipped.
func (v Version) Release(i int) int {
	if i >= len(v.release) {
		return 0
	}
	n, err := strconv.Atoi(v.release[i])
	if err != nil {
		return int(^uint(0) >> 1)
	}
	return n
}

// public is the version without its local part.
func (v Version) public() Version {
	if v.local == "" {
		return v
	}
	s, _, _ := strings.Cut(v.String(), "+")
	p, err := Parse(s)
	if err != nil {
		return v // cannot be: a version without its local part is a version
	}
	return p
}

// sameBase compares epoch and release only.
func (v Version) sameBase(o Version) bool {
	if v.epoch != o.epoch {
		return false
	}
	for i := range max(len(v.release), len(o.release)) {
		if segment(v.release, i) != segment(o.release, i) {
			return false
		}
	}
	return true
}

func segment(r []string, i int) string {
	if i >= len(r) {
		return "0"
	}
	return r[i]
}
