package fresh

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// member compares one project's declarations with its package in the lock.
func (c *uvCheck) member(p *manifest.Project) error {
	name := requirement.NormalizeName(p.Name)
	var pkg map[string]any
	for i, x := range anys(c.lock["package"]) {
		t, _ := x.(map[string]any)
		src := table(t, "source")
		local := src["editable"] != nil || src["virtual"] != nil || src["directory"] != nil
		if n, _ := t["name"].(string); requirement.NormalizeName(n) == name && local {
			pkg = t
			if i < len(c.lines) && c.r.Line == 0 {
				c.r.Line = c.lines[i].Line
			}
		}
	}
	if pkg == nil {
		c.differ("the lock does not have the project %q", p.Name)
		return nil
	}
	for _, d := range p.Dynamic {
		switch d {
		case "dependencies", "optional-dependencies", "requires-python":
			c.open = append(c.open, fmt.Sprintf("%s computes its %s", p.Path, d))
			return nil
		}
	}
	if v, _ := pkg["version"].(string); v != p.Version && !slices.Contains(p.Dynamic, "version") && !sameVersion(v, p.Version) {
		c.differ("%s: the version is %s; the lock has %s", p.Path, p.Version, v)
	}
	c.kind(p, table(pkg, "source"))
	c.defaults(p, pkg)
	meta := table(pkg, "metadata")
	if meta == nil && (len(anys(pkg["dependencies"])) > 0 || pkg["optional-dependencies"] != nil || pkg["dev-dependencies"] != nil) {
		c.open = append(c.open, "the lock repeats no declarations")
		return nil
	}
	where := strings.TrimPrefix(strings.TrimPrefix(path.Dir(p.Path), c.dir), "/")
	if err := c.dist(p, meta, where); err != nil {
		return err
	}
	var want, have []string
	for e := range p.Optional {
		want = append(want, requirement.NormalizeName(e))
	}
	for _, e := range anys(meta["provides-extras"]) {
		s, _ := e.(string)
		have = append(have, requirement.NormalizeName(s))
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		c.differ("%s: the extras are [%s]; the lock has [%s]", p.Path, strings.Join(want, ", "), strings.Join(have, ", "))
	}
	return c.groups(p, table(meta, "requires-dev"), p.Path)
}

// kind compares how the member is installed: not at all, or as a link.
func (c *uvCheck) kind(p *manifest.Project, source map[string]any) {
	isPackage := p.Table("build-system") != nil
	if !isPackage && c.required[requirement.NormalizeName(p.Name)] {
		return // uv builds members that others need; older releases did not
	}
	if v, ok := p.Table("tool", "uv")["package"].(bool); ok {
		isPackage = v
	}
	if _, virtual := source["virtual"]; virtual == isPackage {
		c.differ("%s: the project is a package to build now, or no longer ([build-system], tool.uv.package)", p.Path)
	}
}

// defaults compares tool.uv.default-groups, which locks repeat since revision 5.
func (c *uvCheck) defaults(p *manifest.Project, pkg map[string]any) {
	want, wanted := p.Table("tool", "uv")["default-groups"]
	have, has := pkg["default-groups"]
	if revision, _ := c.lock["revision"].(int64); revision < 5 && !has {
		return
	}
	if wanted != has || groupNames(want) != groupNames(have) {
		c.differ("%s: tool.uv.default-groups is %s; the lock has %s", p.Path, orNone(want), orNone(have))
	}
}

// groupNames is a list of groups, or "all", in normal form.
func groupNames(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var out []string
	for _, x := range anys(v) {
		s, _ := x.(string)
		out = append(out, requirement.NormalizeName(s))
	}
	return strings.Join(out, " ")
}

// dist compares dependencies and extras with requires-dist.
func (c *uvCheck) dist(p *manifest.Project, meta map[string]any, where string) error {
	var want, have []declared
	add := func(list []string, extra string) error {
		for _, s := range list {
			ds, err := fromPEP508(s, extra, c.sources(p), where)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Path, err)
			}
			want = append(want, ds...)
		}
		return nil
	}
	if err := add(p.Dependencies, ""); err != nil {
		return err
	}
	for _, e := range sortedKeys(p.Optional) {
		if err := add(p.Optional[e], e); err != nil {
			return err
		}
	}
	for _, x := range anys(meta["requires-dist"]) {
		t, _ := x.(map[string]any)
		d, err := fromLock(t)
		if err != nil {
			return fmt.Errorf("%s: requires-dist: %w", c.r.Lock, err)
		}
		have = append(have, d)
	}
	c.report(p.Path, want, have)
	return nil
}

