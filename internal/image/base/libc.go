package base

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

var (
	glibcBanner  = regexp.MustCompile(`GNU C Library \([^)]*\) (?:stable|development) release version (\d{1,2})\.(\d{1,3})`)
	muslVersion  = regexp.MustCompile(`\x00(1)\.(\d{1,2})\.\d{1,3}\x00`)
	glibcAny     = regexp.MustCompile(`(^|/)libc(\.so\.6|-2\.\d+\.so)$`)
	muslAny      = regexp.MustCompile(`(^|/)(ld-musl-[a-z0-9_]+|libc\.musl-[a-z0-9_]+)\.so\.1$`)
	dpkgGlibc    = regexp.MustCompile(`(?m)^Package: libc6\n(?:.+\n)*?Version: (?:\d+:)?(\d{1,2})\.(\d{1,3})`)
	apkMuslEntry = regexp.MustCompile(`(?m)^P:musl\nV:(1)\.(\d{1,2})`)
)

// findLibc names the C library and its version: both write it into their own
// files. Where both are, glibc in a folder that loaders search counts: musl
// beside it belongs to a tool.
func findLibc(root *rootFS) (string, [2]int, error) {
	var names []string
	for name := range root.content {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if glibcAny.MatchString(name) && standard(name) {
			if m := glibcBanner.FindSubmatch(root.content[name]); m != nil {
				return "glibc", pair(m[1], m[2]), nil
			}
		}
	}
	for _, name := range names {
		if !muslAny.MatchString(name) || !bytes.Contains(root.content[name], []byte("musl libc")) {
			continue
		}
		if m := muslVersion.FindSubmatch(root.content[name]); m != nil {
			return "musl", pair(m[1], m[2]), nil
		}
	}
	for _, name := range names {
		if m := dpkgGlibc.FindSubmatch(root.content[name]); m != nil && strings.Contains(name, "/dpkg/") {
			return "glibc", pair(m[1], m[2]), nil
		}
		if m := apkMuslEntry.FindSubmatch(root.content[name]); m != nil && strings.Contains(name, "/apk/") {
			return "musl", pair(m[1], m[2]), nil
		}
	}
	return "", [2]int{}, failure.New(failure.Usage, "use an image with glibc or musl", "the base image's C library is not recognised: neither libc.so.6 nor ld-musl says its version")
}

// standard says whether a library lies where loaders look.
func standard(name string) bool {
	dir := path.Dir(name)
	return strings.HasPrefix(dir, "/lib") || strings.HasPrefix(dir, "/usr/lib")
}

func pair(a, b []byte) [2]int {
	x, errX := strconv.Atoi(string(a))
	y, errY := strconv.Atoi(string(b))
	if errX != nil || errY != nil {
		return [2]int{} // cannot happen: the patterns take short runs of digits
	}
	return [2]int{x, y}
}
