package dockerfile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// maxValue bounds a variable: values that contain values grow without end.
const maxValue = 2 << 10

// env is the values of build arguments and environment variables.
type env struct{ vars map[string]string }

// predefined is what BuildKit sets before the first line (dockerfile2llb,
// platform.go); the values are those of one platform, which no reference that
// is pinned depends on.
func predefined() *env {
	return &env{map[string]string{
		"BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDOSVERSION": "", "BUILDARCH": "amd64", "BUILDVARIANT": "",
		"TARGETPLATFORM": "linux/amd64", "TARGETOS": "linux", "TARGETOSVERSION": "", "TARGETARCH": "amd64", "TARGETVARIANT": "",
		"TARGETSTAGE": "default",
	}}
}

// Get and Keys make env a shell.EnvGetter.
func (e *env) Get(name string) (string, bool) {
	v, ok := e.vars[name]
	return v, ok
}

// Keys lists the names.
func (e *env) Keys() []string { return slices.Sorted(maps.Keys(e.vars)) }

func (e *env) clone() *env { return &env{maps.Clone(e.vars)} }

func (e *env) set(name, value string) {
	if len(value) > maxValue {
		return
	}
	if e.vars == nil {
		e.vars = map[string]string{}
	}
	e.vars[name] = value
}

// expand puts the variables into word and lists those without a value. A word
// that BuildKit could not expand stays as it is.
func (e *env) expand(word string, escape byte) (string, []string) {
	if !strings.ContainsAny(word, `$'"`+string(escape)) {
		return word, nil
	}
	res, err := shell.NewLex(rune(escape)).ProcessWordWithMatches(word, e)
	if err != nil {
		return word, []string{word}
	}
	var unset []string
	for _, m := range reference.FindAllStringSubmatch(word, -1) {
		// ${NAME:-default} and ${NAME:+other} mean something without a value.
		name := m[1] + m[2]
		if _, ok := res.Unmatched[name]; ok && m[3] == "" {
			unset = append(unset, name)
		}
	}
	return res.Result, unset
}

// reference is a variable in a word, and what is done to it.
var reference = regexp.MustCompile(`\$([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-+])?`)

// args reads ARG name[=default] …. Inside a stage, a name without a default takes
// the value of the global one.
func (e *env) args(n *parser.Node, escape byte, global *env, inStage bool) {
	for _, w := range words(n) {
		name, value, has := strings.Cut(w, "=")
		if has {
			value, _ = e.expand(value, escape)
			e.set(name, value)
			continue
		}
		if v, ok := global.vars[name]; inStage && ok {
			e.set(name, v)
		}
	}
}

// envs reads ENV; the parser gives names, values and separators in turn.
func (e *env) envs(n *parser.Node, escape byte) {
	w := words(n)
	for i := 0; i+2 < len(w); i += 3 {
		value, _ := e.expand(w[i+1], escape)
		e.set(w[i], value)
	}
}
