package pin

import (
	"io/fs"
	"regexp"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/command"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// inlineUse is a dependency that a script declares in itself (PEP 723).
type inlineUse struct {
	req    requirement.Requirement
	script string
	tool   string
	locked bool
}

var inlineRules = sync.OnceValue(func() []rule[inlineUse] { return []rule[inlineUse]{pythonScriptNotLocked()} })

func pythonScriptNotLocked() rule[inlineUse] {
	return rule[inlineUse]{
		Rule{ID: "python/script-not-locked", Severity: finding.Error, Title: "a script declares dependencies in itself and has no lock"},
		func(u inlineUse) *complaint {
			if _, ok := exact(u.req); ok || u.locked {
				return nil
			}
			what := &complaint{message: u.tool + " installs the newest " + quote(u.req.Name) + " that fits each time it runs this script", state: Unpinned, hint: "write " + quote(u.req.Name+"==VERSION")}
			if script := shellWord(u.script); script != "" && u.tool != "pipx" {
				what.hint = "run: uv lock --script " + script + ", and commit " + script + ".lock"
			}
			return what
		},
	}
}

// scriptBlock is PEP 723's own expression for the block of metadata.
var scriptBlock = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^# /// script[ \t]*\r?$\n((?:^#(?:| [^\r\n]*)\r?$\n)+?)^# ///[ \t]*\r?$`)
})

// inlineScript judges what a script that a command runs declares in itself.
func (c *checker) inlineScript(file string, s script, u command.Use) {
	if u.Dynamic {
		return
	}
	name := c.locate(file, s, u.Text)
	if name == "" {
		return
	}
	data, lines, ok := c.read(name)
	if !ok {
		return
	}
	m := scriptBlock().FindSubmatchIndex(data)
	if m == nil {
		return // it runs with what the project has
	}
	block := string(data[m[2]:m[3]])
	var meta struct {
		Dependencies []string `toml:"dependencies"`
	}
	var text strings.Builder
	for line := range strings.Lines(block) {
		text.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
	}
	if err := toml.Unmarshal([]byte(text.String()), &meta); err != nil {
		c.say(pythonUnparsable(), placeOf(name, lines, m[0], m[2]-1), complaint{message: "the script's metadata: " + finding.PrintableLine(err.Error()), hint: "no tool could run it; repair the block"})
		return
	}
	_, err := fs.Stat(c.fsys, name+".lock")
	for _, d := range meta.Dependencies {
		i := max(strings.Index(block, `"`+d+`"`), strings.Index(block, `'`+d+`'`))
		req, bad := requirement.Parse(d)
		if i < 0 || bad != nil {
			continue
		}
		at := placeOf(name, lines, m[2]+i+1, m[2]+i+1+len(d))
		use := inlineUse{req: req, script: name, tool: u.Tool, locked: err == nil && u.Tool == "uv run"}
		sub := Subject{Kind: Python, Name: req.Name, Ref: d, State: Pinned, By: "version"}
		if use.locked {
			sub.By = "lock"
		}
		judge(c, at, &sub, inlineRules(), use)
		c.add(at, sub)
		_, named := exact(req)
		c.askPython(askedRequirement{at: at, req: req, text: d, named: named || use.locked, hashed: true})
	}
}
