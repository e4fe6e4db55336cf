package lock

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// uvLock is uv.lock, version 1 (uv, crates/uv-resolver/src/lock/mod.rs).
type uvLock struct {
	Version        int      `toml:"version"`
	Revision       int      `toml:"revision"`
	RequiresPython string   `toml:"requires-python"`
	Supported      []string `toml:"supported-markers"`
	Manifest       struct {
		Members      []string           `toml:"members"`
		Requirements []uvEdge           `toml:"requirements"`
		Groups       map[string][]uvReq `toml:"dependency-groups"`
	} `toml:"manifest"`
	Packages []uvPackage `toml:"package"`
}

type uvPackage struct {
	Name         string              `toml:"name"`
	Version      string              `toml:"version"`
	Source       map[string]any      `toml:"source"`
	Markers      []string            `toml:"resolution-markers"`
	Dependencies []uvEdge            `toml:"dependencies"`
	Optional     map[string][]uvEdge `toml:"optional-dependencies"`
	Dev          map[string][]uvEdge `toml:"dev-dependencies"`
	Sdist        *uvFile             `toml:"sdist"`
	Wheels       []uvFile            `toml:"wheels"`
	Metadata     struct {
		Extras []string         `toml:"provides-extras"`
		Dev    map[string][]any `toml:"requires-dev"`
	} `toml:"metadata"`
}

type uvEdge struct {
	Name    string         `toml:"name"`
	Version string         `toml:"version"`
	Source  map[string]any `toml:"source"`
	Extra   []string       `toml:"extra"`
	Marker  string         `toml:"marker"`
}

// uvReq is a requirement as the manifest spells it.
type uvReq struct {
	Name   string   `toml:"name"`
	Extras []string `toml:"extras"`
	Marker string   `toml:"marker"`
}

type uvFile struct {
	URL        string `toml:"url"`
	Path       string `toml:"path"`
	Filename   string `toml:"filename"`
	Hash       string `toml:"hash"`
	Size       int64  `toml:"size"`
	UploadTime any    `toml:"upload-time"`
}

func (l *Lock) readUV(data []byte) error {
	var u uvLock
	if err := document.TOML(l.Path, data, &u); err != nil {
		return err
	}
	if u.Version != 1 {
		return fmt.Errorf("%s:1:1: version %d of uv.lock is not known here; 1 is", l.Path, u.Version)
	}
	l.Version, l.RequiresPython = fmt.Sprintf("%d.%d", u.Version, u.Revision), u.RequiresPython
	for _, s := range u.Supported {
		m, err := marker(s)
		if err != nil {
			return fmt.Errorf("%s: supported-markers: %w", l.Path, err)
		}
		l.environments = append(l.environments, m)
	}
	w := where{l.Path, document.TableArray(data, "package")}
	edges := 0
	var members []int // packages that are the project or members of its workspace
	for i, up := range u.Packages {
		p, err := w.newPackage(i, up.Name, up.Version)
		if err != nil {
			return err
		}
		member := up.isMember(p.Name, u.Manifest.Members)
		if p.Source, err = uvSource(up.Source, member); err != nil {
			return w.errorf(i, "%s: %w", p.Name, err)
		}
		p.key = sourceKey(up.Source)
		if err := up.files(&p); err != nil {
			return w.errorf(i, "%s: %w", p.Name, err)
		}
		if err := up.edges(&p); err != nil {
			return w.errorf(i, "%s: %w", p.Name, err)
		}
		if edges += len(p.Dependencies); edges > maxEdges {
			return w.errorf(i, "more than %d dependencies", maxEdges)
		}
		if member {
			members = append(members, i)
			l.Members = append(l.Members, p.Name)
			for e := range up.Optional {
				l.Extras = append(l.Extras, requirement.NormalizeName(e))
			}
			l.Extras = append(l.Extras, normalAll(up.Metadata.Extras)...)
			for g := range up.Dev {
				l.Groups = append(l.Groups, requirement.NormalizeName(g))
			}
			for g := range up.Metadata.Dev {
				l.Groups = append(l.Groups, requirement.NormalizeName(g))
			}
		}
		l.Packages = append(l.Packages, p)
	}
	for g := range u.Manifest.Groups {
		l.Groups = append(l.Groups, requirement.NormalizeName(g))
	}
	sort.Strings(l.Members)
	l.graph = &graph{conflicts: true, choose: l.uvChoose(), roots: l.uvRoots(&u, members), self: l.uvSelf(members)}
	return nil
}

