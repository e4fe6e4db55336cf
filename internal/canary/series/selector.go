package series

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary/expo"
)

// Matcher is a condition on one label, with Prometheus' four operators; a
// missing label counts as empty, and expressions are anchored.
type Matcher struct {
	Label string
	Op    string // = != =~ !~
	Value string
	expr  *regexp.Regexp
}

// Matches says whether a series meets the condition.
func (m Matcher) Matches(s expo.Series) bool {
	v, _ := s.Label(m.Label)
	switch m.Op {
	case "=":
		return v == m.Value
	case "!=":
		return v != m.Value
	case "=~":
		return m.expr.MatchString(v)
	default:
		return !m.expr.MatchString(v)
	}
}

// Selector picks series by name and labels.
type Selector struct {
	Name     string
	Matchers []Matcher
}

// Matches says whether a series has the name and meets every condition.
func (s Selector) Matches(x expo.Series) bool { return s.Name == x.Name && Every(s.Matchers, x) }

// Every says whether a series meets all conditions.
func Every(ms []Matcher, s expo.Series) bool {
	for _, m := range ms {
		if !m.Matches(s) {
			return false
		}
	}
	return true
}

// String writes the condition as Prometheus reads it.
func (m Matcher) String() string {
	if !labelForm.MatchString(m.Label) {
		return quote(m.Label) + m.Op + quote(m.Value)
	}
	return m.Label + m.Op + quote(m.Value)
}

// String writes the selector as Prometheus reads it.
func (s Selector) String() string { return s.With() }

// With writes the selector with further conditions. A name that is not of
// letters, digits and underscores stands in braces, as Prometheus 3 writes it.
func (s Selector) With(more ...Matcher) string {
	name, parts := s.Name, []string(nil)
	if name != "" && !nameForm.MatchString(name) {
		name, parts = "", []string{quote(name)}
	}
	for _, m := range slices.Concat(s.Matchers, more) {
		parts = append(parts, m.String())
	}
	if len(parts) == 0 {
		return name
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// quote writes a string with the only escapes that the parser above undoes.
func quote(v string) string { return `"` + quoted.Replace(v) + `"` }

var (
	nameForm  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	// quotedName is a metric's name in braces: {"http.server.requests",job="web"}.
	quotedName = regexp.MustCompile(`^\s*"((?:[^"\\]|\\.)+)"\s*(,|}$)`)
)

// ParseSelector reads a selector as Prometheus writes it:
// http_requests_total{job="web",handler!="/metrics"}, or since Prometheus 3, which
// has names of any characters, {"http.server.requests","k8s.pod"="web-1"}.
func ParseSelector(text string) (Selector, error) {
	name, rest, braces := strings.Cut(strings.TrimSpace(text), "{")
	s := Selector{Name: strings.TrimSpace(name)}
	if f := quotedName.FindStringSubmatch(rest); s.Name == "" && f != nil {
		s.Name, rest = unquote.Replace(f[1]), strings.TrimPrefix(rest[len(f[0])-1:], ",")
	} else if !nameForm.MatchString(s.Name) {
		return Selector{}, fmt.Errorf("parsing selector %q: %q is not a metric name (one of other characters is written {\"name\",label=\"value\"})", text, s.Name)
	}
	if !braces {
		return s, nil
	}
	if !strings.HasSuffix(rest, "}") {
		return Selector{}, fmt.Errorf("parsing selector %q: the closing brace is missing", text)
	}
	var err error
	if s.Matchers, err = matchers(strings.TrimSuffix(rest, "}")); err != nil {
		return Selector{}, fmt.Errorf("parsing selector %q: %w", text, err)
	}
	return s, nil
}

// ParseMatchers reads conditions separated by commas: status=~"5..",method!="OPTIONS".
// Quotes may be left out around values without commas.
func ParseMatchers(text string) ([]Matcher, error) {
	ms, err := matchers(text)
	if err != nil {
		return nil, fmt.Errorf("parsing labels %q: %w", text, err)
	}
	if len(ms) == 0 {
		return nil, fmt.Errorf("parsing labels %q: there is no condition, for example status=~\"5..\"", text)
	}
	return ms, nil
}

var matcherForm = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\]|\\.)+")\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^",]*)\s*(,|$)`)

var unquote = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n")

func matchers(text string) ([]Matcher, error) {
	var ms []Matcher
	for strings.TrimSpace(text) != "" {
		f := matcherForm.FindStringSubmatch(text)
		if f == nil {
			return nil, fmt.Errorf("%q is not a condition such as status=~\"5..\"", strings.TrimSpace(text))
		}
		m := Matcher{Label: f[1], Op: f[2], Value: strings.TrimSpace(f[3])}
		if m.Label[0] == '"' {
			m.Label = unquote.Replace(m.Label[1 : len(m.Label)-1])
		}
		if v := m.Value; len(v) > 1 && v[0] == '"' {
			m.Value = unquote.Replace(v[1 : len(v)-1])
		}
		if strings.HasSuffix(m.Op, "~") {
			expr, err := regexp.Compile(`^(?:` + m.Value + `)$`)
			if err != nil {
				return nil, fmt.Errorf("label %q: %w", m.Label, err)
			}
			m.expr = expr
		}
		ms = append(ms, m)
		text = text[len(f[0]):]
	}
	return ms, nil
}
