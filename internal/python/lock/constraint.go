package lock

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// constraint is poetry's language of version ranges: PEP 440 clauses, "^1.2",
// "~1.2", "1.*", "*", spaces or commas for "and", "||" for "or"
// (poetry-core, constraints/version/parser.py).
type constraint struct{ any []version.Specifiers }

func parseConstraint(s string) (constraint, error) {
	if len(s) > 1024 {
		return constraint{}, fmt.Errorf("reading a version constraint: %d bytes are too many", len(s))
	}
	var c constraint
	for _, alt := range strings.Split(strings.ReplaceAll(s, "||", "|"), "|") {
		var clauses []string
		for _, w := range words(alt) {
			clause, err := clausePEP440(w)
			if err != nil {
				return constraint{}, fmt.Errorf("reading version constraint %q: %w", s, err)
			}
			if clause != "" {
				clauses = append(clauses, clause)
			}
		}
		ss, err := version.ParseSpecifiers(strings.Join(clauses, ","))
		if err != nil {
			return constraint{}, fmt.Errorf("reading version constraint %q: %w", s, err)
		}
		c.any = append(c.any, ss)
	}
	return c, nil
}

func (c constraint) admits(v version.Version) bool {
	for _, ss := range c.any {
		if ss.Contains(v, true) {
			return true
		}
	}
	return false
}

// words divides ">=1.0, <2.0" and ">=1.0 <2.0" and ">= 1.0" into clauses.
func words(s string) []string {
	var out []string
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if n := len(out); n > 0 && strings.Trim(out[n-1], "<>=!~^") == "" {
			out[n-1] += f
			continue
		}
		out = append(out, f)
	}
	return out
}

func clausePEP440(w string) (string, error) {
	switch {
	case w == "*":
		return "", nil
	case strings.HasPrefix(w, "^"):
		return caret(w[1:])
	case strings.HasPrefix(w, "~") && !strings.HasPrefix(w, "~="):
		return tilde(w[1:])
	case strings.HasPrefix(w, "=") && !strings.HasPrefix(w, "=="):
		return "=" + w, nil
	case strings.ContainsAny(w[:1], "<>=!~"):
		return w, nil
	}
	return "==" + w, nil
}

// caret allows what does not change the left-most number that is not zero.
func caret(v string) (string, error) {
	n, err := numbers(v)
	if err != nil {
		return "", err
	}
	at := len(n) - 1
	for i, x := range n {
		if x != 0 {
			at = i
			break
		}
	}
	return between(v, n[:at+1]), nil
}

// tilde allows patch releases, or minor ones where only a major is written.
func tilde(v string) (string, error) {
	n, err := numbers(v)
	if err != nil {
		return "", err
	}
	return between(v, n[:min(len(n), 2)]), nil
}

func between(low string, upTo []int) string {
	parts := make([]string, len(upTo))
	for i, x := range upTo {
		if i == len(upTo)-1 {
			x++
		}
		parts[i] = strconv.Itoa(x)
	}
	return ">=" + low + ",<" + strings.Join(parts, ".")
}

func numbers(s string) ([]int, error) {
	v, err := version.Parse(s)
	if err != nil {
		return nil, err
	}
	base := v.String()
	if i := strings.IndexFunc(base, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }); i >= 0 {
		base = strings.TrimRight(base[:i], ".")
	}
	var out []int
	for i := range strings.Split(base, ".") {
		out = append(out, v.Release(i))
	}
	return out, nil
}
