package pin

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/command"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// commandUse is what a command fetches, ready to be judged.
type commandUse struct {
	command.Use
	req requirement.Requirement
	err error // of reading the requirement
	// lockless says that a tool that does without a lock finds none: uv, pdm and
	// pipenv fail instead.
	lockless bool
}

// commandRules are the rules about the commands of RUN lines and run steps.
var commandRules = sync.OnceValue(func() []rule[commandUse] {
	return []rule[commandUse]{scriptPipe(), commandUnlocked(), commandNotPinned()}
})

// script is the text of commands in a file.
type script struct {
	text string
	at   []int // of each byte, in the file; nil where only whole is known
	dir  string
	// image says that paths are those of an image that is being built.
	image bool
}

// commands judges what a script's commands fetch. where turns bytes of the file
// into a place, whole is the script's.
func (c *checker) commands(file string, s script, whole place, where func(start, end int) place) {
	s.dir = workingDirectory(file, s)
	uses, _ := c.shell.Read(s.text) // what cannot be read is the shell's to complain about
	for _, u := range uses {
		at, sure := whole, strings.Count(s.text, u.Text) == 1
		if s.at != nil && u.Span.End <= len(s.at) && u.Span.Start < u.Span.End {
			at, sure = where(s.at[u.Span.Start], s.at[u.Span.End-1]+1), true
		}
		switch u.Kind {
		case command.File, command.Constraints:
			c.link(file, s, u, at)
		case command.Dockerfile, command.Compose:
			if name := c.locate(file, s, u.Text); !u.Dynamic && !s.image && name != "" && !c.paths[name] {
				c.linked = append(c.linked, source{name, map[bool]fileKind{true: kindDockerfile, false: kindCompose}[u.Kind == command.Dockerfile]})
			}
		case command.Inline:
			c.inlineScript(file, s, u)
		case command.Image:
			c.image(at, imageUse{raw: u.Text, ref: u.Text, where: u.Tool, unknown: u.Dynamic})
		case command.Requirement:
			if _, ok := anchored(file, s, u); ok {
				c.add(at, Subject{Kind: Python, Name: u.Text, Ref: u.Text, State: Local})
				break
			}
			c.fetched(at, u, sure)
		case command.Local:
			c.add(at, Subject{Kind: Python, Name: u.Text, Ref: u.Text, State: Local})
		default:
			c.fetched(at, u, sure)
		}
	}
}

// fetched judges a package, a project or a script. It is sure where in the place
// it stands, or it is not: then nothing there is fixed.
func (c *checker) fetched(at place, u command.Use, sure bool) {
	use := commandUse{Use: u}
	s := Subject{Kind: Python, Name: u.Text, Ref: u.Text, State: Pinned, By: "version"}
	switch u.Kind {
	case command.Pipe:
		s.Kind = Script
	case command.Extension:
		s.Kind, s.By = Tool, "commit"
	case command.Project:
		s.By, use.lockless = "lock", u.Tool == "poetry" && c.whole() && !c.poetry
	default:
		if u.Tool == "uvx" || u.Tool == "pipx" || strings.HasPrefix(u.Tool, "uv tool") {
			s.Kind = Tool
		}
		if !u.Dynamic {
			if use.req, use.err = requirement.Parse(u.Text); use.err == nil {
				s.Name = use.req.Name
			} else {
				s.State, s.By = Unknown, "" // the tool refuses it, or knows more than pip does
			}
			if use.address() != "" {
				s.State, s.By = Pinned, use.pinnedBy()
				s.Name = credentials.ReplaceAllString(s.Name, "//***@")
			}
			s.Ref = credentials.ReplaceAllString(s.Ref, "//***@")
		}
		if u.Hashed {
			s.By = "hash"
		}
	}
	judge(c, at, &s, commandRules(), use)
	c.add(at, s)
	if u.Kind == command.Requirement && use.err == nil && sure {
		_, named := exact(use.req)
		c.askPython(askedRequirement{at: at, req: use.req, text: u.Text, named: named, hashed: true})
	}
}

// link notes that a command reads a requirements file, which is then checked
// whatever its name, and which command it is.
func (c *checker) link(file string, s script, u command.Use, at place) {
	if in, ok := anchored(file, s, u); ok && c.there(in) {
		s.dir, u.Text, u.Dynamic = "", in, false
	}
	if u.Dynamic || strings.Contains(u.Text, "://") {
		c.fetched(at, command.Use{Kind: command.Requirement, Tool: u.Tool, Text: u.Text, Dynamic: true}, false)
		return
	}
	name := c.locate(file, s, u.Text)
	if name == "" {
		return // made by an earlier command, or it comes from another place
	}
	said := fmt.Sprintf("read by: %s:%d  %s", file, at.line, finding.PrintableLine(u.Tool+" … "+u.Text))
	c.readers[name] = append(c.readers[name], said)
	if !u.NoDeps {
		c.resolved = append(c.resolved, name)
	}
	if kind := kindOf(name); kind != kindRequirements && kind != kindConstraints && kind != kindManifest && kind != kindLock {
		c.linked = append(c.linked, source{name, map[bool]fileKind{true: kindConstraints, false: kindRequirements}[u.Kind == command.Constraints]})
	}
}

// locate is the file of the tree that a command means: below the step's folder;
// for an image, whose COPY put it anywhere, the file of that name near the
// Dockerfile.
func (c *checker) locate(file string, s script, arg string) string {
	arg = strings.TrimPrefix(arg, "./")
	var tries []string
	if s.image {
		// The longest end of the path that is a file of the context.
		for rest := strings.TrimPrefix(arg, "/"); ; {
			tries = append(tries, path.Join(path.Dir(file), rest), rest)
			_, after, ok := strings.Cut(rest, "/")
			if !ok || len(tries) > 40 {
				break
			}
			rest = after
		}
	} else if !strings.HasPrefix(arg, "/") && !strings.Contains(s.dir, "${{") {
		tries = []string{path.Join(s.dir, arg)}
	}
	for _, t := range tries {
		if !fs.ValidPath(t) {
			continue
		}
		if c.there(t) {
			return t
		}
	}
	return ""
}

// there says whether a regular file of that name is in the tree. Many commands
// ask for the same few.
func (c *checker) there(name string) bool {
	if known, ok := c.files.Load(name); ok {
		return known.(bool)
	}
	info, err := fs.Stat(c.fsys, name)
	regular := err == nil && info.Mode().IsRegular()
	c.files.Store(name, regular)
	return regular
}
