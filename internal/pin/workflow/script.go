package workflow

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"
)

// runDefaults are what a run step is run by, and where.
type runDefaults struct{ shell, dir string }

// runSettings reads shell and working-directory of a step or of defaults.
func (r *reader) runSettings(n *yaml.Node, d runDefaults) runDefaults {
	for _, s := range r.get(n, "shell") {
		d.shell = s.Value
	}
	for _, s := range r.get(n, "working-directory") {
		d.dir = s.Value
	}
	return d
}

// script notes a run step that a POSIX shell reads.
func (r *reader) script(n *yaml.Node, d runDefaults) {
	if n.Kind != yaml.ScalarNode || !r.once(n) {
		return
	}
	if name, _, _ := strings.Cut(d.shell, " "); name != "" && name != "bash" && name != "sh" && !strings.HasSuffix(name, "/bash") && !strings.HasSuffix(name, "/sh") {
		return // pwsh, cmd, python
	}
	r.out.Scripts = append(r.out.Scripts, Script{Text: n.Value, At: r.bytesOf(n), Span: r.span(n), Dir: d.dir})
}

// bytesOf is where each byte of a scalar stands: line by line, since a block
// loses its indentation and nothing else. Escapes and folding end it.
func (r *reader) bytesOf(n *yaml.Node) []int {
	at := r.offset(n.Line, n.Column)
	if n.Style&yaml.FoldedStyle != 0 {
		return nil
	}
	if n.Style&yaml.LiteralStyle != 0 {
		i := bytes.IndexByte(r.src[min(at, len(r.src)):], '\n')
		if i < 0 {
			return nil
		}
		at += i + 1
	}
	out := make([]int, 0, len(n.Value))
	for line := range strings.SplitAfterSeq(n.Value, "\n") {
		text := strings.TrimSuffix(line, "\n")
		end := bytes.IndexByte(r.src[min(at, len(r.src)):], '\n')
		if end < 0 {
			end = len(r.src) - min(at, len(r.src))
		}
		i := bytes.Index(r.src[min(at, len(r.src)):min(at, len(r.src))+end], []byte(text))
		if i < 0 {
			return nil
		}
		for k := range len(line) {
			out = append(out, at+i+k)
		}
		at += end + 1
	}
	return out
}
