package base

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

type python struct {
	path         string
	version      [2]int
	full         string
	freeThreaded bool
	notes        []string
}

var (
	binary   = regexp.MustCompile(`^python3\.(\d{1,3})(t?)$`)
	release  = regexp.MustCompile(`^3\.(\d{1,3})\.\d{1,4}((a|b|rc)\d{1,3})?$`)
	packaged = regexp.MustCompile(`^(\d+:)?(3\.\d{1,3}\.\d{1,4})`)
)

// oldest is the oldest supported minor version: the wrappers of console scripts
// need str.removesuffix.
const oldest = 9

// findPython looks for python3.Y along the image's PATH. A link such as python3
// or python decides between several; else the newest counts.
func findPython(root *rootFS, env map[string]string) (python, error) {
	var seen []string
	for _, dir := range searchPath(env) {
		if dir == "" || !path.IsAbs(dir) {
			continue
		}
		for _, name := range []string{"python3", "python"} {
			if real, ok := root.resolve(path.Join(dir, name)); ok && binary.MatchString(path.Base(real)) {
				return describe(root, env, real)
			}
		}
		for _, name := range root.list(dir) {
			if real, ok := root.resolve(path.Join(dir, name)); ok && binary.MatchString(name) && binary.MatchString(path.Base(real)) {
				seen = append(seen, real)
			}
		}
		if len(seen) > 0 {
			slices.SortFunc(seen, func(a, b string) int { return minor(b) - minor(a) })
			return describe(root, env, seen[0])
		}
	}
	return python{}, failure.New(failure.Usage, "use an image that holds CPython, such as a slim Python image, by its digest",
		"the base image has no python3.Y in %s", strings.Join(searchPath(env), ":"))
}

func minor(file string) int {
	m := binary.FindStringSubmatch(path.Base(file))
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return n
}

func describe(root *rootFS, env map[string]string, file string) (python, error) {
	p := python{path: file, version: [2]int{3, minor(file)}, freeThreaded: strings.HasSuffix(file, "t")}
	if p.version[1] < oldest {
		return python{}, failure.New(failure.Usage, fmt.Sprintf("use Python 3.%d or newer", oldest), "the base image's %s is too old", file)
	}
	fits := func(full string) bool {
		m := release.FindStringSubmatch(full)
		return m != nil && m[1] == strconv.Itoa(p.version[1])
	}
	switch {
	case fits(env["PYTHON_VERSION"]): // docker-library's images
		p.full = env["PYTHON_VERSION"]
	case fits(buildDetails(root, p.version[1])):
		p.full = buildDetails(root, p.version[1])
	case fits(fromPackages(root, p.version[1])):
		p.full = fromPackages(root, p.version[1])
	default:
		p.full = fmt.Sprintf("3.%d.0", p.version[1])
		p.notes = append(p.notes, fmt.Sprintf("the base image does not say its Python's patch level: markers see %s", p.full))
	}
	return p, nil
}

// buildDetails reads PEP 739's build-details.json, which lies in the standard
// library's folder.
func buildDetails(root *rootFS, y int) string {
	for name, b := range root.content {
		if path.Base(name) != "build-details.json" || !strings.HasPrefix(path.Base(path.Dir(name)), fmt.Sprintf("python3.%d", y)) {
			continue
		}
		var d struct {
			Implementation struct {
				Version struct {
					Major, Minor, Micro int
				}
			}
		}
		if err := json.Unmarshal(b, &d); err != nil {
			continue // a broken description is no description
		}
		v := d.Implementation.Version
		return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro)
	}
	return ""
}

// fromPackages asks dpkg's or apk's database.
func fromPackages(root *rootFS, y int) string {
	debian := []string{fmt.Sprintf("python3.%d-minimal", y), fmt.Sprintf("libpython3.%d-minimal", y), fmt.Sprintf("python3.%d", y)}
	for name, b := range root.content {
		var fields [2]string
		wanted := debian
		switch {
		case strings.Contains(name, "/dpkg/"):
			fields = [2]string{"Package: ", "Version: "}
		case strings.HasSuffix(name, "/apk/db/installed"):
			fields, wanted = [2]string{"P:", "V:"}, []string{"python3", fmt.Sprintf("python-3.%d-base", y), fmt.Sprintf("python-3.%d", y)}
		default:
			continue
		}
		for _, paragraph := range strings.Split(string(b), "\n\n") {
			if m := packaged.FindStringSubmatch(field(paragraph, fields[1])); m != nil && slices.Contains(wanted, field(paragraph, fields[0])) {
				return m[2]
			}
		}
	}
	return ""
}

func field(paragraph, key string) string {
	for line := range strings.Lines(paragraph) {
		if v, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
