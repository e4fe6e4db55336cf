package source

import "strings"

// Module is what a module says at its top level, and the calls that its
// functions return.
type Module struct {
	// Imports maps a name of the module to what it stands for: "Flask" to
	// "flask.Flask", "np" to "numpy". Relative imports keep their dots:
	// ".app.create_app".
	Imports map[string]string
	// Values are assignments NAME = … at the top level, in order, inside if, try
	// and with, too.
	Values []Value
	// Functions are the top-level functions.
	Functions []Function
}

// Value is an assignment.
type Value struct {
	Name string
	// String is set for a plain string.
	String string
	// Call is the dotted name that is called, "" where the value is no call.
	Call string
	Line int
}

// Function is a function and the values that are assigned and returned in it;
// a return's value has the name "return".
type Function struct {
	Name string
	// Needs says that it cannot be called without arguments.
	Needs  bool
	Values []Value
	Line   int
}

// Read reads a module.
func Read(src []byte) Module {
	m := Module{Imports: map[string]string{}}
	type block struct {
		indent int
		def    bool // def or class: what is inside is not the module's own
		fn     int  // index of the top-level function, -1
	}
	var stack []block
	for _, l := range Lines(src) {
		for len(stack) > 0 && stack[len(stack)-1].indent >= l.Indent {
			stack = stack[:len(stack)-1]
		}
		inside, fn := false, -1
		for _, b := range stack {
			if b.def && !inside {
				inside, fn = true, b.fn
			} else if b.def {
				fn = -1 // a function in a function
			}
		}
		toks := l.Tokens
		if len(toks) > 1 && toks[0].Is("async") {
			toks = toks[1:]
		}
		switch {
		case toks[0].Is("def") && len(toks) > 1:
			b := block{indent: l.Indent, def: true, fn: -1}
			if !inside {
				m.Functions = append(m.Functions, Function{Name: toks[1].Text, Needs: needsArguments(toks), Line: toks[1].Line})
				b.fn = len(m.Functions) - 1
			}
			stack = append(stack, b)
		case toks[0].Is("class"):
			stack = append(stack, block{indent: l.Indent, def: true, fn: -1})
		case toks[0].Is("import"):
			m.imports(toks[1:])
		case toks[0].Is("from"):
			m.from(toks[1:])
		case fn >= 0 && toks[0].Is("return") && len(toks) > 1:
			m.Functions[fn].Values = append(m.Functions[fn].Values, value("return", toks[1:], toks[0].Line))
		default:
			v, ok := assignment(toks)
			switch {
			case !ok:
			case !inside:
				m.Values = append(m.Values, v)
			case fn >= 0:
				m.Functions[fn].Values = append(m.Functions[fn].Values, v)
			}
		}
	}
	return m
}

// assignment reads "NAME = …" and "NAME: TYPE = …".
func assignment(toks []Token) (Value, bool) {
	if len(toks) < 3 || toks[0].Kind != Name {
		return Value{}, false
	}
	i := 1
	if toks[1].Is(":") {
		for depth := 0; i < len(toks) && (depth > 0 || !toks[i].Is("=")); i++ {
			if toks[i].Kind == Op && strings.Contains("([{", toks[i].Text) {
				depth++
			} else if toks[i].Kind == Op && strings.Contains(")]}", toks[i].Text) {
				depth--
			}
		}
	}
	if i+1 >= len(toks) || !toks[i].Is("=") {
		return Value{}, false
	}
	return value(toks[0].Text, toks[i+1:], toks[0].Line), true
}

func value(name string, toks []Token, line int) Value {
	v := Value{Name: name, Line: line}
	if s, ok := toks[0].Literal(); ok && len(toks) == 1 {
		v.String = s
		return v
	}
	dotted, n := dottedName(toks)
	if n > 0 && n < len(toks) && toks[n].Is("(") && closes(toks[n:]) {
		v.Call = dotted
	}
	return v
}

// closes says whether the first bracket is closed by the last token: "f(x)" is
// a call, "f(x).y" something else.
func closes(toks []Token) bool {
	depth := 0
	for i, t := range toks {
		if t.Kind != Op {
			continue
		}
		if strings.Contains("([{", t.Text) {
			depth++
		} else if strings.Contains(")]}", t.Text) {
			if depth--; depth == 0 {
				return i == len(toks)-1
			}
		}
	}
	return false
}

// dottedName reads "a.b.c" and says how many tokens it has; dots may precede.
func dottedName(toks []Token) (string, int) {
	var b strings.Builder
	i := 0
	for i < len(toks) && (toks[i].Is(".")) {
		b.WriteString(".")
		i++
	}
	for i < len(toks) && toks[i].Kind == Name && !toks[i].Is("import") {
		b.WriteString(toks[i].Text)
		i++
		if i+1 >= len(toks) || !toks[i].Is(".") || toks[i+1].Kind != Name {
			break
		}
		b.WriteString(".")
		i++
	}
	return b.String(), i
}

// imports reads "import a.b as c, d".
func (m *Module) imports(toks []Token) {
	for len(toks) > 0 {
		name, n := dottedName(toks)
		if n == 0 {
			return
		}
		toks = toks[n:]
		if len(toks) > 1 && toks[0].Is("as") {
			m.Imports[toks[1].Text] = name
			toks = toks[2:]
		} else {
			first, _, _ := strings.Cut(name, ".")
			m.Imports[first] = first
		}
		if len(toks) == 0 || !toks[0].Is(",") {
			return
		}
		toks = toks[1:]
	}
}

// from reads "from .a import (b as c, d)".
func (m *Module) from(toks []Token) {
	name, n := dottedName(toks)
	if n == 0 || n >= len(toks) || !toks[n].Is("import") {
		return
	}
	if !strings.HasSuffix(name, ".") {
		name += "."
	}
	toks = toks[n+1:]
	for i := 0; i < len(toks); i++ {
		if toks[i].Kind != Name {
			continue
		}
		as := toks[i].Text
		what := as
		if i+2 < len(toks) && toks[i+1].Is("as") {
			as = toks[i+2].Text
			i += 2
		}
		m.Imports[as] = name + what
	}
}

// Resolve spells a dotted name of the module by what was imported: "f.Flask"
// after "import flask as f" is "flask.Flask". Names of its own stay as they are.
func (m Module) Resolve(name string) string {
	first, rest, more := strings.Cut(name, ".")
	full, ok := m.Imports[first]
	switch {
	case !ok:
		return name
	case more:
		return full + "." + rest
	}
	return full
}

// needsArguments says whether a def has a parameter without a default.
func needsArguments(toks []Token) bool {
	depth, named, given, star := 0, false, false, false
	for _, t := range toks {
		switch {
		case t.Kind == Op && strings.Contains("([{", t.Text):
			depth++
			continue
		case t.Kind == Op && strings.Contains(")]}", t.Text):
			if depth--; depth == 0 {
				return named && !given && !star
			}
			continue
		case depth != 1:
			continue
		}
		switch {
		case t.Is(","):
			if named && !given && !star {
				return true
			}
			named, given, star = false, false, false
		case t.Is("="):
			given = true
		case t.Is("*") || t.Is("**") || t.Is("/"):
			star = true
		case t.Kind == Name:
			named = true
		}
	}
	return false
}
