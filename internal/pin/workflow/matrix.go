package workflow

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxValues bounds what one expression expands to.
const maxValues = 256

// value is one thing an expression may become.
type value struct {
	text    string
	node    *yaml.Node // where it is written
	unknown bool
}

// matrix is a job's strategy.matrix.
type matrix struct {
	r    *reader
	node *yaml.Node // nil: the job has none
}

func (r *reader) matrix(job *yaml.Node) *matrix {
	m := &matrix{r: r}
	for _, s := range r.get(job, "strategy") {
		for _, n := range r.get(s, "matrix") {
			m.node = n
		}
	}
	return m
}

// expression is one ${{ … }}.
var expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)

// expand lists the values a scalar may have, with its matrix expressions put in.
func (m *matrix) expand(n *yaml.Node) []value {
	all := expression.FindAllStringSubmatchIndex(n.Value, -1)
	if all == nil {
		return []value{{n.Value, n, false}}
	}
	if m == nil {
		return []value{{n.Value, n, true}}
	}
	whole := len(all) == 1 && strings.TrimSpace(n.Value) == n.Value[all[0][0]:all[0][1]]
	out := []value{{"", n, false}}
	last := 0
	for _, e := range all {
		parts := m.or(n.Value[e[2]:e[3]], n)
		var next []value
		for _, o := range out {
			for _, p := range parts {
				v := value{o.text + n.Value[last:e[0]] + p.text, n, o.unknown || p.unknown}
				if whole && !v.unknown {
					v = p // the value itself is what is written, and what to fix
				}
				next = append(next, v)
			}
		}
		if out = next; len(out) > maxValues {
			return []value{{n.Value, n, true}}
		}
		last = e[1]
	}
	for i := range out {
		if out[i].unknown {
			return []value{{n.Value, n, true}}
		}
		if !whole {
			out[i].text += n.Value[last:]
		}
	}
	return unique(out)
}

// or evaluates "a || b": what is empty gives way to what follows.
func (m *matrix) or(expr string, at *yaml.Node) []value {
	var out []value
	terms := strings.Split(expr, "||")
	for i, term := range terms {
		empty := false
		for _, v := range m.term(strings.TrimSpace(term), at) {
			if v.text == "" && !v.unknown && i < len(terms)-1 {
				empty = true
				continue
			}
			out = append(out, v)
		}
		if !empty {
			break
		}
	}
	return out
}

var (
	matrixRef = regexp.MustCompile(`^matrix((?:\.[A-Za-z_][A-Za-z0-9_-]*|\[\s*'[^']*'\s*\])+)$`)
	matrixKey = regexp.MustCompile(`\.([A-Za-z_][A-Za-z0-9_-]*)|\[\s*'([^']*)'\s*\]`)
	literal   = regexp.MustCompile(`^'((?:[^']|'')*)'$`)
)

func (m *matrix) term(t string, at *yaml.Node) []value {
	if l := literal.FindStringSubmatch(t); l != nil {
		return []value{{strings.ReplaceAll(l[1], "''", "'"), at, false}}
	}
	unknown := []value{{t, at, true}}
	ref := matrixRef.FindStringSubmatch(t)
	if ref == nil || m.node == nil || m.node.Kind != yaml.MappingNode {
		return unknown
	}
	var keys []string
	for _, k := range matrixKey.FindAllStringSubmatch(ref[1], -1) {
		keys = append(keys, k[1]+k[2])
	}
	var nodes []*yaml.Node
	known := true
	for _, p := range m.r.pairs(m.node) {
		if p.key == "exclude" || p.key != "include" && !strings.EqualFold(p.key, keys[0]) {
			continue
		}
		if p.value.Kind != yaml.SequenceNode {
			known = false // an expression: fromJson(…)
			continue
		}
		for _, item := range p.value.Content {
			item = resolve(item)
			path := keys[1:]
			if p.key == "include" {
				path = keys
			}
			if n := m.dig(item, path); n != nil {
				nodes = append(nodes, n)
			}
		}
	}
	if !known {
		return unknown
	}
	var out []value
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "${{") {
			return unknown
		}
		text := n.Value
		if n.Tag == "!!null" {
			text = ""
		}
		out = append(out, value{text, n, false})
	}
	if out == nil {
		return []value{{"", at, false}} // GitHub: a key that is absent is empty
	}
	return out
}

// dig follows keys into nested mappings.
func (m *matrix) dig(n *yaml.Node, keys []string) *yaml.Node {
	for _, k := range keys {
		var next *yaml.Node
		for _, p := range m.r.pairs(n) {
			if strings.EqualFold(p.key, k) {
				next = p.value
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// unique drops values that read the same at the same place.
func unique(vs []value) []value {
	type key struct {
		text string
		node *yaml.Node
	}
	seen := map[key]bool{}
	out := vs[:0]
	for _, v := range vs {
		if k := (key{v.text, v.node}); !seen[k] {
			seen[k] = true
			out = append(out, v)
		}
	}
	return out
}
