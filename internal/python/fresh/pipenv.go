package fresh

import (
	"io/fs"
	"path"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// checkPipfile follows pipenv's utils/pipfile.py calculate_hash, and plette's
// get_hash, which older pipenvs use.
func checkPipfile(fsys fs.FS, dir string, data []byte, o Options, r *Result) error {
	var l struct {
		Meta struct {
			Hash    map[string]any `json:"hash"`
			Sources []struct {
				URL string `json:"url"`
			} `json:"sources"`
		} `json:"_meta"`
	}
	if err := document.JSON(r.Lock, data, &l); err != nil {
		return err
	}
	r.By, r.Manifest = "Pipfile hash", path.Join(dir, "Pipfile")
	stored, _ := l.Meta.Hash["sha256"].(string)
	r.Line = lineOf(data, stored)
	text, err := document.Read(fsys, r.Manifest)
	if err != nil {
		return err
	}
	var p map[string]any
	if err := document.TOML(r.Manifest, text, &p); err != nil {
		return err
	}
	if stored == "" {
		r.decide(false, r.By, "the lock has no hash")
		return nil
	}
	certain := true // which sources were hashed
	if _, ok := p["source"]; !ok {
		url := ""
		if o.DefaultIndex != nil {
			url, err = o.DefaultIndex()
		}
		if url == "" || err != nil {
			r.unknown("the Pipfile has no [[source]], and the index it means is not known")
			return nil
		}
		// The lock repeats the sources it was made with.
		certain = len(l.Meta.Sources) == 1 && l.Meta.Sources[0].URL == url
		p["source"] = []any{map[string]any{"name": "pypi", "url": url, "verify_ssl": true}}
	}
	for _, name := range []func(string) string{requirement.NormalizeName, func(s string) string { return s }} {
		sum, err := hash(pipfileContent(p, name), true)
		if err != nil {
			r.unknown("%s: %v", r.Manifest, err)
			return nil
		}
		if sum == stored {
			r.decide(true, r.By, "")
			return nil
		}
	}
	if !certain {
		r.unknown("the Pipfile has no [[source]], and pip's configuration at that time named another index than the default")
		return nil
	}
	r.decide(false, r.By, "the packages, categories, sources or required Python of the Pipfile have changed since")
	return nil
}

func pipfileContent(p map[string]any, name func(string) string) any {
	section := func(v any) any {
		t, ok := v.(map[string]any)
		if !ok {
			return v
		}
		out := map[string]any{}
		for k, x := range t {
			out[name(k)] = x
		}
		return out
	}
	or := func(k string) any {
		if v, ok := p[k]; ok {
			return v
		}
		return map[string]any{}
	}
	x := map[string]any{
		"_meta":   map[string]any{"sources": p["source"], "requires": or("requires")},
		"default": section(or("packages")),
		"develop": section(or("dev-packages")),
	}
	for k, v := range p {
		if !slices.Contains([]string{"source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop"}, k) {
			x[k] = section(v)
		}
	}
	return x
}
