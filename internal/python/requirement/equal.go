package requirement

import (
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// maxWork bounds the comparisons that one Equivalent makes.
const maxWork = 1_000_000

// Equivalent says whether two markers agree in every environment whose Python
// satisfies requires (nil: any). It tries all combinations of the values that
// either marker mentions, of neighbouring Python versions and of a value that
// neither mentions; ok is false where those are too many or a marker compares
// what cannot be tried.
func Equivalent(a, b *Marker, requires version.Specifiers) (equal, ok bool) {
	budget := maxWork
	return EquivalentWithin(a, b, requires, &budget)
}

// EquivalentWithin is Equivalent with a budget of comparisons that several calls
// share, so that a hostile project with many of them ends soon; ok is false when
// it is used up.
func EquivalentWithin(a, b *Marker, requires version.Specifiers, budget *int) (equal, ok bool) {
	if a.String() == b.String() {
		return true, true
	}
	values := map[string][]string{}
	extras := []string{}
	a.mentioned(values, &extras)
	b.mentioned(values, &extras)
	pythons := pythonsNear(values, requires)
	delete(values, "python_version")
	delete(values, "python_full_version")
	delete(values, "implementation_version")
	keys := make([]string, 0, len(values))
	for k := range values {
		values[k] = append(values[k], "·")
		keys = append(keys, k)
	}
	sort.Strings(keys)
	sort.Strings(extras)
	extras = slices.Compact(extras)
	n := len(pythons)
	for _, k := range keys {
		if n *= len(values[k]); n > maxWork {
			return false, false
		}
	}
	if len(extras) > 12 {
		return false, false
	}
	n = (n << len(extras)) * (a.size() + b.size())
	if *budget -= min(n, maxWork); n > maxWork || *budget < 0 {
		return false, false
	}
	for _, python := range pythons {
		vars := map[string]string{"python_full_version": python, "implementation_version": python}
		parts := strings.SplitN(python, ".", 3)
		vars["python_version"] = parts[0] + "." + parts[1]
		if !tryAll(a, b, vars, keys, values, extras) {
			return false, true
		}
	}
	return true, true
}

func tryAll(a, b *Marker, vars map[string]string, keys []string, values map[string][]string, extras []string) bool {
	if len(keys) > 0 {
		for _, v := range values[keys[0]] {
			vars[keys[0]] = v
			if !tryAll(a, b, vars, keys[1:], values, extras) {
				return false
			}
		}
		return true
	}
	for bits := range 1 << len(extras) {
		env := Env{Vars: vars}
		for i, e := range extras {
			if bits>>i&1 == 1 {
				env.Extras = append(env.Extras, e)
			}
		}
		x, errX := a.Eval(env)
		y, errY := b.Eval(env)
		if x != y || (errX == nil) != (errY == nil) {
			return false
		}
	}
	return true
}

// size counts comparisons.
func (m *Marker) size() int {
	if m == nil || len(m.parts) == 0 {
		return 1
	}
	n := 0
	for _, p := range m.parts {
		n += p.size()
	}
	return n
}

// mentioned collects the values that a marker compares each variable with.
func (m *Marker) mentioned(values map[string][]string, extras *[]string) {
	if m == nil {
		return
	}
	for _, p := range m.parts {
		p.mentioned(values, extras)
	}
	if len(m.parts) > 0 {
		return
	}
	name, value := m.left, m.right
	if !name.variable {
		name, value = value, name
	}
	switch {
	case !name.variable:
	case name.text == "extra" || name.text == "extras" || name.text == "dependency_groups":
		*extras = append(*extras, NormalizeName(value.text))
	case value.variable:
	default:
		values[name.text] = append(values[name.text], strings.Fields(strings.ReplaceAll(value.text, ",", " "))...)
		if !slices.Contains(values[name.text], value.text) {
			values[name.text] = append(values[name.text], value.text)
		}
	}
}

// pythonsNear lists Pythons around every version that is mentioned, those that
// requires admits.
func pythonsNear(values map[string][]string, requires version.Specifiers) []string {
	texts := slices.Concat(values["python_version"], values["python_full_version"], values["implementation_version"])
	for _, s := range requires {
		texts = append(texts, s.Version)
	}
	found := map[string]bool{"3.8.0": true, "3.11.7": true, "3.99.0": true}
	for _, text := range texts {
		v, err := version.Parse(strings.TrimSuffix(text, ".*"))
		if err != nil {
			continue
		}
		major, minor, patch := v.Release(0), v.Release(1), v.Release(2)
		if major > 99 || minor > 9999 || patch > 9999 {
			continue
		}
		for _, d := range [][2]int{{0, -1}, {0, 0}, {0, 1}, {-1, 0}, {-1, 99}, {1, 0}, {0, 99}} {
			if minor+d[0] >= 0 && patch+d[1] >= 0 {
				found[strconv.Itoa(major)+"."+strconv.Itoa(minor+d[0])+"."+strconv.Itoa(patch+d[1])] = true
			}
		}
	}
	var out []string
	for s := range found {
		if v, err := version.Parse(s); err == nil && requires.Contains(v, true) {
			out = append(out, s)
		}
	}
	sort.Strings(out)
	return out
}

// And joins markers; nil is "always".
func And(a, b *Marker) *Marker {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &Marker{op: "and", parts: []*Marker{a, b}}
}

// ExtraIs is the marker extra == "name".
func ExtraIs(name string) *Marker {
	return &Marker{op: "==", left: operand{true, "extra"}, right: operand{false, NormalizeName(name)}}
}

// Never is a marker that holds nowhere.
func Never() *Marker {
	return And(ExtraIs("a"), &Marker{op: "!=", left: operand{true, "extra"}, right: operand{false, "a"}})
}

// Not is the opposite of a marker; nil, "always", becomes Never.
func Not(m *Marker) *Marker {
	if m == nil {
		return Never()
	}
	if len(m.parts) > 0 {
		out := &Marker{op: "or"}
		if m.op == "or" {
			out.op = "and"
		}
		for _, p := range m.parts {
			out.parts = append(out.parts, Not(p))
		}
		return out
	}
	opposite := map[string]string{"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<", "in": "not in", "not in": "in"}
	if op, ok := opposite[m.op]; ok {
		return &Marker{op: op, left: m.left, right: m.right}
	}
	return nil // "~=" and "===" have no opposite operator; the caller compares as unknown
}
