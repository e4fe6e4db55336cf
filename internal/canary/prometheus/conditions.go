package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/rules"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// maxRules bounds what is asked at every window.
const maxRules = 100

// conditions are the alerting rules that are asked of each side.
type conditions struct {
	asked []rules.Condition
	// since is when a rule began to hold, server time, by side and name.
	since map[string]int64
	// told are the rules that the server had a remark about.
	told map[string]bool
}

func (c *conditions) state() map[string]int64 {
	if c == nil {
		return nil
	}
	return c.since
}

// loadRules reads the server's rules and narrows them. The sentences say which
// are asked and which cannot be, with the reason.
func (s *Source) loadRules(ctx context.Context, at int64) ([]string, error) {
	env, err := s.client.call(ctx, "/api/v1/rules", url.Values{})
	if err != nil {
		return nil, err
	}
	set, err := rules.Parse(env.Data)
	if err != nil {
		return nil, s.client.problem("not-prometheus", "its rules cannot be read: %s", excerpt(err.Error()))
	}
	chosen, left, err := set.Choose(s.cfg.Rules, s.labels[baseline], s.labels[canaries])
	if err != nil {
		p := s.client.problem("rules", "%s", excerpt(err.Error()))
		p.Fatal = true
		return nil, p
	}
	foreign, err := s.foreign(ctx, at, chosen)
	if err != nil {
		return nil, err
	}
	c := &conditions{since: s.since, told: map[string]bool{}}
	if c.since == nil {
		c.since = map[string]int64{}
	}
	var notes, names []string
	for _, r := range chosen {
		if i := slices.IndexFunc(r.Names, func(n string) bool { return foreign[n] }); i >= 0 {
			left = append(left, rules.Left{Name: r.Name + " (" + r.Names[i] + ")", Why: "there are series, but none with the labels of either side"})
			continue
		}
		c.asked = append(c.asked, r)
		names = append(names, r.Name)
	}
	if len(names) > maxRules {
		p := s.client.problem("rules", "%d alerting rules are more than %d: choose some by name", len(names), maxRules)
		p.Fatal = true
		return nil, p
	}
	if len(names) > 0 {
		notes = append(notes, plural(len(names), "alerting rule is", "alerting rules are")+" asked of each side: "+strings.Join(names, ", "))
	}
	notes = append(notes, leftOut(left)...)
	if len(names)+len(left) == 0 {
		notes = append(notes, "the server has no alerting rules")
	}
	s.rules = c
	return notes, nil
}

// leftOut names the rules that are not asked, those with the same reason together.
func leftOut(left []rules.Left) []string {
	var whys []string
	names := map[string][]string{}
	for _, l := range left {
		if names[l.Why] == nil {
			whys = append(whys, l.Why)
		}
		names[l.Why] = append(names[l.Why], l.Name)
	}
	var notes []string
	for _, why := range whys {
		notes = append(notes, plural(len(names[why]), "alerting rule", "alerting rules")+" cannot be asked of one side ("+excerpt(why)+"): "+strings.Join(names[why], ", "))
	}
	return notes
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// foreign are the metrics that there are, but on neither side. One that is not
// there at all may be born with the first failure.
func (s *Source) foreign(ctx context.Context, at int64, chosen []rules.Condition) (map[string]bool, error) {
	var all []string
	for _, r := range chosen {
		all = append(all, r.Names...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) == 0 {
		return nil, nil
	}
	any := series.Matcher{Label: "__name__", Op: "=~", Value: alternatives(all)}
	ours, err := s.names(ctx, at, any)
	if err != nil {
		return nil, err
	}
	a, err := s.client.query(ctx, "count by (__name__) ("+series.Selector{}.With(any)+")", at)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, r := range a.series {
		if name := r.Metric["__name__"]; !slices.Contains(ours, name) {
			out[name] = true
		}
	}
	return out, nil
}

// alternatives is a pattern for names, which may hold any characters.
func alternatives(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = regexp.QuoteMeta(n)
	}
	return strings.Join(quoted, "|")
}

// askRules evaluates every rule for each side. One that the server cannot
// evaluate is said and not asked again.
func (s *Source) askRules(ctx context.Context, at int64) ([]canary.Condition, []string, error) {
	if s.rules == nil {
		return nil, nil, nil
	}
	var out []canary.Condition
	var notes []string
	var keep []rules.Condition
	since := map[string]int64{}
	for _, r := range s.rules.asked {
		c := canary.Condition{Name: r.Name}
		var broken *canary.Problem
		for side, expr := range [2]string{r.Baseline, r.Canary} {
			a, err := s.client.query(ctx, expr, at)
			if errors.As(err, &broken) && broken.Kind == "query" {
				break
			}
			broken = nil
			if err != nil {
				return nil, nil, err
			}
			if len(a.remarks) > 0 && !s.rules.told[r.Name] {
				s.rules.told[r.Name] = true
				notes = append(notes, "alerting rule "+r.Name+": the server says "+excerpt(a.remarks[0]))
			}
			if len(a.series) == 0 {
				continue
			}
			key := cohort(side).String() + "|" + r.Name
			began, ok := s.rules.since[key]
			if !ok || began > at {
				began = at
			}
			since[key] = began
			fires := at-began >= r.For.Milliseconds()
			if cohort(side) == canaries {
				c.Canary, c.Why = fires, seen(a, at-began, r.For)
			} else {
				c.Baseline = fires
			}
		}
		if broken != nil {
			notes = append(notes, leftOut([]rules.Left{{Name: r.Name, Why: broken.Detail}})...)
			continue
		}
		keep = append(keep, r)
		out = append(out, c)
	}
	s.rules.asked, s.rules.since = keep, since
	return out, notes, nil
}

// seen says what a rule saw of the canary.
func seen(a answer, held int64, needed time.Duration) string {
	text := "it holds"
	if v := a.series[0].Value; v != nil {
		text += " with the value " + strconv.FormatFloat(v.v, 'g', 4, 64)
	}
	if d := time.Duration(held) * time.Millisecond; needed > 0 {
		text += fmt.Sprintf(" for %v of %v", d.Round(time.Second), needed)
	}
	return text
}
