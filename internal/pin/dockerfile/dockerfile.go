// Package dockerfile reads Dockerfiles for what a build fetches: base images,
// images that files are copied or mounted from, the remote syntax frontend, and
// URLs and repositories that ADD downloads, each with the bytes where it is
// written and with build arguments put in.
//
// The grammar is BuildKit's own parser. Where that refuses a file, the
// instructions that can be read on their own still are. It judges nothing.
package dockerfile

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// Span is the byte range [Start, End) of a file.
type Span struct{ Start, End int }

// Place says which instruction consumes something.
type Place string

// The places of images.
const (
	From      Place = "FROM"
	CopyFrom  Place = "COPY --from"
	MountFrom Place = "RUN --mount"
	Syntax    Place = "syntax"
)

// Image is an image that a build uses, or a stage of the same file.
type Image struct {
	Raw   string // as written
	Ref   string // with build arguments put in
	Span  Span
	Place Place
	// Unset lists the build arguments in Raw that have no value in the file.
	Unset []string
	// Stage says that Ref is an earlier stage, or scratch.
	Stage bool
	// Variable says that Raw has a variable where BuildKit expands none.
	Variable bool
}

// Download is what an ADD fetches.
type Download struct {
	Raw  string
	URL  string // with variables put in
	Span Span
	// Checksum is the value of --checksum, "" without one.
	Checksum string
	Git      bool
}

// Script is the shell text of a RUN.
type Script struct {
	Text string
	// At is where in the file each byte of the text stands; nil where only the
	// whole instruction is known.
	At   []int
	Span Span
}

// File is what a Dockerfile consumes.
type File struct {
	Scripts   []Script
	Images    []Image
	Downloads []Download
	// Problems are the reasons why parts of the file could not be read.
	Problems []Problem
}

// Problem is something BuildKit refuses, and where.
type Problem struct {
	Span Span
	Msg  string
}

