package lock

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// pipEntry is one package of Pipfile.lock (pipenv, pipfile-spec 6).
type pipEntry struct {
	Version      string   `json:"version"`
	Hashes       []string `json:"hashes"`
	Index        string   `json:"index"`
	Markers      string   `json:"markers"`
	Extras       []string `json:"extras"`
	Git          string   `json:"git"`
	Hg           string   `json:"hg"`
	Svn          string   `json:"svn"`
	Bzr          string   `json:"bzr"`
	Ref          string   `json:"ref"`
	Path         string   `json:"path"`
	File         string   `json:"file"`
	Editable     bool     `json:"editable"`
	Subdirectory string   `json:"subdirectory"`
}

type pipMeta struct {
	Spec     int `json:"pipfile-spec"`
	Requires struct {
		Version string `json:"python_version"`
		Full    string `json:"python_full_version"`
	} `json:"requires"`
	Sources []struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	} `json:"sources"`
}

func (l *Lock) readPipfile(data []byte) error {
	var top map[string]json.RawMessage
	if err := document.JSON(l.Path, data, &top); err != nil {
		return err
	}
	var meta pipMeta
	if raw, ok := top["_meta"]; !ok {
		return fmt.Errorf("%s:1:1: _meta is missing", l.Path)
	} else if err := json.Unmarshal(raw, &meta); err != nil {
		return fmt.Errorf("%s: _meta: %w", l.Path, err)
	}
	if meta.Spec != 6 {
		return fmt.Errorf("%s: pipfile-spec %d is not known here; 6 is", l.Path, meta.Spec)
	}
	l.Version, l.Generator = "6", "pipenv"
	switch {
	case meta.Requires.Full != "":
		l.RequiresPython = "==" + meta.Requires.Full
	case meta.Requires.Version != "":
		l.RequiresPython = "==" + meta.Requires.Version + ".*"
	}
	sources := map[string]string{}
	for i, s := range meta.Sources {
		sources[s.Name] = s.URL
		if i == 0 {
			l.IndexURL = s.URL
		} else {
			l.ExtraIndexURLs = append(l.ExtraIndexURLs, s.URL)
		}
	}
	l.Groups = []string{"develop"}
	for _, category := range sortedKeys(top) {
		if category == "_meta" {
			continue
		}
		var entries map[string]pipEntry
		if err := json.Unmarshal(top[category], &entries); err != nil {
			return fmt.Errorf("%s: %s: %w", l.Path, category, err)
		}
		group := requirement.NormalizeName(category)
		if category == "default" {
			group = ""
		} else {
			l.Groups = append(l.Groups, group)
		}
		at := document.ObjectKeys(data, category)
		for _, name := range sortedKeys(entries) {
			w := where{l.Path, []document.Pos{at[name]}}
			p, err := entries[name].pkg(w, name, sources)
			if err != nil {
				return err
			}
			if p.Main = group == ""; !p.Main {
				p.Groups = []string{group}
			}
			if len(l.Packages) >= maxPackages {
				return w.errorf(0, "more than %d packages", maxPackages)
			}
			l.Packages = append(l.Packages, p)
		}
	}
	sort.SliceStable(l.Packages, func(i, j int) bool { return l.Packages[i].Line < l.Packages[j].Line })
	return nil
}

func (e pipEntry) pkg(w where, name string, sources map[string]string) (Package, error) {
	ver := ""
	switch {
	case strings.HasPrefix(e.Version, "==="):
		ver = strings.TrimSpace(e.Version[3:])
	case strings.HasPrefix(e.Version, "=="):
		ver = strings.TrimSpace(e.Version[2:])
	case e.Version != "":
		return Package{}, w.errorf(0, "%s: %q is not one exact version", name, e.Version)
	}
	p, err := w.newPackage(0, name, ver)
	if err != nil {
		return p, err
	}
	if p.Marker, err = marker(e.Markers); err != nil {
		return p, w.errorf(0, "%s: %w", name, err)
	}
	p.Extras = normalAll(e.Extras)
	for _, s := range e.Hashes {
		h, err := parseHash(s)
		if err != nil {
			return p, w.errorf(0, "%s: %w", name, err)
		}
		p.addHashes([]Hash{h})
	}
	p.Source = e.source(sources)
	if ver == "" && p.Source.Kind == FromIndex {
		return p, w.errorf(0, "%s has no version", name)
	}
	return p, nil
}

func (e pipEntry) source(sources map[string]string) Source {
	for _, v := range []struct{ vcs, url string }{{"git", e.Git}, {"hg", e.Hg}, {"svn", e.Svn}, {"bzr", e.Bzr}} {
		if v.url != "" {
			return Source{Kind: FromVCS, VCS: v.vcs, URL: v.url, Commit: e.Ref, Subdirectory: e.Subdirectory}
		}
	}
	switch {
	case e.Path != "" && e.Editable:
		return Source{Kind: FromEditable, Path: e.Path}
	case e.Path != "" && isArchive(e.Path):
		return Source{Kind: FromPath, Path: e.Path}
	case e.Path != "":
		return Source{Kind: FromDirectory, Path: e.Path}
	case e.File != "":
		return Source{Kind: FromURL, URL: e.File}
	}
	return Source{Kind: FromIndex, URL: sources[e.Index]}
}

func isArchive(name string) bool {
	for _, ext := range []string{".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"} {
		if strings.HasSuffix(strings.ToLower(name), ext) {
			return true
		}
	}
	return false
}
