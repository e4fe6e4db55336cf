// Package requirement implements dependency specifiers (PEP 508) with their
// environment markers, and the normal form of names (PEP 503), as
// pypa/packaging reads them.
package requirement

import (
	"fmt"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// maxLength bounds a requirement string.
const maxLength = 16 << 10

// Requirement is one dependency: a name with either specifiers or a URL.
type Requirement struct {
	Name       string // as written
	Extras     []string
	Specifiers version.Specifiers
	URL        string
	Marker     *Marker // nil: always
}

// Error is a syntax error with the byte offset at which it was noticed.
type Error struct {
	Offset int
	Msg    string
}

// Error names the offset as a 1-based column.
func (e *Error) Error() string { return fmt.Sprintf("column %d: %s", e.Offset+1, e.Msg) }

// NormalizeName is the PEP 503 form of a project's name: lower case, with each
// run of "-", "_" and "." as one "-".
func NormalizeName(s string) string {
	if normal(s) {
		return s
	}
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(s) {
		if r == '-' || r == '_' || r == '.' {
			dash = true
			continue
		}
		if dash {
			b.WriteByte('-')
			dash = false
		}
		b.WriteRune(r)
	}
	if dash {
		b.WriteByte('-')
	}
	return b.String()
}

// normal says whether a name is in its normal form already, as most are.
func normal(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' && i > 0 && s[i-1] != '-') {
			return false
		}
	}
	return true
}

// Parse reads a requirement such as `foo[bar]>=1.2; python_version < "3.9"`.
func Parse(s string) (Requirement, error) {
	if len(s) > maxLength {
		return Requirement{}, &Error{0, fmt.Sprintf("%d bytes are too many for a requirement", len(s))}
	}
	p := &scanner{s: s}
	r, err := p.requirement()
	if err != nil {
		return Requirement{}, err
	}
	return r, nil
}

// String is a normal spelling that Parse reads back to the same requirement.
func (r Requirement) String() string {
	var b strings.Builder
	b.WriteString(r.Name)
	if len(r.Extras) > 0 {
		b.WriteString("[" + strings.Join(r.Extras, ",") + "]")
	}
	if r.URL != "" {
		b.WriteString(" @ " + r.URL)
		if r.Marker != nil {
			b.WriteString(" ")
		}
	}
	b.WriteString(r.Specifiers.String())
	if r.Marker != nil {
		b.WriteString("; " + r.Marker.String())
	}
	return b.String()
}

// scanner walks a requirement or marker.
type scanner struct {
	s string
	i int
}

func (p *scanner) space() {
	for p.i < len(p.s) && (p.s[p.i] == ' ' || p.s[p.i] == '\t') {
		p.i++
	}
}

func (p *scanner) errf(format string, args ...any) error {
	return &Error{p.i, fmt.Sprintf(format, args...)}
}

func (p *scanner) eat(c byte) bool {
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// identifier reads a name or an extra: it begins with a letter or digit and ends
// with one, or with an underscore (packaging's \b takes that for a letter).
func (p *scanner) identifier(what string) (string, error) {
	start := p.i
	for p.i < len(p.s) && (isAlnum(p.s[p.i]) || strings.IndexByte("-_.", p.s[p.i]) >= 0) {
		p.i++
	}
	word := p.s[start:p.i]
	if word == "" || !isAlnum(word[0]) || !isAlnum(word[len(word)-1]) && word[len(word)-1] != '_' {
		p.i = start
		return "", p.errf("expected %s", what)
	}
	return word, nil
}

func (p *scanner) requirement() (Requirement, error) {
	var r Requirement
	var err error
	p.space()
	if r.Name, err = p.identifier("a package name that begins and ends with a letter or digit"); err != nil {
		return r, err
	}
	p.space()
	if r.Extras, err = p.extras(); err != nil {
		return r, err
	}
	p.space()
	if p.eat('@') {
		if r.URL, err = p.url(); err != nil {
			return r, err
		}
	} else if r.Specifiers, err = p.specifiers(); err != nil {
		return r, err
	}
	p.space()
	if p.i == len(p.s) {
		return r, nil
	}
	if !p.eat(';') {
		return r, p.errf("expected the end, a version specifier or a marker after \";\"")
	}
	r.Marker, err = p.marker()
	return r, err
}

func (p *scanner) extras() ([]string, error) {
	if !p.eat('[') {
		return nil, nil
	}
	var out []string
	p.space()
	if p.eat(']') {
		return nil, nil
	}
	for {
		p.space()
		e, err := p.identifier("an extra's name")
		if err != nil {
			return nil, err
		}
		out = append(out, e)
		p.space()
		if p.eat(']') {
			return out, nil
		}
		if !p.eat(',') {
			return nil, p.errf("expected \",\" or \"]\" after an extra")
		}
	}
}

// url reads up to white space: PEP 508 wants a space before a marker there.
func (p *scanner) url() (string, error) {
	p.space()
	start := p.i
	for p.i < len(p.s) && p.s[p.i] != ' ' && p.s[p.i] != '\t' {
		p.i++
	}
	if p.i == start {
		return "", p.errf("expected a URL after \"@\"")
	}
	url := p.s[start:p.i]
	p.space()
	if p.i < len(p.s) && p.s[p.i] != ';' {
		return "", p.errf("expected the end or \";\" after the URL")
	}
	return url, nil
}

// explain says what is wrong with what stands where clauses end and looks like one.
func (p *scanner) explain(start int) error {
	if p.i == len(p.s) || strings.IndexByte("; \t", p.s[p.i]) >= 0 {
		return nil
	}
	begin := max(start, strings.LastIndexByte(p.s[:p.i], ',')+1)
	end := p.i
	for end < len(p.s) && strings.IndexByte(";, \t", p.s[end]) < 0 {
		end++
	}
	clause := strings.TrimSpace(p.s[begin:end])
	if clause == "" || strings.IndexByte("=<>!~", clause[0]) < 0 {
		return nil
	}
	if _, err := version.ParseSpecifiers(clause); err != nil {
		return &Error{start, err.Error()}
	}
	return nil
}

// specifiers reads the version clauses, in parentheses or not, as packaging's
// tokenizer does: clause by clause, a comma between them and at most one behind
// them; "===" takes all up to white space, ")" or ";".
func (p *scanner) specifiers() (version.Specifiers, error) {
	start := p.i
	paren := p.eat('(')
	p.space()
	if !paren && p.i == len(p.s) {
		return nil, nil
	}
	var text strings.Builder
	for {
		n := version.Prefix(p.s[p.i:])
		if n == 0 {
			break
		}
		text.WriteString(p.s[p.i : p.i+n])
		p.i += n
		if rest := p.s[p.i:]; strings.HasPrefix(rest, ".*") || len(rest) > 1 && rest[0] == '+' && isAlnum(rest[1]) {
			return nil, &Error{start, "\".*\" and local versions go with == and != only, and not together"}
		}
		p.space()
		if !p.eat(',') {
			break
		}
		text.WriteByte(',')
		p.space()
	}
	if paren {
		p.space()
		if !p.eat(')') {
			return nil, p.errf("expected \")\" after the version specifiers")
		}
	} else if err := p.explain(start); err != nil {
		return nil, err
	}
	ss, err := version.ParseSpecifiers(text.String())
	if err != nil {
		return nil, &Error{start, err.Error()}
	}
	return ss, nil
}
