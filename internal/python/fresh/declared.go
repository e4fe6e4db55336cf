package fresh

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// declared is a requirement in the form in which uv compares them.
type declared struct {
	name   string
	extras string // sorted, comma-separated
	spec   string // clauses in normal form, sorted
	source string // "git=… ", "url=…": what replaces the index
	marker *requirement.Marker
}

func (d declared) String() string {
	s := d.name
	if d.extras != "" {
		s += "[" + d.extras + "]"
	}
	s += d.spec
	if d.source != "" {
		s += " from " + d.source
	}
	if d.marker != nil {
		s += "; " + d.marker.String()
	}
	return s
}

func normalSpec(s string) (string, error) {
	ss, err := version.ParseSpecifiers(s)
	if err != nil {
		return "", err
	}
	var out []string
	for _, c := range ss {
		text := c.Version
		if v, err := version.Parse(c.Version); err == nil && c.Op != "===" {
			text = v.String()
		}
		if c.Wildcard {
			text += ".*"
		}
		out = append(out, c.Op+text)
	}
	sort.Strings(out)
	return strings.Join(slices.Compact(out), ","), nil
}

func normalExtras(extras []string) string {
	var out []string
	for _, e := range extras {
		out = append(out, requirement.NormalizeName(e))
	}
	sort.Strings(out)
	return strings.Join(slices.Compact(out), ",")
}

// fromPEP508 reads a requirement of a manifest. sources is [tool.uv.sources],
// member says whether a name is a member of the workspace and where it is.
func fromPEP508(text string, extra string, sources map[string]any, where string) ([]declared, error) {
	r, err := requirement.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("requirement %q: %w", text, err)
	}
	d := declared{name: requirement.NormalizeName(r.Name), extras: normalExtras(r.Extras), marker: r.Marker}
	if d.spec, err = normalSpec(r.Specifiers.String()); err != nil {
		return nil, err
	}
	if r.URL != "" {
		d.source = urlSource(r.URL)
	}
	if extra != "" {
		d.marker = requirement.And(d.marker, requirement.ExtraIs(extra))
	}
	var mine []any
	for name, s := range sources {
		if requirement.NormalizeName(name) == d.name {
			if list, ok := s.([]any); ok {
				mine = list
			} else {
				mine = []any{s}
			}
		}
	}
	if len(mine) == 0 {
		return []declared{d}, nil
	}
	var out []declared
	var rest *requirement.Marker // where no source applies
	covered := false
	for _, s := range mine {
		one := d
		t, _ := s.(map[string]any)
		if g, _ := t["extra"].(string); g != "" && requirement.NormalizeName(g) != requirement.NormalizeName(extra) {
			continue
		}
		if g, _ := t["group"].(string); g != "" {
			return nil, fmt.Errorf("the source of %s depends on a group", d.name)
		}
		if m, _ := t["marker"].(string); m != "" {
			parsed, err := requirement.ParseMarker(m)
			if err != nil {
				return nil, fmt.Errorf("the source of %s: %w", d.name, err)
			}
			one.marker = requirement.And(one.marker, parsed)
			not := requirement.Not(parsed)
			rest = requirement.And(rest, not)
		} else {
			covered = true
		}
		one.source = tableSource(t, where)
		if !strings.HasPrefix(one.source, "index=") {
			one.spec = ""
		}
		out = append(out, one)
	}
	if !covered {
		d.marker = requirement.And(d.marker, rest)
		out = append(out, d)
	}
	return out, nil
}

func urlSource(url string) string {
	if rest, ok := strings.CutPrefix(url, "git+"); ok {
		rest, frag, _ := strings.Cut(rest, "#")
		at := strings.LastIndexByte(rest, '@')
		rev := ""
		if at > strings.Index(rest, "://")+3 && !strings.Contains(rest[at:], "/") {
			rest, rev = rest[:at], rest[at+1:]
		}
		return gitSource(rest, rev, strings.TrimPrefix(frag, "subdirectory="))
	}
	url, _, _ = strings.Cut(url, "#")
	return "url=" + plainURL(url)
}

// gitSource leaves out how the revision was called (tag, branch, rev).
func gitSource(url, rev, sub string) string {
	return strings.TrimSpace("git=" + strings.TrimSuffix(plainURL(url), ".git") + " " + rev + " " + sub)
}

// plainURL drops user and password.
func plainURL(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	host, tail, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if slash {
		tail = "/" + tail
	}
	return scheme + "://" + host + tail
}

// tableSource reads an entry of [tool.uv.sources].
func tableSource(t map[string]any, where string) string {
	str := func(k string) string { s, _ := t[k].(string); return s }
	switch {
	case str("git") != "":
		return gitSource(str("git"), str("rev")+str("tag")+str("branch"), str("subdirectory"))
	case str("url") != "":
		return "url=" + plainURL(str("url"))
	case str("path") != "":
		return "path=" + path.Join(where, str("path"))
	case str("index") != "":
		return "index=" + str("index")
	}
	return "member"
}

