// Package devcontainer reads devcontainer.json (containers.dev) for what a
// development container consumes: its image or Dockerfile, Compose files,
// features, and the commands of its life cycle. It judges nothing.
package devcontainer

import (
	"regexp"
	"strings"
)

// Text is a string with its place.
type Text struct {
	Raw  string
	Span Span
}

// Image is an image with the defaults of variables put in.
type Image struct {
	Text
	Ref string
	// Unset lists variables without a default.
	Unset []string
}

// Script is a command of the life cycle, as a shell reads it.
type Script struct {
	Name string // "postCreateCommand"
	Text string
	At   []int // of each byte, in the file; nil where only Span is known
	Span Span
}

// File is what a devcontainer.json consumes.
type File struct {
	Images      []Image
	Features    []Text
	Dockerfiles []Text
	Composes    []Text
	Scripts     []Script
}

// Read reads a file. The error is a *Problem.
func Read(data []byte) (*File, error) {
	top, err := parse(data)
	if err != nil {
		return nil, err
	}
	if top.members == nil && len(data) > 0 && data[top.span.Start] != '{' {
		return nil, &Problem{top.span.Start, "it is no object"}
	}
	r := &reader{data: data, out: &File{}}
	for _, m := range top.members {
		r.top(m)
	}
	return r.out, nil
}

type reader struct {
	data []byte
	out  *File
}

func (r *reader) top(m member) {
	switch m.name {
	case "image":
		r.image(m.value)
	case "dockerFile":
		r.strings(m.value, func(t Text) { r.out.Dockerfiles = append(r.out.Dockerfiles, t) })
	case "build":
		for _, b := range m.value.members {
			if b.name == "dockerfile" {
				r.strings(b.value, func(t Text) { r.out.Dockerfiles = append(r.out.Dockerfiles, t) })
			}
		}
	case "dockerComposeFile":
		r.strings(m.value, func(t Text) { r.out.Composes = append(r.out.Composes, t) })
	case "features":
		for _, f := range m.value.members {
			r.out.Features = append(r.out.Features, Text{f.name, f.span})
		}
	case "initializeCommand", "onCreateCommand", "updateContentCommand", "postCreateCommand", "postStartCommand", "postAttachCommand":
		r.command(m.name, m.value, true)
	}
}

// strings gives a string, or each of a list.
func (r *reader) strings(n node, take func(Text)) {
	if s, ok := n.value.(string); ok {
		take(Text{s, n.inside()})
	}
	for _, item := range n.items {
		if s, ok := item.value.(string); ok {
			take(Text{s, item.inside()})
		}
	}
}

func (r *reader) image(n node) {
	s, ok := n.value.(string)
	if !ok || s == "" {
		return
	}
	ref, unset := expand(s)
	r.out.Images = append(r.out.Images, Image{Text{s, n.inside()}, ref, unset})
}

// variable is ${localEnv:NAME:default} and the like (containers.dev, "Variables
// in devcontainer.json").
var variable = regexp.MustCompile(`\$\{([A-Za-z]+)(?::([^:}]*))?(?::([^}]*))?\}`)

// expand puts the defaults of variables in; the others are listed.
func expand(s string) (text string, unset []string) {
	text = variable.ReplaceAllStringFunc(s, func(m string) string {
		g := variable.FindStringSubmatch(m)
		if g[3] != "" {
			return g[3]
		}
		name := g[1]
		if g[2] != "" {
			name += ":" + g[2]
		}
		unset = append(unset, name)
		return m
	})
	return text, unset
}

// command reads a command: a line for a shell, a list of words that no shell
// reads, or an object of such that run side by side.
func (r *reader) command(name string, n node, outermost bool) {
	switch {
	case n.items != nil:
		var text strings.Builder
		var at []int
		for _, item := range n.items {
			s, where, ok := item.text(r.data)
			if !ok {
				return // not a command
			}
			q, places := quote(s, where, item.span)
			if text.Len() > 0 {
				text.WriteByte(' ')
				at = append(at, item.span.Start)
			}
			text.WriteString(q)
			at = append(at, places...)
		}
		r.out.Scripts = append(r.out.Scripts, Script{name, text.String(), at, n.span})
	case n.members != nil && outermost:
		for _, m := range n.members {
			r.command(name+"."+m.name, m.value, false)
		}
	default:
		if s, at, ok := n.text(r.data); ok {
			r.out.Scripts = append(r.out.Scripts, Script{name, s, at, n.inside()})
		}
	}
}
