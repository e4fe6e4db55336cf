package fresh

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// checkUV compares the declarations of every member of the workspace and the
// settings of the resolution with what uv.lock repeats of them (uv,
// crates/uv-resolver/src/lock, Lock::satisfies, and uv lock's
// ValidatedLock::validate).
func checkUV(fsys fs.FS, dir string, data []byte, r *Result) error {
	var l map[string]any
	if err := document.TOML(r.Lock, data, &l); err != nil {
		return err
	}
	r.By, r.Manifest = "uv lock's comparison of declarations", path.Join(dir, "pyproject.toml")
	root, err := manifest.Read(fsys, r.Manifest)
	if err != nil {
		return err
	}
	c := &uvCheck{r: r, lock: l, root: root, fsys: fsys, dir: dir}
	c.lines = document.TableArray(data, "package")
	if err := c.run(); err != nil {
		r.unknown("%v", err)
		return nil
	}
	switch {
	case len(c.stale) > 0:
		r.Verdict = Stale
		for _, s := range c.stale {
			r.because("%s", s)
		}
	case len(c.open) > 0:
		r.Verdict = Unknown
		for _, s := range c.open {
			r.because("%s", s)
		}
	default:
		r.Verdict = Fresh
	}
	return nil
}

type uvCheck struct {
	r           *Result
	lock        map[string]any
	root        *manifest.Project
	fsys        fs.FS
	dir         string
	lines       []document.Pos
	requires    version.Specifiers
	stale, open []string
	required    map[string]bool // members that others take from the workspace
}

func (c *uvCheck) differ(format string, args ...any) {
	c.stale = append(c.stale, fmt.Sprintf(format, args...))
}

// settings are the keys of [tool.uv] that the lock repeats under [options].
func settings() [][2]string {
	return [][2]string{{"resolution", "resolution-mode"}, {"prerelease", "prerelease-mode"}, {"fork-strategy", "fork-strategy"}}
}

func (c *uvCheck) run() error {
	uv := c.root.Table("tool", "uv")
	options := table(c.lock, "options")
	defaults := map[string]string{"resolution-mode": "highest", "prerelease-mode": "if-necessary-or-explicit", "fork-strategy": "requires-python"}
	for _, s := range settings() {
		want, _ := uv[s[0]].(string)
		have, _ := options[s[1]].(string)
		if or(want, defaults[s[1]]) != or(have, defaults[s[1]]) {
			c.differ("tool.uv.%s is %q; the lock was made with %q", s[0], or(want, defaults[s[1]]), or(have, defaults[s[1]]))
		}
	}
	c.excludeNewer(uv, options)
	members, err := c.members(uv)
	if err != nil {
		return err
	}
	if err := c.python(members); err != nil {
		return err
	}
	if err := c.manifest(uv, members); err != nil {
		return err
	}
	c.markers(uv, "environments", "supported-markers")
	c.markers(uv, "required-environments", "required-markers")
	c.conflicts(uv)
	c.indexes(uv)
	c.required = map[string]bool{}
	for _, m := range append([]*manifest.Project{c.root}, members...) {
		for name, source := range m.Table("tool", "uv", "sources") {
			if is, _ := table(source)["workspace"].(bool); is {
				c.required[requirement.NormalizeName(name)] = true
			}
		}
	}
	for _, m := range members {
		if err := c.member(m); err != nil {
			return err
		}
	}
	return nil
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (c *uvCheck) excludeNewer(uv, options map[string]any) {
	want, wanted := uv["exclude-newer"]
	_, has := options["exclude-newer"]
	_, span := options["exclude-newer-span"]
	switch {
	case wanted != (has || span):
		c.differ("tool.uv.exclude-newer was set or removed since")
	case wanted && !span && normalTime(want) != normalTime(options["exclude-newer"]):
		c.differ("tool.uv.exclude-newer is %v; the lock was made with %v", want, options["exclude-newer"])
	}
}

// members lists the projects of the workspace: the root, if it is one, and what
// tool.uv.workspace names.
func (c *uvCheck) members(uv map[string]any) ([]*manifest.Project, error) {
	var out []*manifest.Project
	if c.root.Has {
		out = append(out, c.root)
	}
	ws, _ := uv["workspace"].(map[string]any)
	globs, _ := ws["members"].([]any)
	exclude, _ := ws["exclude"].([]any)
	dirs, err := folders(c.fsys, c.dir, globs, exclude)
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		p, err := manifest.Read(c.fsys, path.Join(c.dir, d, "pyproject.toml"))
		if err != nil {
			return nil, err
		}
		if managed, ok := p.Table("tool", "uv")["managed"].(bool); ok && !managed {
			continue
		}
		if !p.Has {
			return nil, fmt.Errorf("%s has no [project] table", p.Path)
		}
		out = append(out, p)
	}
	var want, have []string
	for _, p := range out {
		want = append(want, requirement.NormalizeName(p.Name))
	}
	list, _ := table(c.lock, "manifest")["members"].([]any)
	for _, m := range list {
		s, _ := m.(string)
		have = append(have, requirement.NormalizeName(s))
	}
	slices.Sort(want)
	slices.Sort(have)
	if len(want) == 1 && c.root.Has {
		want = nil // a lone project is not listed
	}
	if !slices.Equal(want, have) {
		c.differ("the workspace's members are %s; the lock knows %s", strings.Join(want, ", "), strings.Join(have, ", "))
	}
	return out, nil
}

