package pin

import (
	"errors"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/workflow"
)

func workflowUnparsable() Rule {
	return Rule{ID: "workflow/unparsable", Severity: finding.Error, Title: "a workflow or action that cannot be read"}
}

// workflow checks one workflow or action definition.
func (c *checker) workflow(f source) {
	data, lines, ok := c.read(f.path)
	if !ok {
		return
	}
	read := workflow.ReadWorkflow
	if f.kind == kindAction {
		read = workflow.ReadAction
	}
	file, err := read(data)
	at := func(s workflow.Span) place { return placeOf(f.path, lines, s.Start, s.End) }
	if err != nil {
		var p *workflow.Problem
		where := place{path: f.path}
		if errors.As(err, &p) {
			where = at(p.Span)
		}
		c.say(workflowUnparsable(), where, complaint{message: finding.PrintableLine(err.Error()), hint: "GitHub would not run it either; repair the file"})
		return
	}
	if file.Cut {
		c.say(workflowUnparsable(), place{path: f.path}, complaint{message: "it has more steps than are read; the rest was not checked", hint: "divide the file: GitHub would not run so many steps"})
	}
	for _, u := range file.Uses {
		c.use(at(u.Span), u)
		c.tool(at(u.Span), u, at)
	}
	for _, s := range file.Scripts {
		c.commands(f.path, script{text: s.Text, at: s.At, dir: s.Dir}, at(s.Span), func(a, b int) place { return at(workflow.Span{Start: a, End: b}) })
	}
	for _, i := range file.Images {
		ref, docker := strings.CutPrefix(i.Ref, "docker://")
		where := at(i.Span)
		if i.Place == workflow.RunsImage && !docker {
			continue // a Dockerfile of the action: checked as such
		}
		if docker && !i.Unknown {
			where = where.after(len("docker://"))
		}
		c.image(where, imageUse{raw: ref, ref: ref, where: string(i.Place), unknown: i.Unknown})
	}
}

// after is a place without its first bytes, all on one line.
func (p place) after(n int) place {
	if p.line == p.endLine && p.col+n < p.endCol {
		p.col += n
	}
	return p
}
