// Package workflow reads GitHub workflows and action definitions for what they
// consume: the actions and reusable workflows that they use and the images of
// their jobs, services and steps, each with the bytes where it is written.
//
// It knows steps in composite actions and in parallel blocks, YAML anchors, and
// images that come out of a job's matrix. It judges nothing.
package workflow

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Span is the byte range [Start, End) of a file.
type Span struct{ Start, End int }

// Place says where a reference stands, because GitHub allows different forms in
// different places.
type Place string

// The places of references.
const (
	Step      Place = "step"
	Job       Place = "job" // a reusable workflow
	Container Place = "container"
	Service   Place = "service"
	RunsImage Place = "runs.image" // of a Docker action
)

// Use is one "uses:".
type Use struct {
	Ref   string
	Span  Span
	Place Place
	// Comment is the comment behind it on its line, without "#".
	Comment string
	// Foreign is the repository that an earlier step of the job checked out to
	// the place a local action is taken from, "" if none did.
	Foreign string
	step    *yaml.Node
	reader  *reader
}

// With is an input that a step gives to its action, and where its value stands;
// ok is false where it gives none.
func (u Use) With(name string) (value string, at Span, ok bool) {
	if u.step == nil {
		return "", Span{}, false
	}
	for _, with := range u.reader.get(u.step, "with") {
		for _, p := range u.reader.pairs(with) {
			if strings.EqualFold(p.key, name) && p.value.Kind == yaml.ScalarNode {
				return p.value.Value, u.reader.span(p.value), true
			}
		}
	}
	return "", Span{}, false
}

// Image is one container image of a job, a service or a Docker action.
type Image struct {
	Ref   string
	Span  Span
	Place Place
	// Unknown says that Ref is an expression whose values the file does not tell.
	Unknown bool
}

// Script is the text of a run step.
type Script struct {
	Text string
	// At is where in the file each byte of the text stands; nil where only the
	// step's value is known.
	At   []int
	Span Span
	// Dir is the step's working-directory, "" for the repository.
	Dir string
}

// File is what a workflow or an action definition consumes.
type File struct {
	Scripts []Script
	Uses    []Use
	Images  []Image
	// Cut says that the file has more steps than are read.
	Cut bool
}

// Problem is why a file cannot be read, and where.
type Problem struct {
	Span Span
	Msg  string
}

// Error is the message without the place, which a caller turns into line and
// column.
func (p *Problem) Error() string { return p.Msg }

// maxSteps bounds what is read of one file: aliases make a small file large.
const maxSteps = 10000

// ReadWorkflow reads a file of .github/workflows. A *Problem says that it is no
// workflow.
func ReadWorkflow(data []byte) (*File, error) {
	r, root, err := open(data)
	if err != nil {
		return nil, err
	}
	jobs := r.get(root, "jobs")
	if len(jobs) == 0 {
		return nil, &Problem{Span{}, "this is no workflow: it has no jobs"}
	}
	for _, js := range jobs {
		for _, job := range r.pairs(js) {
			r.job(job.value)
		}
	}
	return &r.out, nil
}

// ReadAction reads an action.yml. A *Problem says that it is no action.
func ReadAction(data []byte) (*File, error) {
	r, root, err := open(data)
	if err != nil {
		return nil, err
	}
	runs := r.get(root, "runs")
	if len(runs) == 0 {
		return nil, &Problem{Span{}, "this is no action: it has no runs"}
	}
	for _, run := range runs {
		where := checkouts{}
		for _, steps := range r.get(run, "steps") {
			r.steps(steps, where, 0)
		}
		for _, image := range r.get(run, "image") {
			if image.Kind == yaml.ScalarNode && image.Value != "" {
				r.image(image, RunsImage, nil)
			}
		}
	}
	return &r.out, nil
}

func (r *reader) job(job *yaml.Node) {
	if !r.once(job) {
		return
	}
	for _, uses := range r.get(job, "uses") {
		r.use(uses, Job, nil, nil)
	}
	m := r.matrix(job)
	for _, c := range r.get(job, "container") {
		r.container(c, Container, m)
	}
	for _, services := range r.get(job, "services") {
		for _, s := range r.pairs(services) {
			r.container(s.value, Service, m)
		}
	}
	r.defaults = runDefaults{}
	for _, d := range r.get(job, "defaults") {
		for _, run := range r.get(d, "run") {
			r.defaults = r.runSettings(run, r.defaults)
		}
	}
	where := checkouts{}
	for _, steps := range r.get(job, "steps") {
		r.steps(steps, where, 0)
	}
}

// container is "image", or a mapping with one.
func (r *reader) container(n *yaml.Node, place Place, m *matrix) {
	if n.Kind == yaml.ScalarNode {
		r.image(n, place, m)
		return
	}
	for _, image := range r.get(n, "image") {
		r.image(image, place, m)
	}
}

func (r *reader) steps(list *yaml.Node, where checkouts, depth int) {
	if list.Kind != yaml.SequenceNode || depth > 10 {
		return
	}
	for _, s := range list.Content {
		step := resolve(s)
		if r.left--; r.left < 0 {
			r.out.Cut = true
			return
		}
		for _, uses := range r.get(step, "uses") {
			r.use(uses, Step, where, step)
			where.note(r, uses.Value, step)
		}
		for _, run := range r.get(step, "run") {
			r.script(run, r.runSettings(step, r.defaults))
		}
		for _, par := range r.get(step, "parallel") {
			r.steps(par, where, depth+1)
			for _, inner := range r.get(par, "steps") {
				r.steps(inner, where, depth+1)
			}
		}
	}
}

func (r *reader) use(n *yaml.Node, place Place, where checkouts, step *yaml.Node) {
	if n.Kind != yaml.ScalarNode || !r.once(n) {
		return
	}
	u := Use{Ref: strings.TrimSpace(n.Value), Span: r.span(n), Place: place, step: step, reader: r}
	u.Comment = r.comment(u.Span.End)
	if strings.HasPrefix(u.Ref, "./") {
		u.Foreign = where.owner(u.Ref)
	}
	r.out.Uses = append(r.out.Uses, u)
}

func (r *reader) image(n *yaml.Node, place Place, m *matrix) {
	if n.Kind != yaml.ScalarNode || !r.once(n) {
		return
	}
	for _, v := range m.expand(n) {
		ref := strings.TrimSpace(v.text)
		if ref == "" || n != v.node && !r.once(v.node) {
			continue // an empty image is no container
		}
		r.out.Images = append(r.out.Images, Image{ref, r.span(v.node), place, v.unknown})
	}
}
