package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// metricName is the label that holds a series' name (Prometheus' data model).
const metricName = "__name__"

// maxDepth bounds how far recording rules are followed into one another.
const maxDepth = 8

// Scope says what a rule is narrowed to: the labels of one side. Shared are
// those that the other side has, too: a selector that contradicts them is about
// something else.
type Scope struct {
	Own    []series.Matcher
	Shared []series.Matcher
}

// Split makes the two scopes out of two label sets.
func Split(baseline, canary []series.Matcher) (b, c Scope) {
	for _, m := range baseline {
		if slices.ContainsFunc(canary, func(o series.Matcher) bool { return o.String() == m.String() }) {
			b.Shared = append(b.Shared, m)
			c.Shared = append(c.Shared, m)
		} else {
			b.Own = append(b.Own, m)
		}
	}
	for _, m := range canary {
		if !slices.ContainsFunc(b.Shared, func(o series.Matcher) bool { return o.String() == m.String() }) {
			c.Own = append(c.Own, m)
		}
	}
	return b, c
}

// Rescope narrows an expression to a scope. Recorded series are replaced by the
// expressions that record them, since recording usually loses the labels. The
// names are those of the metrics that are read. An error says why the expression
// cannot be narrowed.
func Rescope(expr string, records map[string][]Record, to Scope) (scoped string, names []string, err error) {
	e, err := parse(expr)
	if err != nil {
		return "", nil, err
	}
	r := &rewriter{records: records, to: to, names: map[string]bool{}}
	out, err := r.expr(e, nil, 0)
	if err != nil {
		return "", nil, err
	}
	for name := range r.names {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "", nil, fmt.Errorf("it reads no series")
	}
	text := out.String()
	if _, err := parse(text); err != nil {
		return "", nil, fmt.Errorf("narrowed it does not parse: %w", err)
	}
	return text, names, nil
}

func parse(expr string) (parser.Expr, error) {
	const most = 64 << 10
	if len(expr) > most {
		return nil, fmt.Errorf("it is longer than %d bytes", most)
	}
	return parser.NewParser(parser.Options{EnableExperimentalFunctions: true, ExperimentalDurationExpr: true, EnableExtendedRangeSelectors: true, EnableBinopFillModifiers: true}).ParseExpr(expr)
}

// rewriter walks an expression and rebuilds it.
type rewriter struct {
	records map[string][]Record
	to      Scope
	names   map[string]bool
	selects int
}

// expr rewrites a node; more are conditions that a recorded series was read with.
func (r *rewriter) expr(e parser.Expr, more []*labels.Matcher, depth int) (parser.Expr, error) {
	var err error
	sub := func(e parser.Expr) parser.Expr {
		if e == nil || err != nil {
			return e
		}
		var out parser.Expr
		out, err = r.expr(e, more, depth)
		return out
	}
	switch n := e.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral:
		return e, nil
	case *parser.ParenExpr:
		n.Expr = sub(n.Expr)
	case *parser.UnaryExpr:
		n.Expr = sub(n.Expr)
	case *parser.StepInvariantExpr:
		n.Expr = sub(n.Expr)
	case *parser.AggregateExpr:
		n.Expr = sub(n.Expr)
		if n.Param != nil {
			n.Param = sub(n.Param)
		}
	case *parser.BinaryExpr:
		n.LHS, n.RHS = sub(n.LHS), sub(n.RHS)
	case *parser.Call:
		if n.Func.Name == "info" {
			return nil, fmt.Errorf("info() reads series that it does not name")
		}
		for i := range n.Args {
			n.Args[i] = sub(n.Args[i])
		}
	case *parser.SubqueryExpr:
		n.Expr = sub(n.Expr)
	case *parser.VectorSelector:
		return r.selector(n, more, depth)
	case *parser.MatrixSelector:
		v, ok := n.VectorSelector.(*parser.VectorSelector)
		if !ok {
			return nil, fmt.Errorf("a range of %T", n.VectorSelector)
		}
		inner, err := r.selector(v, more, depth)
		if err != nil {
			return nil, err
		}
		if same, ok := inner.(*parser.VectorSelector); ok {
			n.VectorSelector = same
			return n, nil
		}
		// A recorded series over time is its expression over time.
		return &parser.SubqueryExpr{Expr: inner, Range: n.Range, RangeExpr: n.RangeExpr, OriginalOffset: v.OriginalOffset, Timestamp: v.Timestamp, StartOrEnd: v.StartOrEnd}, nil
	default:
		return nil, fmt.Errorf("%T is not known", e)
	}
	return e, err
}

// selector adds the scope's labels, or replaces a recorded series.
func (r *rewriter) selector(v *parser.VectorSelector, more []*labels.Matcher, depth int) (parser.Expr, error) {
	const most = 200
	if r.selects++; r.selects > most {
		return nil, fmt.Errorf("it reads more than %d selectors", most)
	}
	name := v.Name
	var own []*labels.Matcher
	for _, m := range v.LabelMatchers {
		if m.Name == metricName {
			if m.Type != labels.MatchEqual {
				return nil, fmt.Errorf("%s has no metric name of its own", v)
			}
			name = m.Value
			continue
		}
		own = append(own, m)
	}
	if name == "" {
		return nil, fmt.Errorf("%s has no metric name of its own", v)
	}
	own = append(own, more...)
	if recs := r.records[name]; len(recs) > 0 {
		if depth >= maxDepth {
			return nil, fmt.Errorf("recording rule %s refers to itself, or too deep", name)
		}
		return r.recorded(name, recs, v, own, depth)
	}
	for _, shared := range r.to.Shared {
		if other := contradiction(own, shared); other != "" {
			return nil, fmt.Errorf("it is about %s", other)
		}
	}
	v.Name = name
	v.LabelMatchers = []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, metricName, name)}
	for _, m := range own {
		// What tells the sides apart is replaced; what they share stays, too.
		if !slices.ContainsFunc(r.to.Own, func(o series.Matcher) bool { return o.Label == m.Name }) {
			v.LabelMatchers = append(v.LabelMatchers, m)
		}
	}
	for _, m := range slices.Concat(r.to.Own, r.to.Shared) {
		x, err := matcher(m)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(v.LabelMatchers, func(o *labels.Matcher) bool { return o.String() == x.String() }) {
			v.LabelMatchers = append(v.LabelMatchers, x)
		}
	}
	r.names[name] = true
	return v, nil
}

// contradiction is the condition that excludes a shared label's value, or "".
func contradiction(own []*labels.Matcher, shared series.Matcher) string {
	for _, m := range own {
		if m.Name == shared.Label && shared.Op == "=" && !m.Matches(shared.Value) {
			return m.String()
		}
	}
	return ""
}

func matcher(m series.Matcher) (*labels.Matcher, error) {
	kinds := map[string]labels.MatchType{"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp}
	x, err := labels.NewMatcher(kinds[m.Op], m.Label, m.Value)
	if err != nil {
		return nil, fmt.Errorf("label %s: %w", strings.TrimSpace(m.String()), err)
	}
	return x, nil
}
