package project

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// collect enters what is installed: the modules in each package's folder, its
// data files by package-data, and what MANIFEST.in selects below a package
// (setuptools/command/build_py.py). Paths are relative to site-packages.
func (l *layout) collect(into map[string]string) error {
	for module, file := range l.modules {
		into[module] = file
	}
	if l.options.IncludePackageData == nil || *l.options.IncludePackageData {
		if err := l.readManifest(); err != nil {
			return err
		}
	}
	owners := map[string]string{} // folder → package
	for pkg, dir := range l.dirs {
		owners[dir] = pkg
	}
	data, err := l.newDataRules()
	if err != nil {
		return err
	}
	for pkg, dir := range l.dirs {
		dest := strings.ReplaceAll(pkg, ".", "/")
		for _, name := range l.names {
			rel, ok := below(dir, name)
			if !ok {
				continue
			}
			module := !strings.Contains(rel, "/") && strings.HasSuffix(rel, ".py")
			if module || data.includes(pkg, rel) && !data.excludes(pkg, rel) {
				into[path.Join(dest, rel)] = name
			}
		}
	}
	for _, name := range l.manifest {
		// The nearest package above the file owns it.
		for dir := path.Dir(name); ; dir = path.Dir(dir) {
			pkg, ok := owners[dir]
			if ok {
				rel, _ := below(dir, name)
				if !data.excludes(pkg, rel) {
					into[path.Join(strings.ReplaceAll(pkg, ".", "/"), rel)] = name
				}
				break
			}
			if dir == "." {
				break
			}
		}
	}
	return nil
}

// dataRules are package-data and exclude-package-data; "*" stands for every
// package.
type dataRules struct{ include, exclude map[string]matcher }

// always are data files that setuptools includes by itself (PEP 561).
var always = []string{"py.typed", "*.pyi"}

func (l *layout) newDataRules() (*dataRules, error) {
	r := &dataRules{include: map[string]matcher{}, exclude: map[string]matcher{}}
	for pkg := range l.dirs {
		patterns := append(append([]string{}, always...), forPackage(l.options.PackageData, pkg)...)
		in, err := compile(patterns, pathGlob)
		if err != nil {
			return nil, failure.New(failure.Usage, "", "pyproject.toml: package-data of %q: %w", pkg, err)
		}
		out, err := compile(forPackage(l.options.ExcludePackageData, pkg), nameGlob)
		if err != nil {
			return nil, failure.New(failure.Usage, "", "pyproject.toml: exclude-package-data of %q: %w", pkg, err)
		}
		r.include[pkg], r.exclude[pkg] = in, out
	}
	return r, nil
}

func forPackage(table map[string][]string, pkg string) []string {
	out := append([]string{}, table[""]...)
	out = append(out, table["*"]...)
	for _, p := range table[pkg] {
		out = append(out, strings.TrimPrefix(p, "./"))
	}
	return out
}

func (d *dataRules) includes(pkg, rel string) bool { return d.include[pkg].match(rel) }
func (d *dataRules) excludes(pkg, rel string) bool { return d.exclude[pkg].match(rel) }

// readManifest reads MANIFEST.in and applies its commands in order
// (setuptools/command/egg_info.py, FileList).
func (l *layout) readManifest() error {
	raw, err := l.tree.Read("MANIFEST.in")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return failure.New(failure.Usage, "", "reading MANIFEST.in: %w", err)
	}
	chosen := map[string]bool{}
	number := 0
	joined := strings.ReplaceAll(strings.ReplaceAll(string(raw), "\r\n", "\n"), "\\\n", " ")
	for line := range strings.Lines(joined) {
		number++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		patterns, remove, err := command(words)
		if err != nil {
			return failure.New(failure.Usage, "", "MANIFEST.in:%d: %w", number, err)
		}
		m, err := compile(patterns, pathGlob)
		if err != nil {
			return failure.New(failure.Usage, "", "MANIFEST.in:%d: %w", number, err)
		}
		for _, name := range l.names {
			if m.match(name) {
				chosen[name] = !remove
			}
		}
	}
	for _, name := range l.names {
		if chosen[name] && !strings.Contains(name, ".egg-info/") {
			l.manifest = append(l.manifest, name)
		}
	}
	return nil
}

var errManifest = errors.New("expected one of include, exclude, recursive-include, recursive-exclude, global-include, global-exclude, graft, prune, each with its patterns")

// command turns a line into path patterns and whether they remove.
func command(words []string) (patterns []string, remove bool, err error) {
	name, args := words[0], words[1:]
	if len(args) == 0 || strings.HasPrefix(name, "recursive-") && len(args) < 2 {
		return nil, false, errManifest
	}
	for i := range args {
		args[i] = strings.TrimSuffix(strings.TrimPrefix(args[i], "./"), "/")
	}
	switch name {
	case "include", "exclude":
		return args, name == "exclude", nil
	case "global-include", "global-exclude":
		for _, a := range args {
			patterns = append(patterns, "**/"+a)
		}
		return patterns, name == "global-exclude", nil
	case "recursive-include", "recursive-exclude":
		for _, a := range args[1:] {
			patterns = append(patterns, path.Join(args[0], "**", a))
		}
		return patterns, name == "recursive-exclude", nil
	case "graft", "prune":
		for _, a := range args {
			patterns = append(patterns, path.Join(a, "**"))
		}
		return patterns, name == "prune", nil
	}
	return nil, false, errManifest
}
