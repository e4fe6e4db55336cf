package requirement

import (
	"errors"
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
		text, ok := literal(p.s[p.i+1 : p.i+1+end])
		if !ok {
			return operand{}, p.errf("the string is no Python string")
		}
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

// literal reads the inside of a Python string, which packaging evaluates as
// Python would: simple escapes stand for their character, unknown ones for
// themselves.
func literal(s string) (string, bool) {
	if strings.ContainsAny(s, "\r\n\x00") {
		return "", false
	}
	if !strings.Contains(s, `\`) {
		return s, true
	}
	simple := map[byte]byte{'\\': '\\', '\'': '\'', '"': '"', 'n': '\n', 'r': '\r', 't': '\t', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v'}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) || strings.IndexByte("xuUN", s[i]) >= 0 {
			return "", false // these have no use in a marker
		}
		if s[i] >= '0' && s[i] <= '7' {
			n, end := 0, i
			for ; end < len(s) && end < i+3 && s[end] >= '0' && s[end] <= '7'; end++ {
				n = n*8 + int(s[end]-'0')
			}
			b.WriteRune(rune(n))
			i = end - 1
			continue
		}
		if c, ok := simple[s[i]]; ok {
			b.WriteByte(c)
		} else {
			b.WriteString(s[i-1 : i+1])
		}
	}
	return b.String(), true
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

// Eval says whether the marker holds in env. A nil marker always holds. As in
// packaging, a comparison that makes no sense is an error wherever it stands; a
// variable that env lacks is one only where the answer depends on it.
func (m *Marker) Eval(env Env) (bool, error) {
	if m == nil {
		return true, nil
	}
	if len(m.parts) == 0 {
		return m.single(env)
	}
	var unknown error
	decided := false
	for _, p := range m.parts {
		ok, err := p.Eval(env)
		var u *unknownVariable
		switch {
		case errors.As(err, &u):
			unknown = err
		case err != nil:
			return false, err
		case ok == (m.op == "or"):
			decided = true
		}
	}
	if decided || unknown == nil {
		return decided == (m.op == "or"), nil
	}
	return false, unknown
}

// unknownVariable is the error for a variable that an environment lacks.
type unknownVariable struct{ name string }

func (u *unknownVariable) Error() string {
	return "evaluating a marker: " + u.name + " is not known for the target"
}

// single evaluates a comparison. The left side's variable, or else the right
// one's, decides how; a second variable is its own name (packaging does so).
func (m *Marker) single(env Env) (bool, error) {
	key := m.left
	if !key.variable {
		key = m.right
	}
	switch key.text {
	case "extra":
		return m.extra(env.Extras)
	case "extras", "dependency_groups":
		if m.left.variable {
			return false, fmt.Errorf("evaluating marker %q: %s is a set, which stands behind \"in\" only", m, key.text)
		}
		set := env.Extras
		if key.text == "dependency_groups" {
			set = env.Groups
		}
		switch m.op {
		case "in":
			return has(set, m.left.text), nil
		case "not in":
			return !has(set, m.left.text), nil
		}
		return false, fmt.Errorf("evaluating marker %q: %s is a set, which stands behind \"in\" only", m, key.text)
	}
	value, ok := env.Vars[key.text]
	if !ok {
		return false, &unknownVariable{key.text}
	}
	if m.left.variable {
		return m.compare(key.text, value, m.right.text)
	}
	return m.compare(key.text, m.left.text, value)
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

// compare follows packaging: where the key is a version variable and operator
// and right side read as a specifier, versions are compared (pre-releases
// admitted, what is no version fits nothing). All else is compared as strings,
// which have no order: "<" and ">" never hold.
func (m *Marker) compare(key, left, right string) (bool, error) {
	if isVersion(key) && m.op != "in" && m.op != "not in" {
		if ss, err := version.ParseSpecifiers(m.op + right); err == nil && len(ss) == 1 {
			if m.op == "===" {
				return strings.EqualFold(left, ss[0].Version), nil
			}
			v, err := version.Parse(left)
			return err == nil && ss.Contains(v, true), nil
		}
	}
	switch m.op {
	case "in":
		return strings.Contains(right, left), nil
	case "not in":
		return !strings.Contains(right, left), nil
	case "==", "<=", ">=":
		return left == right, nil
	case "!=":
		return left != right, nil
	case "<", ">":
		return false, nil
	}
	return false, fmt.Errorf("evaluating marker %q: %s compares versions only", m, m.op)
}

// isVersion names the variables that compare as versions (packaging,
// MARKERS_REQUIRING_VERSION).
func isVersion(key string) bool {
	switch key {
	case "python_version", "python_full_version", "implementation_version", "platform_release":
		return true
	}
	return false
}
