package project

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// metadata is [project] (PEP 621), as far as it ends up in an installation.
type metadata struct {
	Name           string                       `toml:"name"`
	Version        string                       `toml:"version"`
	Description    string                       `toml:"description"`
	RequiresPython string                       `toml:"requires-python"`
	Dependencies   []string                     `toml:"dependencies"`
	Optional       map[string][]string          `toml:"optional-dependencies"`
	Dynamic        []string                     `toml:"dynamic"`
	Scripts        map[string]string            `toml:"scripts"`
	GUIScripts     map[string]string            `toml:"gui-scripts"`
	EntryPoints    map[string]map[string]string `toml:"entry-points"`
}

// assigned finds a literal assignment of a module's attribute.
const assigned = `(?m)^%s\s*(?::\s*[\w\[\], ."']+)?=\s*["']([^"']+)["']`

// version is the project's version: static, or dynamic from a literal in a
// module or from a file.
func (l *layout) version(m metadata) (string, error) {
	v := m.Version
	if v == "" {
		rule, _ := l.options.Dynamic["version"].(map[string]any)
		if attr, ok := rule["attr"].(string); ok {
			v = l.attribute(attr)
		}
		if file, ok := rule["file"]; ok {
			names := stringList(file)
			if s, ok := file.(string); ok {
				names = []string{s}
			}
			for _, n := range names {
				if raw, err := l.tree.Read(n); err == nil {
					v = strings.TrimSpace(string(raw))
				}
			}
		}
	}
	parsed, err := version.Parse(v)
	if v == "" || err != nil {
		return "", failure.New(failure.Usage, "write version = \"…\" under [project], or use --project source", "pyproject.toml: the project's version is not to be found without running its code")
	}
	return parsed.String(), nil
}

// attribute reads "package.module.__version__" where it is a literal.
func (l *layout) attribute(attr string) string {
	i := strings.LastIndexByte(attr, '.')
	if i < 0 {
		return ""
	}
	module, name := attr[:i], attr[i+1:]
	pattern, err := regexp.Compile(fmt.Sprintf(assigned, regexp.QuoteMeta(name)))
	if err != nil {
		return ""
	}
	rel := strings.ReplaceAll(module, ".", "/")
	candidates := []string{path.Join(l.options.PackageDir[""], rel+".py"), path.Join(l.options.PackageDir[""], rel, "__init__.py")}
	if dir, ok := l.dirs[module]; ok {
		candidates = append(candidates, path.Join(dir, "__init__.py"))
	}
	if parent := strings.LastIndexByte(module, '.'); parent > 0 {
		if dir, ok := l.dirs[module[:parent]]; ok {
			candidates = append(candidates, path.Join(dir, module[parent+1:]+".py"))
		}
	}
	for _, file := range candidates {
		raw, err := l.tree.Read(file)
		if err != nil {
			continue
		}
		if m := pattern.FindSubmatch(raw); m != nil {
			return string(m[1])
		}
	}
	return ""
}

// header is METADATA (core metadata 2.1). Fields that describe the project to
// people, not to programs, are left out.
func (p *Project) header() string {
	var b strings.Builder
	field := func(key, value string) {
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	field("Metadata-Version", "2.1")
	field("Name", p.Name)
	field("Version", p.Version)
	field("Summary", p.meta.Description)
	field("Requires-Python", p.meta.RequiresPython)
	for _, d := range p.meta.Dependencies {
		field("Requires-Dist", d)
	}
	for _, extra := range slices.Sorted(maps.Keys(p.meta.Optional)) {
		name := requirement.NormalizeName(extra)
		field("Provides-Extra", name)
		for _, d := range p.meta.Optional[extra] {
			before, marker, found := strings.Cut(d, ";")
			condition := fmt.Sprintf("extra == '%s'", name)
			if found {
				condition = fmt.Sprintf("(%s) and %s", strings.TrimSpace(marker), condition)
			}
			field("Requires-Dist", strings.TrimSpace(before)+"; "+condition)
		}
	}
	return b.String()
}

// entryPoints is entry_points.txt, or "".
func (p *Project) entryPoints() string {
	groups := map[string]map[string]string{"console_scripts": p.meta.Scripts, "gui_scripts": p.meta.GUIScripts}
	maps.Copy(groups, p.meta.EntryPoints)
	var b strings.Builder
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		if len(groups[g]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "[%s]\n", g)
		for _, name := range slices.Sorted(maps.Keys(groups[g])) {
			fmt.Fprintf(&b, "%s = %s\n", name, groups[g][name])
		}
	}
	return b.String()
}