// isMember says whether the package is one that the workspace builds. A lock of
// a lone project names no members: it is the one at ".".
func (up uvPackage) isMember(name string, members []string) bool {
	for _, k := range []string{"virtual", "editable", "directory"} {
		if p, ok := up.Source[k]; ok {
			return text(p) == "." || slices.Contains(normalAll(members), name)
		}
	}
	return false
}

func uvSource(s map[string]any, member bool) (Source, error) {
	kind, value := "", ""
	for _, k := range []string{"registry", "git", "url", "path", "directory", "editable", "virtual"} {
		if v, ok := s[k]; ok {
			if kind != "" {
				return Source{}, fmt.Errorf("the source is both %s and %s", kind, k)
			}
			kind, value = k, text(v)
		}
	}
	sub := text(s["subdirectory"])
	switch kind {
	case "registry":
		return Source{Kind: FromIndex, URL: value}, nil
	case "git":
		out := Source{Kind: FromVCS, VCS: "git", URL: value}
		out.URL, out.Commit, _ = strings.Cut(value, "#")
		var query string
		out.URL, query, _ = strings.Cut(out.URL, "?")
		for _, q := range strings.Split(query, "&") {
			k, v, _ := strings.Cut(q, "=")
			switch k {
			case "rev", "tag", "branch":
				out.Ref = unescape(v)
			case "subdirectory":
				out.Subdirectory = unescape(v)
			}
		}
		return out, nil
	case "url":
		return Source{Kind: FromURL, URL: value, Subdirectory: sub}, nil
	case "path":
		return Source{Kind: FromPath, Path: value}, nil
	case "directory":
		return Source{Kind: FromDirectory, Path: value}, nil
	case "editable":
		return Source{Kind: FromEditable, Path: value}, nil
	case "virtual":
		if member || value != "" {
			return Source{Kind: FromMember, Path: value}, nil
		}
	}
	return Source{}, fmt.Errorf("the source is of no known kind")
}

func (up uvPackage) files(p *Package) error {
	all := up.Wheels
	if up.Sdist != nil {
		all = append(slices.Clone(all), *up.Sdist)
	}
	for _, f := range all {
		out := File{Name: f.Filename, URL: f.URL, Path: f.Path, Size: f.Size, Uploaded: timeOf(f.UploadTime)}
		if out.Name == "" {
			out.Name = baseName(f.URL + f.Path)
			if f.URL+f.Path == "" {
				out.Name = baseName(p.Source.URL + p.Source.Path)
			}
		}
		if out.URL == "" && p.Source.Kind == FromURL {
			out.URL = p.Source.URL
		}
		if out.Path == "" && p.Source.Kind == FromPath {
			out.Path = p.Source.Path
		}
		if f.Hash != "" {
			h, err := parseHash(f.Hash)
			if err != nil {
				return err
			}
			out.Hashes = []Hash{h}
		}
		p.addFile(out)
	}
	return nil
}

// edges puts all of a package's edges into one list. Groups become extras whose
// names no extra can have: "group:dev".
func (up uvPackage) edges(p *Package) error {
	add := func(es []uvEdge, extra string) error {
		for _, e := range es {
			d, err := e.dependency()
			if err != nil {
				return err
			}
			d.Extra = extra
			p.Dependencies = append(p.Dependencies, d)
		}
		return nil
	}
	if err := add(up.Dependencies, ""); err != nil {
		return err
	}
	for _, k := range sortedKeys(up.Optional) {
		if err := add(up.Optional[k], requirement.NormalizeName(k)); err != nil {
			return err
		}
	}
	for _, k := range sortedKeys(up.Dev) {
		if err := add(up.Dev[k], groupExtra(k)); err != nil {
			return err
		}
	}
	return nil
}

func groupExtra(g string) string { return "group:" + requirement.NormalizeName(g) }

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func (e uvEdge) dependency() (Dependency, error) {
	m, err := marker(e.Marker)
	if err != nil {
		return Dependency{}, fmt.Errorf("dependency %q: %w", e.Name, err)
	}
	return Dependency{Name: requirement.NormalizeName(e.Name), Extras: normalAll(e.Extra), Version: e.Version, Marker: m, source: sourceKey(e.Source)}, nil
}

func sourceKey(s map[string]any) string {
	if len(s) == 0 {
		return ""
	}
	var b strings.Builder
	for _, k := range sortedKeys(s) {
		fmt.Fprintf(&b, "%s=%v;", k, s[k])
	}
	return b.String()
}
