package requirement

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// Env is the environment that markers are evaluated for: the target's, never
// this machine's. Keys are PEP 508's variable names without "extra"; a variable
// that a marker reads and Env lacks is an error, not an empty string.
type Env struct {
	Vars map[string]string
	// Extras is what "extra" stands for: a marker `extra == "x"` holds when x is
	// among them. Names compare in their PEP 503 form.
	Extras []string
	// Groups is "dependency_groups" (PEP 751).
	Groups []string
}

// Marker is a parsed environment marker: a comparison, or several joined by
// "and" or "or".
type Marker struct {
	op          string // "and", "or", or a comparison's operator
	parts       []*Marker
	left, right operand
}

// operand is a variable or a quoted string.
type operand struct {
	variable bool
	text     string
}

// variables are the names that markers may read; the dotted spellings of PEP 345
// map to today's.
func variable(word string) (string, bool) {
	switch word {
	case "python_version", "python_full_version", "os_name", "sys_platform", "platform_release", "platform_system",
		"platform_version", "platform_machine", "platform_python_implementation", "implementation_name",
		"implementation_version", "extra", "extras", "dependency_groups":
		return word, true
	case "os.name", "sys.platform", "platform.version", "platform.machine":
		return strings.ReplaceAll(word, ".", "_"), true
	case "platform.python_implementation", "python_implementation":
		return "platform_python_implementation", true
	}
	return "", false
}

// ParseMarker reads a marker expression on its own.
func ParseMarker(s string) (*Marker, error) {
	if len(s) > maxLength {
		return nil, &Error{0, "the marker is too long"}
	}
	return (&scanner{s: s}).marker()
}

func (p *scanner) marker() (*Marker, error) {
	m, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.i < len(p.s) {
		return nil, p.errf("expected \"and\", \"or\" or the end of the marker")
	}
	return m, nil
}

// maxDepth bounds parentheses.
const maxDepth = 64

func (p *scanner) or(depth int) (*Marker, error)  { return p.joined("or", depth, p.and) }
func (p *scanner) and(depth int) (*Marker, error) { return p.joined("and", depth, p.atom) }

func (p *scanner) joined(op string, depth int, next func(int) (*Marker, error)) (*Marker, error) {
	if depth > maxDepth {
		return nil, p.errf("parentheses nest too deeply")
	}
	first, err := next(depth)
	if err != nil {
		return nil, err
	}
	parts := []*Marker{first}
	for p.word(op) {
		m, err := next(depth)
		if err != nil {
			return nil, err
		}
		parts = append(parts, m)
	}
	if len(parts) == 1 {
		return first, nil
	}
	return &Marker{op: op, parts: parts}, nil
}

// word eats a keyword that ends at a boundary.
func (p *scanner) word(w string) bool {
	p.space()
	rest := p.s[p.i:]
	if !strings.HasPrefix(rest, w) || len(rest) > len(w) && (isAlnum(rest[len(w)]) || rest[len(w)] == '_') {
		return false
	}
	p.i += len(w)
	return true
}

