package command

import (
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// wrapper is a program that only runs another command.
type wrapper struct {
	values []string // its options that take the next word
	words  int      // how many of its own come before the command
}

// wrappers are those by name: sudo -H, env A=b, timeout 30.
func wrappers(name string) (wrapper, bool) {
	switch name {
	case "command", "nohup", "setsid":
		return wrapper{}, true
	case "sudo":
		return wrapper{values: []string{"-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-r", "-t"}}, true
	case "doas":
		return wrapper{values: []string{"-u", "-C"}}, true
	case "env":
		return wrapper{values: []string{"-u", "-C"}}, true
	case "exec":
		return wrapper{values: []string{"-a"}}, true
	case "time":
		return wrapper{values: []string{"-f", "-o"}}, true
	case "nice":
		return wrapper{values: []string{"-n"}}, true
	case "ionice":
		return wrapper{values: []string{"-c", "-n"}}, true
	case "stdbuf":
		return wrapper{values: []string{"-i", "-o", "-e"}}, true
	case "timeout":
		return wrapper{values: []string{"-k", "-s"}, words: 1}, true
	case "xargs":
		return wrapper{values: []string{"-n", "-P", "-I", "-L", "-a", "-d", "-E", "-s"}}, true
	}
	return wrapper{}, false
}

// unwrap takes away what only runs another command.
func unwrap(w []word) []word {
	for len(w) > 1 {
		by, ok := wrappers(base(w[0].text))
		if !ok {
			return w
		}
		w = w[1:]
		for own := by.words; len(w) > 1; {
			switch text := w[0].text; {
			case slices.Contains(by.values, text):
				w = w[1:]
			case strings.HasPrefix(text, "-"), strings.Contains(text, "=") && !strings.Contains(text, "=="):
			case own > 0:
				own--
			default:
				own = -1
			}
			if own < 0 {
				break
			}
			w = w[1:]
		}
	}
	return w
}

// within reads the command that a tool runs in an environment of its own: what
// comes behind its options.
func (r *reader) within(w []word, values ...string) {
	for i := 0; i < len(w); i++ {
		switch {
		case slices.Contains(values, w[i].text):
			i++
		case w[i].text != "--" && strings.HasPrefix(w[i].text, "-"):
		default:
			if w[i].text == "--" {
				i++
			}
			if more := unwrap(w[i:]); len(more) > 0 {
				r.call(more)
			}
			return
		}
	}
}

// maxDepth bounds scripts within scripts.
const maxDepth = 4

var shells = regexp.MustCompile(`^(ba|da|z|k|a)?sh$`)

// shell reads the script of bash -c '…'. The first options may be written
// together: bash -euxc.
func (r *reader) shell(w []word) {
	for i := 0; i+1 < len(w); i++ {
		text := w[i].text
		switch {
		case !strings.HasPrefix(text, "-") && !strings.HasPrefix(text, "+"):
			return // a script's file
		case text == "--rcfile" || text == "--init-file":
			i++
		case strings.HasPrefix(text, "--"):
		case strings.HasSuffix(text, "c"):
			r.inner(w[i+1])
			return
		case strings.HasSuffix(text, "o") || strings.HasSuffix(text, "O"): // -euxo pipefail
			i++
		}
	}
}

// inner reads a script that is a word of another. Where it is not written as it
// reads, what it fetches stands where the word does.
func (r *reader) inner(w word) {
	text, from := w.text, -1
	if raw := r.script[w.span.Start:w.span.End]; len(raw) > 1 && strings.ContainsRune(`'"`, rune(raw[0])) && raw[len(raw)-1] == raw[0] && (raw[1:len(raw)-1] == text || w.dynamic && !strings.ContainsAny(raw[1:len(raw)-1], "\"\\")) {
		text, from = raw[1:len(raw)-1], w.span.Start+1
	} else if w.dynamic {
		return
	}
	r.nested(text, from, w.span)
}

// nested reads a script that begins at a byte of this one, or at an unknown one
// (-1) of its span.
func (r *reader) nested(text string, from int, whole Span) {
	if r.depth == maxDepth {
		return
	}
	file, _ := syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.RecoverErrors(8)).Parse(strings.NewReader(text), "")
	if file == nil {
		return
	}
	in := &reader{script: text, depth: r.depth + 1}
	syntax.Walk(file, in.visit)
	for _, u := range in.uses {
		if from >= 0 {
			u.Span.Start, u.Span.End = u.Span.Start+from, u.Span.End+from
		} else {
			u.Span = whole
		}
		r.use(u)
	}
}

// documents reads the heredocs that a shell gets as its script: bash <<EOF.
func (r *reader) documents(n *syntax.Stmt) {
	call, ok := n.Cmd.(*syntax.CallExpr)
	if !ok || len(n.Redirs) == 0 {
		return
	}
	w := unwrap(r.words(call.Args))
	if len(w) == 0 || !shells.MatchString(base(w[0].text)) || slices.ContainsFunc(w[1:], func(x word) bool { return !strings.HasPrefix(x.text, "-") }) {
		return
	}
	r.bodies(n)
}

// bodies reads the heredocs of a statement as scripts.
func (r *reader) bodies(n *syntax.Stmt) {
	for _, to := range n.Redirs {
		if to.Hdoc == nil {
			continue
		}
		if from, end := int(to.Hdoc.Pos().Offset()), int(to.Hdoc.End().Offset()); from >= 0 && from < end && end <= len(r.script) {
			r.nested(r.script[from:end], from, Span{from, end})
		}
	}
}

// fetched is a download that takes the place of a script: "$(curl …)", <(curl …).
var fetched = regexp.MustCompile(`^"?[$<]\(\s*(curl|wget)\s([^()]*)\)"?$`)

// substitute finds sh -c "$(curl …)", bash <(curl …), eval "$(curl …)": like a
// pipe into a shell.
func (r *reader) substitute(w []word) {
	for _, x := range w {
		m := fetched.FindStringSubmatchIndex(r.script[x.span.Start:x.span.End])
		if !x.dynamic || m == nil {
			continue
		}
		raw := r.script[x.span.Start:x.span.End]
		u := Use{Kind: Pipe, Tool: raw[m[2]:m[3]], Text: raw[m[2]:m[3]], Span: x.span}
		for at := m[4]; at < m[5]; {
			field := strings.Fields(raw[at:m[5]])
			if len(field) == 0 {
				break
			}
			at += strings.Index(raw[at:m[5]], field[0])
			if strings.Contains(field[0], "://") {
				u.Text, u.Dynamic = strings.Trim(field[0], `"'`), strings.Contains(field[0], "$")
				u.Span = Span{x.span.Start + at, x.span.Start + at + len(field[0])}
			}
			at += len(field[0])
		}
		r.use(u)
	}
}
