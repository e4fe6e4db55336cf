// Package version implements PEP 440: versions, their order, and specifiers, as
// pypa/packaging does. It is written by hand because no Go library agrees with
// packaging on all of it (numbers beyond 64 bits, the separators of local
// versions, most of the specifiers); the conformance tests hold it to that.
package version

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// maxLength bounds a version string; real ones have a few dozen characters.
const maxLength = 512

// Version is a PEP 440 version. The zero Version is not valid.
type Version struct {
	text    string // the normal form
	epoch   string
	release []string // decimal numbers without leading zeros, of any length
	preKind string   // "a", "b", "rc" or ""
	preNum  string
	postNum string // "" where there is no post-release
	devNum  string
	local   []string
}

// grammar is packaging's VERSION_PATTERN.
var grammar = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)` +
		`(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]+)?)?` +
		`(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]+)?)?` +
		`(?:[-_.]?(dev)[-_.]?([0-9]+)?)?` +
		`(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)
})

// Parse reads a version in any spelling that PEP 440 accepts.
func Parse(s string) (Version, error) {
	if len(s) > maxLength {
		return Version{}, fmt.Errorf("parsing version: %d characters are too many", len(s))
	}
	if plain(s) > 0 {
		return release(s), nil
	}
	m := grammar().FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return Version{}, fmt.Errorf("parsing version %q: not a PEP 440 version", s)
	}
	v := Version{epoch: number(m[1])}
	for _, n := range strings.Split(m[2], ".") {
		v.release = append(v.release, number(n))
	}
	if m[3] != "" {
		v.preKind, v.preNum = kind(strings.ToLower(m[3])), number(m[4])
	}
	switch {
	case m[5] != "":
		v.postNum = number(m[5])
	case m[6] != "":
		v.postNum = number(m[7])
	}
	if m[8] != "" {
		v.devNum = number(m[9])
	}
	if m[10] != "" {
		for _, p := range strings.FieldsFunc(strings.ToLower(m[10]), func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
			if isNumber(p) {
				p = number(p)
			}
			v.local = append(v.local, p)
		}
	}
	v.text = v.public0()
	if len(v.local) > 0 {
		v.text += "+" + strings.Join(v.local, ".")
	}
	return v, nil
}

// plain is how many numbers s consists of, with dots between them; 0 if it is
// anything else. Nearly all versions are plain, and need no grammar.
func plain(s string) (numbers int) {
	if n, rest := leading(s); rest == "" {
		return n
	}
	return 0
}

// leading counts the numbers, with dots between them, with which s begins.
func leading(s string) (numbers int, rest string) {
	for i := 0; ; i++ {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == start {
			if numbers > 0 {
				i-- // the dot belongs to what follows
			}
			return numbers, s[i:]
		}
		if numbers++; i == len(s) || s[i] != '.' {
			return numbers, s[i:]
		}
	}
}

// release is the version that a plain text means.
func release(s string) Version {
	v := Version{epoch: "0", text: s, release: strings.Split(s, ".")}
	for i, n := range v.release {
		if len(n) > 1 && n[0] == '0' {
			v.release[i] = number(n)
			v.text = ""
		}
	}
	if v.text == "" {
		v.text = v.public0()
	}
	return v
}

// number is a number without leading zeros; "" is an implied 0.
func number(s string) string {
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}

func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

func kind(word string) string {
	switch word {
	case "a", "alpha":
		return "a"
	case "b", "beta":
		return "b"
	}
	return "rc"
}

// public0 writes the normal form without the local part.
func (v Version) public0() string {
	s := strings.Join(v.release, ".")
	if v.epoch != "0" {
		s = v.epoch + "!" + s
	}
	if v.preKind != "" {
		s += v.preKind + v.preNum
	}
	if v.postNum != "" {
		s += ".post" + v.postNum
	}
	if v.devNum != "" {
		s += ".dev" + v.devNum
	}
	return s
}

// String is the normal form ("1.0rc1" for "v1.0-RC.1").
func (v Version) String() string { return v.text }

// Compare orders versions as PEP 440 does: negative, zero or positive.
func (v Version) Compare(o Version) int {
	if c := compareNumbers(v.epoch, o.epoch); c != 0 {
		return c
	}
	for i := range max(len(v.release), len(o.release)) {
		if c := compareNumbers(segment(v.release, i), segment(o.release, i)); c != 0 {
			return c
		}
	}
	if c := v.preRank() - o.preRank(); c != 0 {
		return c
	}
	if c := compareNumbers(v.preNum, o.preNum); c != 0 {
		return c
	}
	// No post-release comes before any, no development release after any.
	if c := compareOptional(v.postNum, o.postNum, -1); c != 0 {
		return c
	}
	if c := compareOptional(v.devNum, o.devNum, 1); c != 0 {
		return c
	}
	return compareLocal(v.local, o.local)
}

// preRank puts "1.dev0" before "1a0" and "1a0" before "1".
func (v Version) preRank() int {
	switch {
	case v.preKind == "a":
		return 1
	case v.preKind == "b":
		return 2
	case v.preKind == "rc":
		return 3
	case v.postNum == "" && v.devNum != "":
		return 0
	}
	return 4
}

// compareNumbers compares decimal numbers without leading zeros.
func compareNumbers(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// compareOptional compares numbers of which "" is absent, which ranks as said.
func compareOptional(a, b string, absent int) int {
	switch {
	case a == "" && b == "":
		return 0
	case a == "":
		return absent
	case b == "":
		return -absent
	}
	return compareNumbers(a, b)
}

// compareLocal compares local versions: words before numbers, none before all.
func compareLocal(a, b []string) int {
	for i := range min(len(a), len(b)) {
		na, nb := isNumber(a[i]), isNumber(b[i])
		c := 0
		switch {
		case na && nb:
			c = compareNumbers(a[i], b[i])
		case na:
			c = 1
		case nb:
			c = -1
		default:
			c = strings.Compare(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// Local is the part behind "+" in normal form, or "".
func (v Version) Local() string { return strings.Join(v.local, ".") }

// IsPreRelease says whether it is an alpha, beta, candidate or development release.
func (v Version) IsPreRelease() bool { return v.preKind != "" || v.devNum != "" }

// IsPostRelease says whether it is a post-release.
func (v Version) IsPostRelease() bool { return v.postNum != "" }

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
	v.local = nil
	v.text = v.public0()
	return v
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