// Read reads a Dockerfile. It always returns what it could read.
func Read(data []byte) *File {
	r := &reader{src: data, lines: cut(data), escape: '\\'}
	r.syntax()
	res, err := parser.Parse(bytes.NewReader(data))
	if err == nil {
		r.escape = byte(res.EscapeToken)
		r.unknown(res.AST.Children)
		r.all(res.AST.Children)
		return &r.out
	}
	at := Span{}
	var loc *parser.LocationError
	if errors.As(err, &loc) && len(loc.Locations) > 0 && len(loc.Locations[0]) > 0 {
		at = r.lineSpan(loc.Locations[0][0].Start.Line)
	}
	msg := firstLine(err.Error())
	if n := slices.IndexFunc(r.lines, func(l line) bool { return len(l.text) >= bufio.MaxScanTokenSize }); n >= 0 {
		at = Span{r.lines[n].at, r.lines[n].at}
		msg = fmt.Sprintf("a line of %d bytes; BuildKit reads lines of up to %d", len(r.lines[n].text), bufio.MaxScanTokenSize-1)
	}
	r.out.Problems = append(r.out.Problems, Problem{at, msg})
	r.all(r.pieces())
	return &r.out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// maxInstructions bounds what is read of one file.
const maxInstructions = 10000

type reader struct {
	src    []byte
	lines  []line
	escape byte
	out    File
	global *env            // of ARGs before the first FROM
	stages []*env          // what is known inside each
	named  map[string]*env // what is known inside earlier stages, by name
	names  map[string]bool // of all stages of the file, lower case
	alien  bool            // SHELL is none that reads sh
}

// all reads the instructions of a file in order.
func (r *reader) all(nodes []*parser.Node) {
	r.global, r.names, r.named = predefined(), map[string]bool{}, map[string]*env{}
	if len(nodes) > maxInstructions {
		r.out.Problems = append(r.out.Problems, Problem{r.lineSpan(nodes[maxInstructions].StartLine), "too many instructions: this one and those after it are not read"})
		nodes = nodes[:maxInstructions]
	}
	for _, n := range nodes {
		if strings.EqualFold(n.Value, "from") {
			r.names[stageName(n)] = true
		}
	}
	delete(r.names, "")
	for _, n := range nodes {
		r.instruction(n, r.joined(n.StartLine, n.EndLine))
	}
}

// unknown reports the first instruction that BuildKit does not know, unless a
// syntax frontend may know more. The parser alone lets them pass.
func (r *reader) unknown(nodes []*parser.Node) {
	if len(r.out.Images) > 0 {
		return
	}
	for _, n := range nodes {
		if _, ok := command.Commands[strings.ToLower(n.Value)]; !ok {
			r.out.Problems = append(r.out.Problems, Problem{r.lineSpan(n.StartLine), "unknown instruction " + strconv.Quote(n.Value)})
			return
		}
	}
}

// stageName is the name in "FROM image AS name", in lower case: BuildKit
// compares stage names without regard to case (instructions.HasStage).
func stageName(n *parser.Node) string {
	w := words(n)
	if len(w) == 3 && strings.EqualFold(w[1], "as") {
		return strings.ToLower(w[2])
	}
	return ""
}

// words are an instruction's arguments.
func words(n *parser.Node) []string {
	var out []string
	for a := n.Next; a != nil; a = a.Next {
		out = append(out, a.Value)
	}
	return out
}

func (r *reader) instruction(n *parser.Node, text joined) {
	switch strings.ToLower(n.Value) {
	case "arg":
		r.scope().args(n, r.escape, r.global, len(r.stages) > 0)
	case "env":
		if len(r.stages) > 0 {
			r.scope().envs(n, r.escape)
		}
	case "from":
		r.from(n, text)
	case "copy":
		r.copyFrom(n, text)
	case "add":
		r.add(n, text)
	case "run":
		r.mounts(n, text)
		r.script(n, text)
	case "shell":
		w := words(n)
		r.alien = len(w) > 0 && !strings.HasSuffix(strings.TrimSuffix(w[0], ".exe"), "sh")
	case "onbuild":
		if n.Next != nil && len(n.Next.Children) > 0 {
			r.instruction(n.Next.Children[0], text)
		}
	}
}

// scope is what variables mean at the current instruction.
func (r *reader) scope() *env {
	if len(r.stages) == 0 {
		return r.global
	}
	return r.stages[len(r.stages)-1]
}

func (r *reader) from(n *parser.Node, text joined) {
	w := words(n)
	if len(w) == 0 {
		r.out.Problems = append(r.out.Problems, Problem{text.whole(), "FROM needs an image"})
		return
	}
	img := Image{Raw: w[0], Place: From, Span: text.find(w[0])}
	img.Ref, img.Unset = r.global.expand(w[0], r.escape)
	st := &env{}
	if base := r.named[strings.ToLower(img.Ref)]; base != nil {
		img.Stage = true
		st = base.clone()
	}
	img.Stage = img.Stage || img.Ref == "scratch"
	r.stages = append(r.stages, st)
	if name := stageName(n); name != "" {
		r.named[name] = st
	}
	r.out.Images = append(r.out.Images, img)
}

// flag is the value of --name=value.
func flag(n *parser.Node, name string) (value string, ok bool) {
	for _, f := range n.Flags {
		if v, found := strings.CutPrefix(f, "--"+name+"="); found {
			return v, true
		}
	}
	return "", false
}

func (r *reader) copyFrom(n *parser.Node, text joined) {
	ref, ok := flag(n, "from")
	if !ok || ref == "" {
		return
	}
	img := Image{Raw: ref, Ref: ref, Place: CopyFrom, Span: text.find("--from=" + ref).after("--from=")}
	if i, err := strconv.Atoi(ref); err == nil {
		img.Stage = true
		if i < 0 || i >= len(r.stages) {
			r.out.Problems = append(r.out.Problems, Problem{img.Span, "there is no earlier stage number " + ref})
		}
	}
	r.other(img)
}

// other adds an image that is not a FROM's. BuildKit expands no variables there.
func (r *reader) other(img Image) {
	img.Stage = img.Stage || img.Ref == "scratch" || r.names[strings.ToLower(img.Ref)]
	img.Variable = strings.Contains(img.Raw, "$")
	r.out.Images = append(r.out.Images, img)
}

func (r *reader) mounts(n *parser.Node, text joined) {
	for _, f := range n.Flags {
		spec, ok := strings.CutPrefix(f, "--mount=")
		if !ok {
			continue
		}
		fields, err := csv.NewReader(strings.NewReader(spec)).Read()
		if err != nil {
			r.out.Problems = append(r.out.Problems, Problem{text.find(f), "the mount is no list of key=value"})
			continue
		}
		for _, field := range fields {
			key, ref, _ := strings.Cut(field, "=")
			if strings.ToLower(key) == "from" && ref != "" {
				r.other(Image{Raw: ref, Ref: ref, Place: MountFrom, Span: text.find(field).after(key + "=")})
			}
		}
	}
}
