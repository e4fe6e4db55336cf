// Package start says how the processes of an image start: what the project's
// Procfile or settings say, else what its source shows. No shell runs in an
// image; variables are filled in by a launcher that then becomes the process,
// so that signals reach it.
package start

import (
	"fmt"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Command is a command as a shell would understand it, for want of one: words
// whose variables are filled in when it starts.
type Command struct {
	Text  string // as written
	Env   []Assignment
	Words []Word
}

// Assignment is NAME=… in front of a command.
type Assignment struct {
	Name  string
	Value Word
}

// Word is a word of a command, in parts.
type Word []Part

// Part is text, or a variable with what stands in for it where it is not set.
type Part struct {
	Text     string
	Variable string
	Default  string
	// OrEmpty: the default stands in for an empty variable, too (":-").
	OrEmpty bool
	// Split: the value's blanks divide words, as a shell does outside of quotes.
	Split bool
}

// Literal is the word's text; ok is false where it holds variables.
func (w Word) Literal() (text string, ok bool) {
	for _, p := range w {
		if p.Variable != "" {
			return "", false
		}
		text += p.Text
	}
	return text, true
}

const noShell = "no shell runs in the image: variables ($PORT, ${NAME:-default}), NAME=value in front and quotes are understood; put everything else into a script of the project, or into gunicorn.conf.py"

// Parse reads a command. What only a shell can do is refused; at says where the
// command stands.
func Parse(text, at string) (Command, error) {
	c := Command{Text: strings.TrimSpace(text)}
	refuse := func(what string) (Command, error) {
		return c, failure.New(failure.Usage, noShell, "%s: %q needs a shell because of %s", at, c.Text, what)
	}
	f, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(c.Text), "")
	if err != nil {
		return c, failure.New(failure.Usage, "check its quotes; parentheses need them: 'shop:create_app()'", "%s: %q: %w", at, c.Text, err)
	}
	if len(f.Stmts) != 1 {
		return refuse("several commands")
	}
	s := f.Stmts[0]
	call, ok := s.Cmd.(*syntax.CallExpr)
	switch {
	case s.Background:
		return refuse(`"&"`)
	case s.Negated:
		return refuse(`"!"`)
	case len(s.Redirs) > 0:
		return refuse(fmt.Sprintf("%q", s.Redirs[0].Op.String()))
	case !ok:
		if b, is := s.Cmd.(*syntax.BinaryCmd); is {
			return refuse(fmt.Sprintf("%q", b.Op.String()))
		}
		return refuse("its syntax")
	}
	for _, a := range call.Assigns {
		if a.Append || a.Array != nil || a.Index != nil || a.Name == nil {
			return refuse("an assignment")
		}
		w, why := word(a.Value, false)
		if why != "" {
			return refuse(why)
		}
		c.Env = append(c.Env, Assignment{a.Name.Value, w})
	}
	for i, a := range call.Args {
		w, why := word(a, true)
		if why != "" {
			return refuse(why)
		}
		if lit, ok := w.Literal(); ok && lit == "exec" && i == 0 && len(call.Args) > 1 {
			continue // it is what happens anyway
		}
		c.Words = append(c.Words, w)
	}
	if len(c.Words) == 0 {
		return c, failure.New(failure.Usage, "", "%s: the command is empty", at)
	}
	return c, nil
}

// pattern is what a shell would expand to file names.
var pattern = regexp.MustCompile(`(^|[^\\])[*?[]`)

// word reads a word, or says what of it needs a shell.
func word(w *syntax.Word, split bool) (Word, string) {
	if w == nil {
		return Word{{}}, ""
	}
	var out Word
	for i, p := range w.Parts {
		switch p := p.(type) {
		case *syntax.Lit:
			if i == 0 && strings.HasPrefix(p.Value, "~") {
				return nil, `"~"`
			}
			if m := pattern.FindString(p.Value); m != "" && split {
				return nil, fmt.Sprintf("%q", m[len(m)-1:])
			}
			out = append(out, Part{Text: unescape(p.Value)})
		case *syntax.SglQuoted:
			out = append(out, Part{Text: p.Value})
		case *syntax.DblQuoted:
			if len(p.Parts) == 0 {
				out = append(out, Part{})
			}
			for _, q := range p.Parts {
				switch q := q.(type) {
				case *syntax.Lit:
					out = append(out, Part{Text: unquote(q.Value)})
				case *syntax.ParamExp:
					part, why := variable(q, false)
					if why != "" {
						return nil, why
					}
					out = append(out, part)
				default:
					return nil, `"$(" or "` + "`" + `"`
				}
			}
		case *syntax.ParamExp:
			part, why := variable(p, split)
			if why != "" {
				return nil, why
			}
			out = append(out, part)
		default:
			return nil, `"$(" or "` + "`" + `"`
		}
	}
	return out, ""
}

var escaped = regexp.MustCompile(`\\(?s:(.))`)

// unescape removes the backslashes of unquoted text.
func unescape(s string) string {
	return escaped.ReplaceAllString(strings.ReplaceAll(s, "\\\n", ""), "$1")
}

var escapedInQuotes = regexp.MustCompile("\\\\([$`\"\\\\])")

// unquote removes those that mean something in double quotes.
func unquote(s string) string {
	return escapedInQuotes.ReplaceAllString(strings.ReplaceAll(s, "\\\n", ""), "$1")
}

// variable reads $NAME, ${NAME} and ${NAME:-text}.
func variable(p *syntax.ParamExp, split bool) (Part, string) {
	what := fmt.Sprintf("%q", "${"+p.Param.Value+"…}")
	if p.Excl || p.Length || p.Width || p.Index != nil || p.Slice != nil || p.Repl != nil || !syntax.ValidName(p.Param.Value) {
		return Part{}, what
	}
	out := Part{Variable: p.Param.Value, Split: split}
	if p.Exp == nil {
		return out, ""
	}
	if p.Exp.Op != syntax.DefaultUnset && p.Exp.Op != syntax.DefaultUnsetOrNull {
		return Part{}, what
	}
	out.OrEmpty = p.Exp.Op == syntax.DefaultUnsetOrNull
	w, why := word(p.Exp.Word, false)
	if why != "" {
		return Part{}, why
	}
	var ok bool
	if out.Default, ok = w.Literal(); !ok {
		return Part{}, what
	}
	return out, ""
}
