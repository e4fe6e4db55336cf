package project

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// layout is where a project's packages are.
type layout struct {
	tree    Tree
	names   []string // sorted
	options options

	dirs    map[string]string // package → folder
	modules map[string]string // top-level module file in site-packages → file
	// manifest are the files that MANIFEST.in selects.
	manifest []string
}

// find fills dirs and modules from what the project declares, else by the rules
// of setuptools' automatic discovery (setuptools/discovery.py).
func (l *layout) find() error {
	l.modules = map[string]string{}
	declared := l.options.Packages != nil || l.options.PyModules != nil
	switch packages := l.options.Packages.(type) {
	case nil:
	case []any:
		for _, p := range packages {
			name, ok := p.(string)
			if !ok {
				return failure.New(failure.Usage, "", "pyproject.toml: [tool.setuptools] packages holds something that is no string")
			}
			l.dirs[name] = l.dirOf(name)
		}
	case map[string]any:
		if err := l.findDeclared(packages); err != nil {
			return err
		}
	default:
		return failure.New(failure.Usage, "", "pyproject.toml: [tool.setuptools] packages is neither a list nor a table")
	}
	for _, m := range l.options.PyModules {
		file := strings.ReplaceAll(m, ".", "/") + ".py"
		l.modules[file] = path.Join(l.options.PackageDir[""], file)
	}
	if !declared {
		if err := l.discover(); err != nil {
			return err
		}
	}
	return l.check()
}

// check refuses declared packages and modules that are not there, as the
// backend would.
func (l *layout) check() error {
	for name, dir := range l.dirs {
		if dir == ".." || strings.HasPrefix(dir, "../") || path.IsAbs(dir) {
			return failure.New(failure.Usage, "", "pyproject.toml: package %q lies outside the project, in %q", name, dir)
		}
		if !l.exists(dir) {
			return failure.New(failure.Usage, "check package-dir and .dockerignore", "pyproject.toml: package %q should be in %q, which holds no files", name, dir)
		}
	}
	for module, file := range l.modules {
		if _, ok := slices.BinarySearch(l.names, file); !ok {
			return failure.New(failure.Usage, "check py-modules and .dockerignore", "pyproject.toml: module %q should be %q, which does not exist", module, file)
		}
	}
	return nil
}

// dirOf is a package's folder, by the nearest ancestor in package-dir
// (distutils' get_package_dir).
func (l *layout) dirOf(name string) string {
	head, tail := strings.Split(name, "."), []string{}
	for len(head) > 0 {
		if dir, ok := l.options.PackageDir[strings.Join(head, ".")]; ok {
			return path.Join(append([]string{dir}, tail...)...)
		}
		tail = append([]string{head[len(head)-1]}, tail...)
		head = head[:len(head)-1]
	}
	return path.Join(append([]string{l.options.PackageDir[""]}, tail...)...)
}

func (l *layout) exists(dir string) bool {
	if dir == "" || dir == "." {
		return true
	}
	i, _ := slices.BinarySearch(l.names, dir+"/")
	return i < len(l.names) && strings.HasPrefix(l.names[i], dir+"/")
}

// findDeclared is packages.find (and find-namespace is its default).
func (l *layout) findDeclared(table map[string]any) error {
	find, ok := table["find"].(map[string]any)
	if !ok {
		return failure.New(failure.Usage, "setuptools knows a list, or a table with find", "pyproject.toml: [tool.setuptools.packages] holds no find")
	}
	where, include, exclude := stringList(find["where"]), stringList(find["include"]), stringList(find["exclude"])
	if len(where) == 0 {
		where = []string{"."}
	}
	if len(include) == 0 {
		include = []string{"*"}
	}
	namespaces := true
	if n, ok := find["namespaces"].(bool); ok {
		namespaces = n
	}
	for _, w := range where {
		w = path.Clean(w)
		found, err := l.packagesIn(w, include, exclude, func(dir, _ string) bool { return namespaces || l.isFile(dir+"/__init__.py") })
		if err != nil {
			return err
		}
		for _, p := range found {
			l.dirs[p] = path.Join(w, strings.ReplaceAll(p, ".", "/"))
		}
	}
	return nil
}

