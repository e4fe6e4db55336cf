package dockerfile

import (
	"bytes"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// joined is an instruction's lines as one, without comments and continuation
// characters, with the place in the file of each byte.
type joined struct {
	text string
	at   []int
}

// whole is the range of the instruction.
func (j joined) whole() Span {
	if len(j.at) == 0 {
		return Span{}
	}
	return Span{j.at[0], j.at[len(j.at)-1] + 1}
}

// find is where a word stands, else the whole instruction: a word that quotes or
// escapes made differs from what is written.
func (j joined) find(word string) Span {
	for from := 0; word != ""; {
		i := strings.Index(j.text[from:], word)
		if i < 0 {
			break
		}
		i += from
		end := i + len(word)
		if (i == 0 || strings.IndexByte(" \t\"',=[", j.text[i-1]) >= 0) && (end == len(j.text) || strings.IndexByte(" \t\"',]\r\n", j.text[end]) >= 0) {
			return Span{j.at[i], j.at[end-1] + 1}
		}
		from = i + 1
	}
	return j.whole()
}

// after is the range without a prefix that was found with it.
func (s Span) after(prefix string) Span {
	if s.Start+len(prefix) < s.End {
		s.Start += len(prefix)
	}
	return s
}

// line is a line of the file with its end, and where it begins.
type line struct {
	at   int
	text []byte
}

// cut divides the file at its new lines.
func cut(src []byte) []line {
	var out []line
	at := 0
	for l := range bytes.SplitAfterSeq(src, []byte("\n")) {
		out = append(out, line{at, l})
		at += len(l)
	}
	return out
}

// lineSpan is the text of a 1-based line.
func (r *reader) lineSpan(n int) Span {
	if n < 1 || n > len(r.lines) {
		return Span{}
	}
	l := r.lines[n-1]
	text := bytes.TrimRight(l.text, " \t\r\n")
	lead := len(text) - len(bytes.TrimLeft(text, " \t\ufeff"))
	return Span{l.at + lead, l.at + len(text)}
}

// joined joins the lines from first to last as BuildKit does: comments and empty
// lines between continuations are skipped.
func (r *reader) joined(first, last int) joined {
	var b strings.Builder
	var at []int
	for i := max(first, 1) - 1; i < min(last, len(r.lines)); i++ {
		body, more := r.body(i)
		if isComment(body) || b.Len() > 0 && len(bytes.TrimSpace(body)) == 0 {
			continue
		}
		lead := 0
		if i == 0 && bytes.HasPrefix(body, []byte("\ufeff")) {
			lead = 3
		}
		b.Write(body[lead:])
		for k := lead; k < len(body); k++ {
			at = append(at, r.lines[i].at+k)
		}
		if !more {
			break // what follows is a heredoc's text
		}
	}
	text := b.String()
	lead := len(text) - len(strings.TrimLeft(text, " \t"))
	return joined{text[lead:], at[lead:]}
}

// body is the i-th line without its end and continuation character.
func (r *reader) body(i int) (body []byte, more bool) {
	body = bytes.TrimRight(r.lines[i].text, "\r\n")
	if i == 0 && isComment(bytes.TrimPrefix(body, []byte("\ufeff"))) {
		return nil, true
	}
	trimmed := bytes.TrimRight(body, " \t")
	n := len(trimmed)
	if n > 0 && trimmed[n-1] == r.escape && (n == 1 || trimmed[n-2] != r.escape) {
		return trimmed[:n-1], true
	}
	return body, false
}

func isComment(line []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#")) }

// pieces parses each instruction of a file that BuildKit refuses on its own, and
// leaves out those that it refuses alone too.
func (r *reader) pieces() []*parser.Node {
	if e, _, _, ok := parser.ParseDirective("escape", r.src); ok && e == "`" {
		r.escape = '`'
	}
	directive := "# escape=" + string(r.escape) + "\n"
	var out []*parser.Node
	refused := 0
	for i := 0; i < len(r.lines) && len(out) <= maxInstructions; i++ {
		if isComment(r.lines[i].text) || len(bytes.TrimSpace(r.lines[i].text)) == 0 {
			continue
		}
		first := i
		for ; i < len(r.lines); i++ {
			body, more := r.body(i)
			skipped := i > first && (isComment(body) || len(bytes.TrimSpace(body)) == 0)
			if !more && !skipped {
				break
			}
		}
		i = r.heredocs(r.joined(first+1, i+1).text, min(i, len(r.lines)-1))
		end := r.lines[i].at + len(r.lines[i].text)
		piece := strings.TrimPrefix(string(r.src[r.lines[first].at:end]), "\ufeff")
		res, err := parser.Parse(strings.NewReader(directive + piece))
		if err != nil || len(res.AST.Children) != 1 {
			if refused++; refused > maxInstructions {
				break // no Dockerfile
			}
			continue
		}
		n := res.AST.Children[0]
		n.StartLine, n.EndLine = first+1, i+1
		out = append(out, n)
	}
	return out
}

// heredocs is the last line of the texts that an instruction ending at line i
// announces with <<NAME.
func (r *reader) heredocs(instruction string, i int) int {
	for _, w := range strings.Fields(instruction) {
		if !strings.Contains(w, "<<") {
			continue
		}
		doc, err := parser.ParseHeredoc(w)
		if err != nil || doc == nil {
			continue
		}
		for k := i + 1; k < len(r.lines); k++ {
			text := string(bytes.TrimRight(r.lines[k].text, "\r\n"))
			if doc.Chomp {
				text = strings.TrimLeft(text, "\t")
			}
			if text == doc.Name {
				i = k
				break
			}
		}
	}
	return i
}

// syntax reads the remote frontend of "# syntax=", which BuildKit fetches and
// runs before anything else.
func (r *reader) syntax() {
	ref, _, _, ok := parser.DetectSyntax(r.src)
	if !ok || ref == "" {
		return
	}
	img := Image{Raw: ref, Ref: ref, Place: Syntax}
	if i := bytes.Index(r.src, []byte(ref)); i >= 0 {
		img.Span = Span{i, i + len(ref)}
	}
	r.out.Images = append(r.out.Images, img)
}