// groups compares [dependency-groups], expanded, and the old
// tool.uv.dev-dependencies, which are part of the group dev.
func (c *uvCheck) groups(p *manifest.Project, locked map[string]any, whose string) error {
	want := map[string][]any{}
	for g := range p.Groups {
		reqs, err := p.Group(g)
		if err != nil {
			return err
		}
		n := requirement.NormalizeName(g)
		want[n] = []any{}
		for _, r := range reqs {
			want[n] = append(want[n], r)
		}
	}
	if dev := anys(p.Table("tool", "uv")["dev-dependencies"]); dev != nil {
		want["dev"] = append(want["dev"], dev...)
	}
	names := sortedKeys(want)
	for g := range locked {
		if _, ok := want[g]; !ok {
			c.differ("%s: the lock has the group %q", whose, g)
		}
	}
	where := strings.TrimPrefix(strings.TrimPrefix(path.Dir(p.Path), c.dir), "/")
	for _, g := range names {
		if _, ok := locked[g]; !ok {
			if len(want[g]) > 0 || locked != nil {
				c.differ("%s: the group %q is not in the lock", whose, g)
			}
			continue
		}
		if err := c.compare(whose+": group "+g, want[g], locked[g], p, where); err != nil {
			return err
		}
	}
	return nil
}

// markers compares lists of environments; their order matters to uv.
func (c *uvCheck) markers(uv map[string]any, key, locked string) {
	parse := func(v any) ([]*requirement.Marker, bool) {
		if s, ok := v.(string); ok {
			v = []any{s}
		}
		var out []*requirement.Marker
		for _, x := range anys(v) {
			s, _ := x.(string)
			m, err := requirement.ParseMarker(s)
			if err != nil {
				return nil, false
			}
			out = append(out, m)
		}
		return out, true
	}
	want, ok := parse(uv[key])
	have, ok2 := parse(c.lock[locked])
	if !ok || !ok2 {
		c.open = append(c.open, "tool.uv."+key+" cannot be read")
		return
	}
	equal := len(want) == len(have)
	for i, w := range want {
		if equal {
			same, known := requirement.Equivalent(w, have[i], c.requires)
			equal = same && known
		}
	}
	if !equal {
		c.differ("tool.uv.%s has changed", key)
	}
}

// conflicts compares sets of extras and groups that exclude each other.
func (c *uvCheck) conflicts(uv map[string]any) {
	name := requirement.NormalizeName(c.root.Name)
	form := func(v any) []string {
		var out []string
		for _, set := range anys(v) {
			var items []string
			for _, x := range anys(set) {
				t, _ := x.(map[string]any)
				str := func(k string) string { s, _ := t[k].(string); return requirement.NormalizeName(s) }
				items = append(items, or(str("package"), name)+"|"+str("extra")+"|"+str("group"))
			}
			slices.Sort(items)
			out = append(out, strings.Join(items, " "))
		}
		slices.Sort(out)
		return out
	}
	if !slices.Equal(form(uv["conflicts"]), form(c.lock["conflicts"])) {
		c.differ("tool.uv.conflicts has changed")
	}
}

// indexes looks for packages from an index that is configured no longer. The
// default index is not known here, so it is assumed where the project does not
// replace it.
func (c *uvCheck) indexes(uv map[string]any) {
	var known []string
	replaced := false
	for _, x := range anys(uv["index"]) {
		t, _ := x.(map[string]any)
		url, _ := t["url"].(string)
		known = append(known, strings.TrimSuffix(plainURL(url), "/"))
		if d, _ := t["default"].(bool); d {
			replaced = true
		}
	}
	if url, ok := uv["index-url"].(string); ok {
		known, replaced = append(known, strings.TrimSuffix(plainURL(url), "/")), true
	}
	for _, x := range anys(uv["extra-index-url"]) {
		url, _ := x.(string)
		known = append(known, strings.TrimSuffix(plainURL(url), "/"))
	}
	if !replaced {
		return
	}
	for _, x := range anys(c.lock["package"]) {
		url, ok := table(x, "source")["registry"].(string)
		if ok && strings.Contains(url, "://") && !slices.Contains(known, strings.TrimSuffix(plainURL(url), "/")) {
			c.differ("the lock takes packages from %s, which is configured no longer", plainURL(url))
			return
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// normalTime brings dates and times to one form for comparing.
func normalTime(v any) string {
	switch t := v.(type) {
	case time.Time:
		return t.UTC().Format(time.RFC3339Nano)
	case string:
		if p, err := time.Parse(time.RFC3339, t); err == nil {
			return p.UTC().Format(time.RFC3339Nano)
		}
		if p, err := time.Parse(time.DateOnly, t); err == nil {
			return p.AddDate(0, 0, 1).UTC().Format(time.RFC3339Nano) // uv: up to the day's end
		}
	}
	return fmt.Sprint(v)
}

func sameVersion(a, b string) bool {
	va, errA := version.Parse(a)
	vb, errB := version.Parse(b)
	return errA == nil && errB == nil && va.Compare(vb) == 0
}

func orNone(v any) string {
	if v == nil {
		return "not set"
	}
	return fmt.Sprint(v)
}
