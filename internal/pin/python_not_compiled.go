package pin

import (
	"path"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

// manifest is a requirements.in: what people write, not what gets installed.
type manifest struct {
	path     string
	compiled bool
}

var manifestRules = sync.OnceValue(func() []rule[manifest] {
	return []rule[manifest]{pythonNotCompiled()}
})

func pythonNotCompiled() rule[manifest] {
	return rule[manifest]{
		Rule{ID: "python/not-compiled", Severity: finding.Error, Title: "a manifest has no compiled requirements file beside it"},
		func(m manifest) *complaint {
			if m.compiled {
				return nil
			}
			out := strings.TrimSuffix(m.path, ".in") + ".txt"
			hint := "compile it with uv pip compile --generate-hashes, and install the result"
			if shellWord(m.path) != "" {
				hint = "run: uv pip compile --generate-hashes " + m.path + " -o " + out
			}
			return &complaint{message: "its ranges are fine for a manifest, but no compiled file pins them: " + quote(path.Base(out)) + " is not there", hint: hint}
		},
	}
}

// manifest judges a file of ranges by the file that is compiled from it.
func (c *checker) manifest(name string, set *reqfile.Set) {
	c.problems(set)
	for _, it := range set.Items {
		if it.Kind != reqfile.Named || it.Constraint {
			continue
		}
		var s Subject
		judge(c, c.at(it.Pos), &s, manifestRules(), manifest{name, c.compiled(name)})
		return
	}
}

// compiled says whether a file made from the manifest is there: by its name, or
// by the comment that pip-compile and uv write at its top.
func (c *checker) compiled(name string) bool {
	stem := strings.TrimSuffix(name, ".in")
	for other := range c.paths {
		kind := kindOf(other)
		if kind != kindRequirements && kind != kindConstraints {
			continue
		}
		if other == stem+".txt" {
			return true
		}
		if path.Dir(other) != path.Dir(name) {
			continue
		}
		if data, err := c.bytes(other); err == nil && headerNames(string(data), path.Base(name)) {
			return true
		}
	}
	_, err := c.bytes(stem + ".txt")
	return err == nil
}

// headerNames looks for the manifest's name in the comments at a file's top.
func headerNames(text, name string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
		for _, w := range strings.Fields(line) {
			if path.Base(w) == name {
				return true
			}
		}
	}
	return false
}
