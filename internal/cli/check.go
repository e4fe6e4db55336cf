package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/gha"
)

// checkCmd is the definition of check: what a pull request is asked. Its inputs
// are those of the tools that it asks; their settings tables count here, too.
type checkCmd struct {
	Path string `arg:"" optional:"" help:"Folder of the project; the current one if not given."`

	FailOn string   `enum:"error,warning,never" default:"error" help:"Least severity of a finding that fails the check."`
	Ignore []string `help:"Glob of paths that pin-check skips. Repeatable." placeholder:"GLOB"`

	Base          string   `help:"Base image, as for build-image; without one nothing is planned." placeholder:"REF"`
	Lock          string   `help:"Lock file, relative to the path." default:"requirements.txt" placeholder:"FILE"`
	Member        string   `help:"Project inside the path to plan, as for build-image." placeholder:"NAME"`
	Extra         []string `help:"Extras of the project." placeholder:"NAMES"`
	Group         []string `help:"Dependency groups of the lock." placeholder:"NAMES"`
	Platforms     []string `help:"Platforms, such as linux/amd64,linux/arm64; linux/amd64 if not given." placeholder:"LIST"`
	FindLinks     []string `help:"Folder with wheels. Repeatable." sep:"none" placeholder:"FOLDER"`
	IndexURL      string   `name:"index-url" help:"Package index; pip's or uv's configured one if not given." placeholder:"URL"`
	ExtraIndexURL []string `name:"extra-index-url" help:"Further package index. Repeatable." sep:"none" placeholder:"URL"`
	Image         string   `help:"Repository that the image would go to, for the sign-in." placeholder:"REPO"`
	registryFlags
	reportFlags
	sarifFlags
	Insecure []string `help:"Registry hosts to reach without TLS (loopback needs no naming)." placeholder:"HOST"`
}

var _ command = (*checkCmd)(nil)

// part is one question of the check, and its answer.
type part struct {
	Name    string          `json:"name"`
	Verdict finding.Verdict `json:"verdict"`
	Skipped bool            `json:"skipped,omitempty"`
	Detail  string          `json:"detail"`
	Hint    string          `json:"hint,omitempty"`
	// Document is the tool's own document.
	Document any `json:"document,omitempty"`

	text func(io.Writer) error
}

type checkDocument struct {
	Schema  int             `json:"schema"`
	Tool    string          `json:"tool"`
	Verdict finding.Verdict `json:"verdict"`
	Parts   []part          `json:"parts"`
}

func (c *checkCmd) run(ctx context.Context, s *session) (*outcome, error) {
	if c.Path == "" {
		c.Path = "."
	}
	if !isDir(c.Path) {
		return nil, failure.New(failure.Usage, "", "path %q is not a folder", c.Path)
	}
	pins, err := (&pinCheckCmd{Path: []string{c.Path}, FailOn: c.FailOn, Ignore: c.Ignore}).run(ctx, s)
	if err != nil {
		return nil, err
	}
	o := &outcome{report: &c.reportFlags, folder: c.Path, annotations: pins.annotations, sarif: pins.sarif, outputs: pins.outputs[1:3]}
	doc := checkDocument{Schema: 1, Tool: "check", Verdict: finding.Pass, Parts: []part{
		{Name: "pin-check", Verdict: pins.verdict, Detail: pins.headline, Document: pins.document, text: pins.text},
	}}
	plan, err := c.plan(ctx, s)
	if err != nil {
		return nil, err
	}
	if plan.Verdict != finding.Pass {
		level := gha.LevelError
		if plan.Verdict == finding.Inconclusive {
			level = gha.LevelWarning
		}
		o.annotations = append(o.annotations, gha.Annotation{Level: level, Title: "fairlead check: can it be built?", Message: finding.Printable(strings.TrimSpace(plan.Detail + "\n" + plan.Hint))})
	}
	doc.Parts = append(doc.Parts, plan)
	for _, p := range doc.Parts {
		if p.Verdict == finding.Fail || doc.Verdict == finding.Pass {
			doc.Verdict = p.Verdict
		}
	}
	o.verdict, o.document = doc.Verdict, doc
	var headlines []string
	for _, p := range doc.Parts {
		first, _, _ := strings.Cut(p.Detail, "\n")
		headlines = append(headlines, p.Name+" "+p.word()+": "+first)
	}
	o.headline = finding.Printable(strings.Join(headlines, "; "))
	o.outputs = append([]pair{{"verdict", string(doc.Verdict)}}, o.outputs...)
	o.text = doc.write
	o.summary = doc.summary() + "\n\n" + pins.summary
	return o, c.write(o)
}

// plan asks whether an image can be built, without downloading a wheel.
func (c *checkCmd) plan(ctx context.Context, s *session) (part, error) {
	p := part{Name: "build-image", Verdict: finding.Pass}
	if c.Base == "" {
		p.Skipped, p.Detail = true, "no base image is named, so nothing is planned"
		p.Hint = "base = \"…\" in [tool.fairlead.build-image]"
		return p, nil
	}
	b := &buildImageCmd{Context: c.Path, Base: c.Base, Image: c.Image, Lock: c.Lock, Member: c.Member, Extra: c.Extra, Group: c.Group, Platforms: c.Platforms, FindLinks: c.FindLinks, IndexURL: c.IndexURL, ExtraIndexURL: c.ExtraIndexURL,
		registryFlags: c.registryFlags, Insecure: c.Insecure, Project: "auto", Port: 8000, Plan: true, TestNetwork: "none"}
	out, err := b.run(ctx, s)
	switch {
	case err == nil:
		p.Document, p.text, p.Detail = out.document, out.text, out.headline
	case ctx.Err() != nil:
		return p, err
	default:
		p.Verdict, p.Detail, p.Hint = finding.Fail, err.Error(), failure.HintOf(err)
		if failure.CodeOf(err) == failure.Service || errors.Is(err, context.DeadlineExceeded) {
			p.Verdict = finding.Inconclusive
		}
	}
	return p, nil
}

func (d checkDocument) write(w io.Writer) error {
	for _, p := range d.Parts {
		if p.text != nil && p.Verdict != finding.Pass {
			if err := p.text(w); err != nil {
				return err
			}
			fmt.Fprintln(w)
		}
	}
	fmt.Fprintf(w, "check  %s\n", strings.ToUpper(string(d.Verdict)))
	for _, p := range d.Parts {
		detail := p.Detail
		if p.Hint != "" {
			detail += "\n" + p.Hint
		}
		fmt.Fprintf(w, "  %-12s %-12s %s\n", p.Name, p.word(), strings.ReplaceAll(finding.Printable(detail), "\n", "\n                            "))
	}
	return nil
}

func (p part) word() string {
	if p.Skipped {
		return "skipped"
	}
	return string(p.Verdict)
}

func (d checkDocument) summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**check: %s**\n\n| | | |\n|---|---|---|\n", d.Verdict)
	for _, p := range d.Parts {
		first, _, _ := strings.Cut(p.Detail, "\n")
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Name, p.word(), cell(finding.Printable(first)))
	}
	return b.String()
}