// fromLock reads a requirement as uv.lock writes it.
func fromLock(t map[string]any) (declared, error) {
	str := func(k string) string { s, _ := t[k].(string); return s }
	var extras []string
	if list, ok := t["extras"].([]any); ok {
		for _, e := range list {
			s, _ := e.(string)
			extras = append(extras, s)
		}
	}
	d := declared{name: requirement.NormalizeName(str("name")), extras: normalExtras(extras)}
	var err error
	if d.spec, err = normalSpec(str("specifier")); err != nil {
		return d, err
	}
	if m := str("marker"); m != "" {
		if d.marker, err = requirement.ParseMarker(m); err != nil {
			return d, err
		}
	}
	switch {
	case str("git") != "":
		url, query, _ := strings.Cut(str("git"), "?")
		rev, sub := "", ""
		query, _, _ = strings.Cut(query, "#")
		for _, q := range strings.Split(query, "&") {
			switch k, v, _ := strings.Cut(q, "="); k {
			case "rev", "tag", "branch":
				rev = strings.ReplaceAll(v, "%2F", "/")
			case "subdirectory":
				sub = strings.ReplaceAll(v, "%2F", "/")
			}
		}
		d.source = gitSource(url, rev, sub)
	case str("url") != "":
		d.source = "url=" + plainURL(str("url"))
	case str("path") != "" || str("directory") != "" || str("editable") != "" || str("virtual") != "":
		d.source = "path=" + path.Clean(str("path")+str("directory")+str("editable")+str("virtual"))
	case str("index") != "":
		d.source = "index=" + str("index")
	}
	return d, nil
}

// same compares all but the marker; a member of the workspace is a path in the
// lock, and an index a URL.
func (d declared) same(o declared, budget *int) bool {
	source := d.source == o.source ||
		d.source == "member" && strings.HasPrefix(o.source, "path=") ||
		strings.HasPrefix(d.source, "index=") && strings.HasPrefix(o.source, "index=")
	return d.name == o.name && d.extras == o.extras && (d.source == "member" || sameRange(d.spec, o.spec, budget)) && source
}

// sameRange says whether two sets of clauses admit the same versions: uv compares
// what they mean, so that ">=1,!=0.5" is ">=1". It tries the versions around all
// that are mentioned.
func sameRange(a, b string, budget *int) bool {
	if a == b {
		return true
	}
	if *budget -= 50 * (len(a) + len(b)); *budget < 0 {
		return false
	}
	x, errX := version.ParseSpecifiers(a)
	y, errY := version.ParseSpecifiers(b)
	if errX != nil || errY != nil {
		return false
	}
	for _, s := range slices.Concat(x, y) {
		if s.Op == "===" {
			return false
		}
		v, err := version.Parse(s.Version)
		if err != nil {
			return false
		}
		base, _, _ := strings.Cut(v.String(), "+")
		var tries []string
		for _, suffix := range []string{"", ".0", ".1", ".0.1", ".dev0", "a0", "a0.dev0", "rc1", ".post0", ".post1", ".post99", "+local"} {
			tries = append(tries, base+suffix)
		}
		for i := range 4 {
			for _, d := range []int{-1, 1} {
				parts := []string{}
				for k := range i + 1 {
					n := v.Release(k)
					if k == i {
						n = max(n+d, 0)
					}
					parts = append(parts, fmt.Sprint(n))
				}
				tries = append(tries, strings.Join(parts, "."), strings.Join(parts, ".")+".dev0", strings.Join(parts, ".")+".99")
			}
		}
		for _, text := range tries {
			if v, err := version.Parse(text); err == nil && x.Contains(v, true) != y.Contains(v, true) {
				return false
			}
		}
	}
	return true
}

// maxWork bounds a comparison of two sets; a unit is about a microsecond.
const maxWork = 5_000_000

// difference compares two sets of requirements, markers by what they mean for
// the Pythons of the project. It names what only one side has.
//
// ok is false where comparing would take too long.
func difference(want, have []declared, requires version.Specifiers) (missing, extra []string, ok bool) {
	left := slices.Clone(have)
	budget := maxWork
	seen := map[string]bool{} // uv compares sets
	for _, w := range want {
		if seen[w.String()] {
			continue
		}
		seen[w.String()] = true
		// What can never apply is not written by uv.
		if w.marker != nil {
			if never, known := requirement.EquivalentWithin(w.marker, requirement.Never(), requires, &budget); known && never {
				continue
			}
		}
		at := slices.IndexFunc(left, func(h declared) bool {
			if budget -= 1; budget < 0 || !w.same(h, &budget) {
				return false
			}
			equal, known := requirement.EquivalentWithin(w.marker, h.marker, requires, &budget)
			if !known {
				budget = -1
			}
			return equal
		})
		if budget < 0 {
			return nil, nil, false
		}
		if at < 0 {
			missing = append(missing, w.String())
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	for _, h := range left {
		extra = append(extra, h.String())
	}
	return missing, extra, true
}
