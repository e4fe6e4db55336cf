package pin

import (
	"errors"
	"regexp"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/compose"
	"github.com/fairlead-ci/fairlead/internal/pin/dockerfile"
)

func composeUnparsable() Rule {
	return Rule{ID: "compose/unparsable", Severity: finding.Error, Title: "a Compose file that cannot be read"}
}

// composeName knows compose.yaml, docker-compose.prod.yml and their like.
var composeName = regexp.MustCompile(`^(docker-)?compose([.-][A-Za-z0-9_.-]+)?\.ya?ml$`)

// composefile checks the images of a Compose file and the Dockerfiles in it.
func (c *checker) composefile(f source) {
	data, lines, ok := c.read(f.path)
	if !ok {
		return
	}
	file, err := compose.Read(data)
	if err != nil {
		at := place{path: f.path, line: 1, col: 1, endLine: 1, endCol: 1}
		var p *compose.Problem
		if errors.As(err, &p) {
			at.line, at.col = lines.Position(lines.Offset(p.Line, p.Column))
			at.endLine, at.endCol = at.line, at.col
		}
		c.say(composeUnparsable(), at, complaint{message: finding.PrintableLine(err.Error()), hint: "repair the file; compose would not start it either"})
		return
	}
	for _, i := range file.Images {
		c.image(place{f.path, i.Line, i.Column, i.Line, i.EndColumn}, imageUse{raw: i.Raw, ref: i.Ref, where: "service " + i.Service, unset: i.Unset})
	}
	for _, name := range file.Dockerfiles {
		c.follow(f.path, name, kindDockerfile)
	}
	for _, name := range file.Files {
		c.follow(f.path, name, kindCompose)
	}
	for _, in := range file.Inline {
		on := func(offset int) place {
			line := in.Line + strings.Count(in.Text[:min(offset, len(in.Text))], "\n")
			return place{path: f.path, line: line, col: 1, endLine: line, endCol: 1}
		}
		docker := dockerfile.Read([]byte(in.Text))
		for _, s := range docker.Scripts {
			c.commands(f.path, script{text: s.Text, image: true}, on(s.Span.Start), nil)
		}
		for _, d := range docker.Downloads {
			c.download(on(d.Span.Start), d)
		}
		for _, i := range docker.Images {
			if i.Stage {
				continue
			}
			at := on(i.Span.Start)
			if col := strings.Index(lines.Line(at.line), i.Raw); col >= 0 {
				at.col, at.endCol = col+1, col+1+len(i.Raw)
			}
			c.image(at, imageUse{raw: i.Raw, ref: i.Ref, where: string(i.Place), unset: i.Unset, variable: i.Variable})
		}
	}
}
