// Package compose reads Compose files (compose-spec) for the images that their
// services run and the Dockerfiles that stand in them, each with its place, and
// with variables that have a default put in. It judges nothing.
package compose

import (
	"bytes"
	"errors"
	"path"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Image is a service's image.
type Image struct {
	Service string
	Raw     string // as written
	Ref     string // with defaults put in
	// Unset lists variables without a default: whoever starts it decides.
	Unset        []string
	Line, Column int
	EndColumn    int
}

// Inline is a Dockerfile inside the file.
type Inline struct {
	Text string
	Line int // of its first line
}

// File is what a Compose file consumes.
type File struct {
	Images []Image
	Inline []Inline
	// Dockerfiles are what services are built from, Files the Compose files that
	// this one includes or extends; as paths below this one's folder.
	Dockerfiles, Files []string
}

// Problem is why a file cannot be read, and where.
type Problem struct {
	Line, Column int
	Msg          string
}

// Error is the message without the place.
func (p *Problem) Error() string { return p.Msg }

// maxServices bounds what is read of one file.
const maxServices = 2000

// Read reads a Compose file. The error is a *Problem.
func Read(data []byte) (*File, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &doc); err != nil {
		p := &Problem{1, 1, "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
		var at *yaml.LoadError
		if errors.As(err, &at) && at.Mark.Line > 0 {
			p.Line, p.Column, p.Msg = at.Mark.Line, max(at.Mark.Column, 1), "not YAML: "+at.Message
		}
		return nil, p
	}
	out := &File{}
	if len(doc.Content) == 0 {
		return out, nil
	}
	includes(out, get(doc.Content[0], "include"))
	services := get(doc.Content[0], "services")
	if services == nil {
		return out, nil // an override of networks or volumes alone
	}
	if services.Kind != yaml.MappingNode {
		return nil, &Problem{services.Line, services.Column, "services is no mapping"}
	}
	seen := map[*yaml.Node]bool{}
	for i := 0; i+1 < len(services.Content) && i < 2*maxServices; i += 2 {
		service(out, services.Content[i].Value, resolve(services.Content[i+1]), seen)
	}
	return out, nil
}

func service(out *File, name string, s *yaml.Node, seen map[*yaml.Node]bool) {
	build := get(s, "build")
	if inline := get(build, "dockerfile_inline"); inline != nil && !seen[inline] {
		seen[inline] = true
		line := inline.Line
		if inline.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			line++
		}
		out.Inline = append(out.Inline, Inline{inline.Value, line})
	}
	dockerfile(out, build)
	if from := get(s, "extends"); from != nil {
		out.file(&out.Files, "", get(from, "file"))
	}
	image := get(s, "image")
	if image == nil || image.Kind != yaml.ScalarNode || image.Value == "" || seen[image] {
		return
	}
	seen[image] = true
	if build != nil {
		return // the name that the build's result gets
	}
	ref, unset := Expand(image.Value)
	width := len(image.Value)
	column := image.Column
	if image.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		column++
	}
	out.Images = append(out.Images, Image{name, image.Value, ref, unset, image.Line, column, column + width})
}

// includes reads the top-level include: a list of paths, or of objects with one
// path or several.
func includes(out *File, n *yaml.Node) {
	if n == nil || n.Kind != yaml.SequenceNode {
		return
	}
	for _, item := range n.Content[:min(len(n.Content), maxServices)] {
		item = resolve(item)
		if p := get(item, "path"); p != nil {
			item = p
		}
		out.file(&out.Files, "", item)
		if item.Kind == yaml.SequenceNode {
			for _, p := range item.Content[:min(len(item.Content), maxServices)] {
				out.file(&out.Files, "", resolve(p))
			}
		}
	}
}

// dockerfile notes the Dockerfile that a service is built from, where it is one
// of this repository.
func dockerfile(out *File, build *yaml.Node) {
	if build == nil || get(build, "dockerfile_inline") != nil {
		return
	}
	context := build
	if build.Kind == yaml.MappingNode {
		context = get(build, "context")
	}
	dir := "."
	if context != nil {
		dir, _ = Expand(context.Value)
	}
	name := get(build, "dockerfile")
	if name == nil {
		name = &yaml.Node{Kind: yaml.ScalarNode, Value: "Dockerfile"}
	}
	out.file(&out.Dockerfiles, dir, name)
}

// file keeps a path that the file itself decides.
func (f *File) file(list *[]string, dir string, n *yaml.Node) {
	if n == nil || n.Kind != yaml.ScalarNode {
		return
	}
	name, unset := Expand(n.Value)
	if whole := path.Join(dir, name); name != "" && len(unset) == 0 && !path.IsAbs(name) && !path.IsAbs(dir) && !strings.ContainsAny(dir+name, "$:\\") {
		*list = append(*list, whole)
	}
}

// get is a key's value, through aliases and merge keys.
func get(n *yaml.Node, key string) *yaml.Node { return lookup(n, key, 0) }

func lookup(n *yaml.Node, key string, depth int) *yaml.Node {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > 10 {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolve(n.Content[i+1])
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "<<" {
			continue
		}
		merged := resolve(n.Content[i+1])
		if merged.Kind != yaml.SequenceNode {
			merged = &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{merged}}
		}
		for _, m := range merged.Content {
			if v := lookup(m, key, depth+1); v != nil {
				return v
			}
		}
	}
	return nil
}

func resolve(n *yaml.Node) *yaml.Node {
	for depth := 0; n != nil && n.Kind == yaml.AliasNode && depth < 10; depth++ {
		n = n.Alias
	}
	return n
}

var variable = regexp.MustCompile(`\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+?])?([^{}]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)`)

// Expand puts the defaults of variables in: ${V:-x} and ${V-x} are x, ${V:+x} is
// nothing. A variable without a default stays, and is listed. A default may hold
// variables itself.
func Expand(s string) (text string, unset []string) {
	for range 5 {
		unset = nil
		next := variable.ReplaceAllStringFunc(s, func(m string) string {
			g := variable.FindStringSubmatch(m)
			switch {
			case m == "$$":
				return "$$"
			case strings.HasSuffix(g[2], "-"):
				return g[3]
			case strings.HasSuffix(g[2], "+"):
				return ""
			}
			unset = append(unset, g[1]+g[4])
			return m
		})
		if next == s {
			break
		}
		s = next
	}
	return strings.ReplaceAll(s, "$$", "$"), unset
}