func (p *scanner) atom(depth int) (*Marker, error) {
	p.space()
	if p.eat('(') {
		m, err := p.or(depth + 1)
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.eat(')') {
			return nil, p.errf("expected \")\"")
		}
		return m, nil
	}
	at := p.i
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	op, err := p.operator()
	if err != nil {
		return nil, err
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	if !left.variable && !right.variable {
		return nil, &Error{at, "a comparison needs a variable on one side"}
	}
	return &Marker{op: op, left: left, right: right}, nil
}

func (p *scanner) operand() (operand, error) {
	p.space()
	if p.i < len(p.s) && (p.s[p.i] == '"' || p.s[p.i] == '\'') {
		q := p.s[p.i]
		end := strings.IndexByte(p.s[p.i+1:], q)
		if end < 0 {
			return operand{}, p.errf("the string has no closing quote")
		}
		text := p.s[p.i+1 : p.i+1+end]
		p.i += end + 2
		return operand{text: text}, nil
	}
	start := p.i
	for p.i < len(p.s) && (isAlnum(p.s[p.i]) || p.s[p.i] == '_' || p.s[p.i] == '.') {
		p.i++
	}
	name, ok := variable(p.s[start:p.i])
	if !ok {
		p.i = start
		return operand{}, p.errf("expected a marker variable or a quoted string")
	}
	return operand{variable: true, text: name}, nil
}

func (p *scanner) operator() (string, error) {
	p.space()
	for _, op := range []string{"===", "==", "~=", "!=", "<=", ">=", "<", ">"} {
		if strings.HasPrefix(p.s[p.i:], op) {
			p.i += len(op)
			return op, nil
		}
	}
	if p.word("in") {
		return "in", nil
	}
	if p.word("not") && p.word("in") {
		return "not in", nil
	}
	return "", p.errf("expected a comparison operator")
}

// String is a normal spelling that ParseMarker reads back; "" for nil.
func (m *Marker) String() string {
	if m == nil {
		return ""
	}
	if len(m.parts) == 0 {
		return m.left.String() + " " + m.op + " " + m.right.String()
	}
	parts := make([]string, len(m.parts))
	for i, s := range m.parts {
		parts[i] = s.String()
		if s.op == "or" || s.op == m.op {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " "+m.op+" ")
}

func (o operand) String() string {
	switch {
	case o.variable:
		return o.text
	case strings.Contains(o.text, `"`):
		return "'" + o.text + "'"
	default:
		return `"` + o.text + `"`
	}
}

// Eval says whether the marker holds in env. A nil marker always holds.
func (m *Marker) Eval(env Env) (bool, error) {
	if m == nil {
		return true, nil
	}
	switch {
	case len(m.parts) > 0:
		for _, p := range m.parts {
			ok, err := p.Eval(env)
			if err != nil || ok == (m.op == "or") {
				return ok, err
			}
		}
		return m.op == "and", nil
	case m.left.variable && m.left.text == "extra", m.right.variable && m.right.text == "extra":
		return m.extra(env.Extras)
	case m.right.variable && (m.right.text == "extras" || m.right.text == "dependency_groups"):
		set := env.Extras
		if m.right.text == "dependency_groups" {
			set = env.Groups
		}
		return has(set, m.left.text) == (m.op == "in"), nil
	}
	left, err := env.value(m.left)
	if err != nil {
		return false, err
	}
	right, err := env.value(m.right)
	if err != nil {
		return false, err
	}
	return m.compare(left, right)
}

func has(set []string, name string) bool {
	return slices.ContainsFunc(set, func(s string) bool { return NormalizeName(s) == NormalizeName(name) })
}

func (m *Marker) extra(extras []string) (bool, error) {
	name := m.right.text
	if m.right.variable {
		name = m.left.text
	}
	switch m.op {
	case "==", "===":
		return has(extras, name), nil
	case "!=":
		return !has(extras, name), nil
	}
	return false, fmt.Errorf("evaluating marker %q: \"extra\" compares with == and != only", m)
}

func (e Env) value(o operand) (string, error) {
	if !o.variable {
		return o.text, nil
	}
	v, ok := e.Vars[o.text]
	if !ok {
		return "", fmt.Errorf("evaluating a marker: %s is not known for the target", o.text)
	}
	return v, nil
}

// compare follows packaging: where one side is a version variable and operator
// and right side read as a specifier, versions are compared (pre-releases
// admitted); all else is compared as strings.
func (m *Marker) compare(left, right string) (bool, error) {
	switch m.op {
	case "in":
		return strings.Contains(right, left), nil
	case "not in":
		return !strings.Contains(right, left), nil
	}
	if isVersionVar(m.left) || isVersionVar(m.right) {
		if ss, err := version.ParseSpecifiers(m.op + right); err == nil {
			v, err := version.Parse(left)
			if err != nil {
				return false, fmt.Errorf("evaluating marker %q: %w", m, err)
			}
			return ss.Contains(v, true), nil
		}
	}
	switch m.op {
	case "==":
		return left == right, nil
	case "!=":
		return left != right, nil
	case "<":
		return left < right, nil
	case "<=":
		return left <= right, nil
	case ">":
		return left > right, nil
	case ">=":
		return left >= right, nil
	}
	return false, fmt.Errorf("evaluating marker %q: %s compares versions only", m, m.op)
}

func isVersionVar(o operand) bool {
	if !o.variable {
		return false
	}
	switch o.text {
	case "python_version", "python_full_version", "implementation_version", "platform_release":
		return true
	}
	return false
}