func stringList(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func (l *layout) isFile(name string) bool {
	_, ok := slices.BinarySearch(l.names, path.Clean(name))
	return ok
}

// packagesIn walks a folder as PackageFinder does: a folder whose name holds a
// dot or that does not look like a package ends the walk, one that the filters
// leave out does not.
func (l *layout) packagesIn(where string, include, exclude []string, looks func(dir, name string) bool) ([]string, error) {
	in, err := compile(include, nameGlob)
	if err != nil {
		return nil, failure.New(failure.Usage, "", "pyproject.toml: packages.find.include: %w", err)
	}
	out, err := compile(append([]string{"ez_setup", "*__pycache__"}, exclude...), nameGlob)
	if err != nil {
		return nil, failure.New(failure.Usage, "", "pyproject.toml: packages.find.exclude: %w", err)
	}
	seen := map[string]bool{}
	var found []string
	for _, name := range l.names {
		rel, ok := below(where, path.Dir(name))
		if !ok || rel == "." {
			continue
		}
		parts := strings.Split(rel, "/")
		for i := range parts {
			pkg := strings.Join(parts[:i+1], ".")
			if strings.Contains(parts[i], ".") || !looks(path.Join(where, strings.Join(parts[:i+1], "/")), pkg) {
				break
			}
			if !seen[pkg] && in.match(pkg) && !out.match(pkg) {
				found = append(found, pkg)
			}
			seen[pkg] = true
		}
	}
	return found, nil
}

// below is a path relative to a folder it lies in.
func below(dir, name string) (string, bool) {
	if dir == "." || dir == "" {
		return name, true
	}
	if name == dir {
		return ".", true
	}
	return strings.CutPrefix(name, dir+"/")
}

// reserved are top-level names that automatic discovery passes over in a flat
// layout (setuptools' FlatLayoutPackageFinder and FlatLayoutModuleFinder).
var (
	reservedPackages = strings.Fields("ci bin debian doc docs documentation manpages news newsfragments changelog test tests unit_test unit_tests example examples scripts tools util utils python build dist venv env requirements tasks fabfile site_scons benchmark benchmarks exercise exercises htmlcov [._]*")
	reservedModules  = strings.Fields("setup conftest test tests example examples build toxfile noxfile pavement dodo tasks fabfile [Ss][Cc]onstruct conanfile manage benchmark benchmarks exercise exercises [._]*")

	identifier = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)
)

// discover finds packages that are not declared: in src, else the one package
// or the one module at the top.
func (l *layout) discover() error {
	root := l.options.PackageDir[""]
	if root == "" && len(l.options.PackageDir) == 0 && l.exists("src") {
		root = "src"
	}
	all := func(string, string) bool { return true }
	if root != "" && path.Clean(root) != "." {
		root = path.Clean(root)
		found, err := l.packagesIn(root, []string{"*"}, nil, all)
		if err != nil {
			return err
		}
		for _, p := range found {
			l.dirs[p] = path.Join(root, strings.ReplaceAll(p, ".", "/"))
		}
		for _, name := range l.names {
			if path.Dir(name) == root && isModule(name) {
				l.modules[path.Base(name)] = name
			}
		}
		return l.something()
	}
	var exclude []string
	for _, r := range reservedPackages {
		exclude = append(exclude, r, r+".*")
	}
	found, err := l.packagesIn(".", []string{"*"}, exclude, func(_, name string) bool { return importable(name) })
	if err != nil {
		return err
	}
	var top []string
	for _, p := range found {
		l.dirs[p] = strings.ReplaceAll(p, ".", "/")
		if !strings.Contains(p, ".") {
			top = append(top, p)
		}
	}
	if len(top) == 0 {
		modules, err := l.topModules()
		if err != nil {
			return err
		}
		top = modules
	}
	if len(top) > 1 {
		return Unsupported(fmt.Sprintf("its packages are not declared and there are several candidates (%s): setuptools refuses that", strings.Join(top, ", ")))
	}
	return l.something()
}

func (l *layout) topModules() ([]string, error) {
	reserved, err := compile(reservedModules, nameGlob)
	if err != nil {
		return nil, err
	}
	var top []string
	for _, name := range l.names {
		if stem := strings.TrimSuffix(name, ".py"); path.Dir(name) == "." && isModule(name) && !reserved.match(stem) {
			l.modules[name] = name
			top = append(top, stem)
		}
	}
	return top, nil
}

func (l *layout) something() error {
	if len(l.dirs)+len(l.modules) == 0 {
		return Unsupported("it declares no packages and none is found")
	}
	return nil
}

func isModule(name string) bool {
	stem, ok := strings.CutSuffix(path.Base(name), ".py")
	return ok && identifier.MatchString(stem)
}

func importable(pkg string) bool {
	for i, part := range strings.Split(pkg, ".") {
		if i == 0 {
			part = strings.TrimSuffix(part, "-stubs")
		}
		if !identifier.MatchString(part) {
			return false
		}
	}
	return true
}
