package dockerfile

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// script notes what a RUN runs: the shell form, the exec form as words, and
// heredocs that a shell reads.
func (r *reader) script(n *parser.Node, text joined) {
	if r.alien || n.Next == nil {
		return
	}
	if n.Attributes["json"] {
		var words []string
		for a := n.Next; a != nil; a = a.Next {
			words = append(words, "'"+strings.ReplaceAll(a.Value, "'", `'\''`)+"'")
		}
		if len(words) == 3 && strings.HasSuffix(n.Next.Value, "sh") { // ["sh", "-c", "…"]
			r.out.Scripts = append(r.out.Scripts, Script{Text: n.Next.Next.Next.Value, Span: text.whole()})
			return
		}
		r.out.Scripts = append(r.out.Scripts, Script{Text: strings.Join(words, " "), Span: text.whole()})
		return
	}
	s := Script{Text: n.Next.Value, Span: text.whole()}
	if i := strings.LastIndex(text.text, s.Text); i >= 0 && s.Text != "" {
		s.At = text.at[i : i+len(s.Text)]
	}
	if len(n.Heredocs) == 0 {
		r.out.Scripts = append(r.out.Scripts, s)
		return
	}
	alone, _ := parser.ParseHeredoc(s.Text)
	for _, h := range n.Heredocs {
		doc := Script{Text: h.Content, Span: text.whole()}
		if n.StartLine >= 1 && n.StartLine <= len(r.lines) {
			from := r.lines[n.StartLine-1].at
			if i := bytes.Index(r.src[from:], []byte(h.Content)); i >= 0 && h.Content != "" {
				for k := range len(h.Content) {
					doc.At = append(doc.At, from+i+k)
				}
			}
		}
		if alone != nil {
			if shellReads(h.Content) {
				r.out.Scripts = append(r.out.Scripts, doc)
			}
			return
		}
		s.add(doc, h.Name)
	}
	r.out.Scripts = append(r.out.Scripts, s)
}

// add puts a heredoc behind the commands that read it, as BuildKit hands them to
// the shell: it is a script only for some.
func (s *Script) add(doc Script, name string) {
	text := "\n" + doc.Text + name
	if len(s.At) > 0 && (len(doc.At) > 0 || doc.Text == "") {
		last := s.At[len(s.At)-1]
		s.At = append(slices.Clip(s.At), last)
		if s.At = append(s.At, doc.At...); doc.Text != "" {
			last = doc.At[len(doc.At)-1]
		}
		for range name {
			s.At = append(s.At, last)
		}
	} else {
		s.At = nil
	}
	s.Text += text
}

var shellLine = regexp.MustCompile(`^#!\s*(\S*/)?(env\s+(-\S+\s+)*(\S*/)?)?(ba|da|z|k|a)?sh\b`)

// shellReads says whether a shell runs a text: its first line names another
// interpreter, or none.
func shellReads(text string) bool {
	return !strings.HasPrefix(text, "#!") || shellLine.MatchString(text)
}
