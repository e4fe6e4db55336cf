package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// recorded is a recorded series' own expression, narrowed. Of several rules that
// record a name, those are meant whose labels the selector admits.
func (r *rewriter) recorded(name string, recs []Record, v *parser.VectorSelector, own []*labels.Matcher, depth int) (parser.Expr, error) {
	if v.OriginalOffset != 0 || v.OriginalOffsetExpr != nil || v.Timestamp != nil || v.StartOrEnd != 0 {
		return nil, fmt.Errorf("%s reads a recorded series at another time", v)
	}
	if v.Anchored || v.Smoothed {
		return nil, fmt.Errorf("%s reads a recorded series between its samples", v)
	}
	var meant []Record
	for _, rec := range recs {
		if slices.ContainsFunc(own, func(m *labels.Matcher) bool { value, fixed := rec.Labels[m.Name]; return fixed && !m.Matches(value) }) {
			continue
		}
		if slices.ContainsFunc(meant, func(o Record) bool { return !apart(o, rec) }) {
			return nil, fmt.Errorf("several rules record %s", v)
		}
		meant = append(meant, rec)
	}
	if len(meant) == 0 {
		return nil, fmt.Errorf("%s does not match what records it", v)
	}
	var all parser.Expr
	for _, rec := range meant {
		one, err := r.record(name, rec, own, depth)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = one
			continue
		}
		all = &parser.BinaryExpr{Op: parser.LOR, LHS: all, RHS: one, VectorMatching: &parser.VectorMatching{Card: parser.CardManyToMany}}
	}
	if len(meant) > 1 {
		all = &parser.ParenExpr{Expr: all}
	}
	return all, nil
}

// apart says that two rules record different series of one name: their own labels
// differ.
func apart(a, b Record) bool {
	for label, value := range a.Labels {
		if other, ok := b.Labels[label]; ok && other != value {
			return true
		}
	}
	return false
}

// record is what one rule records, narrowed.
func (r *rewriter) record(name string, rec Record, own []*labels.Matcher, depth int) (parser.Expr, error) {
	var pass []*labels.Matcher
	for _, m := range own {
		if _, fixed := rec.Labels[m.Name]; !fixed {
			pass = append(pass, m)
		}
	}
	e, err := parse(rec.Expr)
	if err != nil {
		return nil, fmt.Errorf("recording rule %s: %w", name, err)
	}
	inner, err := r.expr(e, pass, depth+1)
	if err != nil {
		return nil, err
	}
	// The labels that the rule gives may be what the alert joins or groups by.
	inner = &parser.ParenExpr{Expr: inner}
	for _, label := range slices.Sorted(maps.Keys(rec.Labels)) {
		args := parser.Expressions{inner}
		for _, text := range []string{label, strings.ReplaceAll(rec.Labels[label], "$", "$$"), "", ""} {
			args = append(args, &parser.StringLiteral{Val: text})
		}
		inner = &parser.Call{Func: parser.Functions["label_replace"], Args: args}
	}
	return inner, nil
}
