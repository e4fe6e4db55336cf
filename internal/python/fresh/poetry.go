package fresh

import (
	"io/fs"
	"path"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/manifest"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// checkPoetry follows poetry's packages/locker.py: is_fresh and
// _get_content_hash of 2.3, and what 1.x and 2.0 wrote.
func checkPoetry(fsys fs.FS, dir string, data []byte, r *Result) error {
	var l struct {
		Metadata map[string]any `toml:"metadata"`
	}
	if err := document.TOML(r.Lock, data, &l); err != nil {
		return err
	}
	r.Manifest = path.Join(dir, "pyproject.toml")
	p, err := manifest.Read(fsys, r.Manifest)
	if err != nil {
		return err
	}
	stored, _ := l.Metadata["content-hash"].(string)
	r.Line = lineOf(data, stored)
	if stored == "" {
		r.decide(false, "poetry content-hash", "the lock has no content-hash")
		return nil
	}
	equal := func(project, groups bool) bool {
		h, hashErr := hash(poetryContent(p.Raw, project, groups), false)
		if hashErr != nil {
			err = hashErr
		}
		return h == stored
	}
	now := equal(true, true)
	if err != nil {
		r.unknown("%s: %v", r.Manifest, err)
		return nil
	}
	if now {
		r.decide(true, "poetry 2.3 content-hash", "")
		return nil
	}
	writer := lock.PoetryVersion(data)
	before := func(limit string) bool {
		v, errV := version.Parse(writer)
		l, errL := version.Parse(limit)
		return errV == nil && errL == nil && v.Compare(l) < 0
	}
	switch {
	case before("2.3.0") && equal(true, false):
		r.decide(true, "poetry 2.0 content-hash", "")
	case (writer == "" || before("2.0.dev0")) && equal(false, false):
		r.decide(true, "poetry 1 content-hash", "")
		r.because("poetry 2 calls this lock stale, since [project] says what poetry 1 does not read")
	default:
		r.decide(false, "poetry content-hash", "the dependencies, extras, groups, sources or Python range of pyproject.toml have changed since")
	}
	return nil
}

// poetryContent is what poetry hashes.
func poetryContent(raw map[string]any, useProject, useGroups bool) map[string]any {
	project := map[string]any{}
	if useProject {
		for _, k := range []string{"requires-python", "dependencies", "optional-dependencies"} {
			if v, ok := table(raw, "project")[k]; ok {
				project[k] = v
			}
		}
	}
	groups := map[string]any{}
	if useGroups {
		groups = table(raw, "dependency-groups")
	}
	bare := len(project) == 0 && len(groups) == 0
	poetry := table(raw, "tool", "poetry")
	tool := map[string]any{}
	for _, k := range []string{"dependencies", "source", "extras", "dev-dependencies", "group"} {
		if v, ok := poetry[k]; ok {
			tool[k] = v
		} else if k != "group" && bare {
			tool[k] = nil
		}
	}
	if bare {
		return tool
	}
	content := map[string]any{"tool": map[string]any{"poetry": tool}}
	if len(project) > 0 {
		content["project"] = project
	}
	if len(groups) > 0 {
		content["dependency-groups"] = groups
	}
	return content
}
