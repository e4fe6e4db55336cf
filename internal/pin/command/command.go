// Package command reads shell scripts, the RUN lines of Dockerfiles and the
// run: steps of workflows, for what their commands fetch: requirements that
// pip, uv, pipx and others install, requirements files that they read, images
// that docker runs, and scripts that are downloaded into a shell.
//
// The grammar is mvdan.cc/sh's. What it cannot read is skipped up to the next
// line; nothing is executed and no variable is given a value.
package command

import (
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Span is the byte range [Start, End) of the script.
type Span struct{ Start, End int }

// Kind says what a use is.
type Kind string

// The kinds of uses.
const (
	Requirement Kind = "requirement" // a package named on the command line
	File        Kind = "file"        // a requirements file
	Constraints Kind = "constraints" // a constraints file
	Local       Kind = "local"       // a folder or file of the checkout
	Project     Kind = "project"     // a tool's own lock is installed from
	Image       Kind = "image"
	Dockerfile  Kind = "dockerfile" // that docker build reads
	Compose     Kind = "compose"    // a Compose file that docker compose reads
	Extension   Kind = "extension"  // a repository that gh installs
	Pipe        Kind = "pipe"       // a download that a shell or an interpreter runs
	Inline      Kind = "inline"     // a script that may declare its own dependencies (PEP 723)
)

// Use is one thing that a command fetches or reads.
type Use struct {
	Kind Kind
	// Tool is the program as people know it: pip, uv pip, pipx, uvx, docker, curl.
	Tool string
	// Text is the argument, or for Project the command.
	Text string
	Span Span
	// Dynamic says that variables or substitutions decide the text.
	Dynamic bool
	// RequireHashes and NoDeps are pip's options of the command, Hashed a --hash.
	RequireHashes, NoDeps, Hashed bool
	// Locked says, for Project, that the command insists on the lock as it is.
	Locked bool
	// Pin is what an extension is pinned to, "" for nothing.
	Pin string
	// Upgrade says that the newest version is asked for.
	Upgrade bool
}

// word is one argument.
type word struct {
	text    string
	span    Span
	dynamic bool
}

// maxScript bounds what is read of one script.
const maxScript = 1 << 20

var expression = regexp.MustCompile(`\$\{\{[^}]*\}\}`)

// Reader reads scripts, one after the other.
type Reader struct{ parser *syntax.Parser }

// Read lists what the commands of a script fetch, in its order. ok is false
// where a part of it could not be read.
func (r *Reader) Read(script string) (uses []Use, ok bool) {
	switch {
	case len(script) > maxScript:
		return nil, false
	case !mentions(script):
		return nil, true
	}
	written := script
	if strings.Contains(script, "${{") {
		// GitHub's expressions are no shell: variables of the same length stand for them.
		script = expression.ReplaceAllStringFunc(script, func(s string) string { return "$" + strings.Repeat("_", len(s)-1) })
	}
	if r.parser == nil {
		r.parser = syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.RecoverErrors(8))
	}
	file, err := r.parser.Parse(strings.NewReader(script), "")
	if file == nil {
		return nil, false
	}
	one := &reader{script: script}
	syntax.Walk(file, one.visit)
	for i := range one.uses { // people know the expression, not what stands for it
		if u := &one.uses[i]; u.Dynamic && u.Text == script[u.Span.Start:u.Span.End] {
			u.Text = written[u.Span.Start:u.Span.End]
		}
	}
	return one.uses, err == nil
}

// Read reads one script.
func Read(script string) (uses []Use, ok bool) { return new(Reader).Read(script) }

// unquote takes out what can stand inside a program's name without being of it.
var unquote = strings.NewReplacer("\\\n", "", `\`, "", `"`, "", "'", "")

// mentions says whether any program that is known here can be called: most
// scripts need no parsing.
func mentions(script string) bool {
	if strings.ContainsAny(script, `\"'`) {
		script = unquote.Replace(script)
	}
	for _, name := range programs() {
		if strings.Contains(script, name) {
			return true
		}
	}
	return false
}

type reader struct {
	script string
	uses   []Use
	depth  int // of scripts within scripts
}

func (r *reader) visit(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.CallExpr:
		if w := unwrap(r.words(n.Args)); len(w) > 0 {
			r.call(w)
		}
	case *syntax.Stmt:
		r.documents(n)
	case *syntax.BinaryCmd:
		if n.Op == syntax.Pipe || n.Op == syntax.PipeAll {
			r.pipe(n)
		}
	}
	return true
}

func (r *reader) words(args []*syntax.Word) []word {
	var out []word
	for _, a := range args {
		text, static := literal(a.Parts)
		span := Span{int(a.Pos().Offset()), int(a.End().Offset())}
		if span.Start < 0 || span.End > len(r.script) || span.Start > span.End {
			continue // recovered from an error: its end is unknown
		}
		if !static {
			text = r.script[span.Start:span.End]
		}
		out = append(out, word{text, span, !static})
	}
	return out
}

// literal is a word's text when nothing is expanded in it.
func literal(parts []syntax.WordPart) (string, bool) {
	var b strings.Builder
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			b.WriteString(unescape(p.Value))
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
		case *syntax.DblQuoted:
			text, ok := literal(p.Parts)
			if !ok {
				return "", false
			}
			b.WriteString(text)
		default:
			return "", false
		}
	}
	return b.String(), true
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			if i++; s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// base is a program's name without its folder.
func base(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

var fetchers = regexp.MustCompile(`^(curl|wget)$`)

var interpreters = regexp.MustCompile(`^(ba|da|z|k)?sh$|^python[0-9.]*$|^perl$|^ruby$|^node$`)

// pipe finds "curl … | sh": what the server answers is run unseen.
func (r *reader) pipe(n *syntax.BinaryCmd) {
	var fetch []word
	for left := n.X; left != nil; {
		if b, ok := left.Cmd.(*syntax.BinaryCmd); ok && (b.Op == syntax.Pipe || b.Op == syntax.PipeAll) {
			left = b.X
			continue
		}
		if c, ok := left.Cmd.(*syntax.CallExpr); ok {
			fetch = unwrap(r.words(c.Args))
		}
		break
	}
	c, ok := n.Y.Cmd.(*syntax.CallExpr)
	if ok && len(fetch) == 1 && base(fetch[0].text) == "cat" { // cat <<EOF | sh
		if to := unwrap(r.words(c.Args)); len(to) > 0 && shells.MatchString(base(to[0].text)) {
			r.bodies(n.X)
		}
	}
	if !ok || len(fetch) == 0 || !fetchers.MatchString(base(fetch[0].text)) {
		return
	}
	to := unwrap(r.words(c.Args))
	if len(to) == 0 || !interpreters.MatchString(base(to[0].text)) {
		return
	}
	u := Use{Kind: Pipe, Tool: base(fetch[0].text), Text: fetch[0].text, Span: fetch[0].span}
	for _, w := range fetch[1:] {
		if strings.Contains(w.text, "://") {
			u.Text, u.Span, u.Dynamic = w.text, w.span, w.dynamic
		}
	}
	r.uses = append(r.uses, u)
}
