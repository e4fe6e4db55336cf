package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/dockerfile"
)

func dockerUnparsable() Rule {
	return Rule{ID: "docker/unparsable", Severity: finding.Error, Title: "a part of a Dockerfile that BuildKit refuses"}
}

// dockerfile checks one Dockerfile.
func (c *checker) dockerfile(f source) {
	data, lines, ok := c.read(f.path)
	if !ok {
		return
	}
	at := func(s dockerfile.Span) place { return placeOf(f.path, lines, s.Start, s.End) }
	file := dockerfile.Read(data)
	for _, p := range file.Problems {
		c.say(dockerUnparsable(), at(p.Span), complaint{
			message: finding.PrintableLine(p.Msg),
			hint:    "repair the instruction; the others were checked",
		})
	}
	for _, i := range file.Images {
		if i.Stage {
			continue
		}
		c.image(at(i.Span), imageUse{
			raw: i.Raw, ref: i.Ref, where: string(i.Place), unset: i.Unset, variable: i.Variable, frontend: i.Place == dockerfile.Syntax,
			bare: (i.Place == dockerfile.CopyFrom || i.Place == dockerfile.MountFrom) && !strings.ContainsAny(i.Ref, ":/@"),
		})
	}
	for _, s := range file.Scripts {
		c.commands(f.path, script{text: s.Text, at: s.At, image: true}, at(s.Span), func(a, b int) place { return at(dockerfile.Span{Start: a, End: b}) })
	}
	for _, d := range file.Downloads {
		c.download(at(d.Span), d)
	}
}
