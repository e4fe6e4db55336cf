package fresh

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/manifest"
)

// checkPDM follows pdm's project/project_file.py content_hash, and workspace.py.
func checkPDM(fsys fs.FS, dir string, data []byte, r *Result) error {
	var l struct {
		Metadata map[string]any `toml:"metadata"`
	}
	if err := document.TOML(r.Lock, data, &l); err != nil {
		return err
	}
	stored, _ := l.Metadata["content_hash"].(string)
	_, inputs := l.Metadata["lock_inputs"]
	return pdmCompare(fsys, dir, data, strings.TrimPrefix(stored, "sha256:"), inputs, r)
}

func pdmCompare(fsys fs.FS, dir string, data []byte, stored string, inputs bool, r *Result) error {
	r.Manifest = path.Join(dir, "pyproject.toml")
	p, err := manifest.Read(fsys, r.Manifest)
	if err != nil {
		return err
	}
	r.By = "pdm content_hash"
	r.Line = lineOf(data, stored)
	wanted, _ := table(p.Raw, "tool", "pdm", "resolution")["lock_inputs"].(bool)
	switch {
	case inputs:
		r.unknown("the lock holds lock_inputs, which only pdm itself compares")
		return nil
	case wanted:
		r.decide(false, r.By, "tool.pdm.resolution.lock_inputs is set and the lock has none")
		return nil
	case stored == "":
		r.decide(false, r.By, "the lock has no content_hash")
		return nil
	case !p.Has:
		r.unknown("%s has no [project] table: pdm would convert it first", r.Manifest)
		return nil
	}
	for _, generation := range []func(*manifest.Project) (any, error){pdmContent, pdmOldContent} {
		sum, err := pdmHash(fsys, dir, p, generation)
		if err != nil {
			r.unknown("%v", err)
			return nil
		}
		if sum == stored {
			r.decide(true, r.By, "")
			return nil
		}
	}
	r.decide(false, r.By, "the dependencies, groups, sources, resolution settings or Python range of pyproject.toml have changed since")
	return nil
}

var notName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9]+`) })

func pdmName(s string) string { return strings.ToLower(notName().ReplaceAllString(s, "-")) }

func pdmContent(p *manifest.Project) (any, error) {
	dev := map[string]any{}
	seen := map[string]string{}
	for _, g := range sortedKeys(table(p.Raw, "dependency-groups")) {
		n := pdmName(g)
		if other, twice := seen[n]; twice {
			return nil, fmt.Errorf("dependency groups %q and %q are one name", other, g)
		}
		seen[n] = g
		dev[n] = table(p.Raw, "dependency-groups")[g]
	}
	for _, g := range sortedKeys(table(p.Raw, "tool", "pdm", "dev-dependencies")) {
		n := pdmName(g)
		have, _ := dev[n].([]any)
		more, _ := table(p.Raw, "tool", "pdm", "dev-dependencies")[g].([]any)
		dev[n] = append(slices.Clone(have), more...)
	}
	return pdmTable(p, dev, "resolution", table(p.Raw, "tool", "pdm", "resolution")), nil
}

// pdmOldContent is what pdm hashed before it knew resolution settings and
// dependency groups.
func pdmOldContent(p *manifest.Project) (any, error) {
	return pdmTable(p, table(p.Raw, "tool", "pdm", "dev-dependencies"), "overrides", table(p.Raw, "tool", "pdm", "resolution", "overrides")), nil
}

func pdmTable(p *manifest.Project, dev map[string]any, last string, value map[string]any) any {
	or := func(v, other any) any {
		if v == nil {
			return other
		}
		return v
	}
	empty := func(m map[string]any) any {
		if m == nil {
			return map[string]any{}
		}
		return m
	}
	project := table(p.Raw, "project")
	return map[string]any{
		"sources":               or(table(p.Raw, "tool", "pdm")["source"], []any{}),
		"dependencies":          or(project["dependencies"], []any{}),
		"dev-dependencies":      empty(dev),
		"optional-dependencies": or(project["optional-dependencies"], map[string]any{}),
		"requires-python":       or(project["requires-python"], ""),
		last:                    empty(value),
	}
}

// pdmHash is the hash of a project, or of a workspace: that of its root and of
// its members by path.
func pdmHash(fsys fs.FS, dir string, p *manifest.Project, content func(*manifest.Project) (any, error)) (string, error) {
	one := func(p *manifest.Project) (string, error) {
		c, err := content(p)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.Path, err)
		}
		sum, err := hash(c, false)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p.Path, err)
		}
		return sum, nil
	}
	sum, err := one(p)
	if err != nil {
		return "", err
	}
	globs, _ := table(p.Raw, "tool", "pdm", "workspace")["members"].([]any)
	if len(globs) == 0 {
		return sum, nil
	}
	members, err := folders(fsys, dir, globs, nil)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write([]byte(sum))
	for _, m := range members {
		mp, err := manifest.Read(fsys, path.Join(dir, m, "pyproject.toml"))
		if err != nil {
			return "", err
		}
		sum, err := one(mp)
		if err != nil {
			return "", err
		}
		h.Write([]byte("\x00" + m + "\x00" + sum))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// maxMembers bounds a workspace.
const maxMembers = 2000

// folders lists the workspace members that globs name: existing folders with a
// pyproject.toml, relative to dir and sorted.
func folders(fsys fs.FS, dir string, globs, exclude []any) ([]string, error) {
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		return nil, err
	}
	match := func(globs []any) (map[string]bool, error) {
		out := map[string]bool{}
		for _, g := range globs {
			pattern, _ := g.(string)
			pattern = strings.TrimSuffix(path.Clean(pattern), "/")
			if strings.HasPrefix(pattern, "..") || strings.HasPrefix(pattern, "/") {
				return nil, fmt.Errorf("workspace member %q leads out of the project", pattern)
			}
			found, err := doublestar.Glob(sub, pattern, doublestar.WithNoFollow())
			if err != nil {
				return nil, fmt.Errorf("workspace member %q: %w", pattern, err)
			}
			for _, f := range found {
				out[f] = true
			}
			if len(out) > maxMembers {
				return nil, errors.New("the workspace has too many members")
			}
		}
		return out, nil
	}
	in, err := match(globs)
	if err != nil {
		return nil, err
	}
	not, err := match(exclude)
	if err != nil {
		return nil, err
	}
	var out []string
	for f := range in {
		if info, err := fs.Stat(sub, path.Join(f, "pyproject.toml")); err == nil && info.Mode().IsRegular() && !not[f] && f != "." {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out, nil
}
