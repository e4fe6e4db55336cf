package pin

import (
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/workflow"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// installer is an action that downloads a tool, by an input of it.
type installer struct {
	action, input, tool string
	numbers             int // that an exact version has at least; fewer are a range
	file                string
}

// installers are the actions that bring Python's tools, and fetch the newest
// version where they are not told one.
func installers() []installer {
	return []installer{
		{"astral-sh/setup-uv", "version", "uv", 3, "version-file"},
		{"snok/install-poetry", "version", "poetry", 1, ""},
		{"abatilo/actions-poetry", "poetry-version", "poetry", 1, ""},
		{"pdm-project/setup-pdm", "version", "pdm", 1, ""},
	}
}

// installed is a tool that an action installs.
type installed struct {
	installer
	version string
	given   bool
}

var installedRules = sync.OnceValue(func() []rule[installed] { return []rule[installed]{actionToolVersion()} })

func actionToolVersion() rule[installed] {
	return rule[installed]{
		Rule{ID: "action/tool-version", Severity: finding.Warning, Title: "an action installs whatever version of its tool is the newest on the day"},
		func(i installed) *complaint {
			what := &complaint{state: Unpinned, hint: "write " + i.input + ": and an exact version"}
			switch {
			case !i.given:
				what.message = "without " + quote(i.input) + " it installs the newest " + i.tool
			case i.exact():
				return nil
			default:
				what.message = quote(i.version) + " is no exact version of " + i.tool
			}
			return what
		},
	}
}

func (i installed) exact() bool {
	v, err := version.Parse(i.version)
	return err == nil && strings.Count(strings.SplitN(v.String(), "+", 2)[0], ".")+1 >= i.numbers
}

// tool judges the tool that a step's action installs.
func (c *checker) tool(at place, u workflow.Use, where func(workflow.Span) place) {
	name, _, _ := strings.Cut(u.Ref, "@")
	for _, known := range installers() {
		if !strings.EqualFold(name, known.action) {
			continue
		}
		if known.file != "" {
			if _, _, ok := u.With(known.file); ok || c.there("uv.toml") || c.requiredVersion() {
				return // a file of the repository says it
			}
		}
		i := installed{installer: known}
		var span workflow.Span
		if i.version, span, i.given = u.With(known.input); i.given {
			at = where(span)
		}
		s := Subject{Kind: Tool, Name: known.tool, Ref: strings.TrimSpace(known.tool + " " + i.version), State: Pinned, By: "version"}
		if strings.Contains(i.version, "${{") {
			s.State, s.By = Unknown, ""
		} else {
			judge(c, at, &s, installedRules(), i)
		}
		c.add(at, s)
	}
}

// requiredVersion says whether the project names the uv that it wants.
func (c *checker) requiredVersion() bool {
	if !c.there("pyproject.toml") {
		return false
	}
	data, err := c.bytes("pyproject.toml")
	return err == nil && strings.Contains(string(data), "required-version")
}
