// Package rules narrows alerting rules that somebody wrote for a whole service
// to one side of a canary: every selector gets the side's labels, recorded
// series are replaced by what records them. A rule that cannot be narrowed is
// returned with the reason; none is dropped.
//
// The expressions are read by Prometheus' own parser.
package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// Alert is an alerting rule.
type Alert struct {
	Name string
	Expr string
	// For is how long it has to hold before it fires.
	For time.Duration
}

// Record is a recording rule.
type Record struct {
	Expr   string
	Labels map[string]string
}

// Set is all rules of a server.
type Set struct {
	Alerts []Alert
	// Records are the rules that record a name: several, as one for each service,
	// tell themselves apart by the labels that they give.
	Records map[string][]Record
}

// Parse reads the data of /api/v1/rules. A rule whose kind is not known is an
// error: dropping it would hide it.
func Parse(data []byte) (Set, error) {
	var doc struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Type     string            `json:"type"`
				Name     string            `json:"name"`
				Query    string            `json:"query"`
				Duration float64           `json:"duration"`
				Labels   map[string]string `json:"labels"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return Set{}, fmt.Errorf("reading rules: %w", err)
	}
	out := Set{Records: map[string][]Record{}}
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			switch r.Type {
			case "alerting":
				if !(r.Duration >= 0 && r.Duration < 1e9) {
					return Set{}, fmt.Errorf("reading rules: %q is to hold for %v seconds", r.Name, r.Duration)
				}
				a := Alert{Name: r.Name, Expr: r.Query, For: time.Duration(r.Duration * float64(time.Second))}
				if !slices.Contains(out.Alerts, a) {
					out.Alerts = append(out.Alerts, a)
				}
			case "recording":
				rec := Record{Expr: r.Query, Labels: r.Labels}
				if !slices.ContainsFunc(out.Records[r.Name], func(o Record) bool { return o.Expr == rec.Expr && maps.Equal(o.Labels, rec.Labels) }) {
					out.Records[r.Name] = append(out.Records[r.Name], rec)
				}
			default:
				return Set{}, fmt.Errorf("reading rules: group %q has a rule of the unknown kind %q", g.Name, r.Type)
			}
		}
	}
	return out, nil
}

// Condition is a rule as it is asked of each side.
type Condition struct {
	Name             string
	For              time.Duration
	Baseline, Canary string // expressions
	Names            []string
}

// Left is a rule that cannot be asked of one side, and why.
type Left struct{ Name, Why string }

// Choose narrows the alerts whose names match one of the patterns (as path.Match,
// "*" for all) to both sides. A pattern that matches nothing is an error.
func (s Set) Choose(patterns []string, baseline, canary []series.Matcher) ([]Condition, []Left, error) {
	b, c := Split(baseline, canary)
	used := map[string]bool{}
	names := map[string]int{}
	var out []Condition
	var left []Left
	for _, a := range s.Alerts {
		chosen := false
		for _, p := range patterns {
			// A name may hold a slash, which is nothing special in it.
			ok, err := path.Match(unslashed(p), unslashed(a.Name))
			if err != nil {
				return nil, nil, fmt.Errorf("pattern %q: %w", p, err)
			}
			if ok {
				chosen, used[p] = true, true
			}
		}
		if !chosen {
			continue
		}
		name := a.Name
		if names[a.Name]++; names[a.Name] > 1 { // as warning and critical often share a name
			name = fmt.Sprintf("%s (%d)", a.Name, names[a.Name])
		}
		onBaseline, _, err := Rescope(a.Expr, s.Records, b)
		var onCanary string
		var reads []string
		if err == nil {
			onCanary, reads, err = Rescope(a.Expr, s.Records, c)
		}
		if err != nil {
			left = append(left, Left{name, err.Error()})
			continue
		}
		out = append(out, Condition{Name: name, For: a.For, Baseline: onBaseline, Canary: onCanary, Names: reads})
	}
	for _, p := range patterns {
		if !used[p] && p != "*" {
			return nil, nil, fmt.Errorf("no alerting rule is called %q (there are: %s)", p, s.some())
		}
	}
	return out, left, nil
}

func unslashed(s string) string { return strings.ReplaceAll(s, "/", "\x00") }

func (s Set) some() string {
	var names []string
	for _, a := range s.Alerts {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return "none"
	}
	const most = 8
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}