// python compares the intersection of the members' Python ranges.
func (c *uvCheck) python(members []*manifest.Project) error {
	have, _ := c.lock["requires-python"].(string)
	locked, err := version.ParseSpecifiers(have)
	if err != nil {
		return fmt.Errorf("%s: requires-python: %w", c.r.Lock, err)
	}
	c.requires = locked
	var want version.Specifiers
	said := false
	for _, p := range members {
		if p.RequiresPython == "" {
			continue
		}
		ss, err := version.ParseSpecifiers(p.RequiresPython)
		if err != nil {
			return fmt.Errorf("%s: requires-python: %w", p.Path, err)
		}
		want, said = append(want, ss...), true
	}
	if !said {
		// uv takes the running Python then: ">=3.12".
		if len(locked) == 1 && locked[0].Op == ">=" {
			c.r.because("requires-python is missing, so uv takes the running Python's; the lock is for %s", locked)
		} else {
			c.differ("requires-python is missing; the lock is for %q", locked)
		}
		return nil
	}
	a, errA := normalSpec(want.String())
	b, errB := normalSpec(locked.String())
	if errA != nil || errB != nil || a == b {
		return nil
	}
	if !samePythons(want, locked) {
		c.differ("requires-python is %q; the lock is for %q", want, locked)
	}
	return nil
}

func samePythons(a, b version.Specifiers) bool {
	for minor := range 40 {
		for _, patch := range []int{0, 1, 2, 5, 9, 15, 30} {
			v, err := version.Parse(fmt.Sprintf("3.%d.%d", minor, patch))
			if err == nil && a.Contains(v, true) != b.Contains(v, true) {
				return false
			}
		}
	}
	for _, s := range []string{"2.7.18", "4.0", "4.1", "5"} {
		v, err := version.Parse(s)
		if err == nil && a.Contains(v, true) != b.Contains(v, true) {
			return false
		}
	}
	return true
}

// manifest compares constraints, overrides and the groups of a root that is no
// project.
func (c *uvCheck) manifest(uv map[string]any, members []*manifest.Project) error {
	m := table(c.lock, "manifest")
	for _, s := range [][2]string{{"constraint-dependencies", "constraints"}, {"override-dependencies", "overrides"}, {"build-constraint-dependencies", "build-constraints"}} {
		if err := c.compare("tool.uv."+s[0], uv[s[0]], m[s[1]], c.root, ""); err != nil {
			return err
		}
	}
	var want, have []string
	for _, x := range anys(uv["exclude-dependencies"]) {
		s, _ := x.(string)
		want = append(want, requirement.NormalizeName(s))
	}
	for _, x := range anys(m["excludes"]) {
		s, _ := x.(string)
		have = append(have, requirement.NormalizeName(s))
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		c.differ("tool.uv.exclude-dependencies has changed")
	}
	if c.root.Has {
		return nil
	}
	return c.groups(c.root, table(m, "dependency-groups"), "the root's")
}

func anys(v any) []any {
	l, _ := v.([]any)
	return l
}

// compare compares a list of PEP 508 strings with a list of the lock's tables.
func (c *uvCheck) compare(what string, manifestList, lockList any, p *manifest.Project, where string) error {
	var want, have []declared
	for _, x := range anys(manifestList) {
		s, ok := x.(string)
		if !ok {
			c.open = append(c.open, what+" holds what is no requirement string")
			return nil
		}
		ds, err := fromPEP508(s, "", c.sources(p), where)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", p.Path, what, err)
		}
		want = append(want, ds...)
	}
	for _, x := range anys(lockList) {
		t, _ := x.(map[string]any)
		d, err := fromLock(t)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.r.Lock, what, err)
		}
		have = append(have, d)
	}
	c.report(what, want, have)
	return nil
}

func (c *uvCheck) report(what string, want, have []declared) {
	missing, extra, ok := difference(want, have, c.requires)
	if !ok {
		c.open = append(c.open, what+": there are too many cases to compare")
		return
	}
	sort.Strings(missing)
	sort.Strings(extra)
	for _, s := range missing {
		c.differ("%s: %s is not in the lock", what, s)
	}
	for _, s := range extra {
		c.differ("%s: the lock has %s", what, s)
	}
}

// sources are the root's [tool.uv.sources] with a member's own above them.
func (c *uvCheck) sources(p *manifest.Project) map[string]any {
	out := map[string]any{}
	for _, t := range []map[string]any{c.root.Table("tool", "uv", "sources"), p.Table("tool", "uv", "sources")} {
		for k, v := range t {
			out[requirement.NormalizeName(k)] = v
		}
	}
	return out
}
