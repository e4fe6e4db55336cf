package prometheus

import (
	"context"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// choose finds the request counter and the histogram of response times, where
// they are not named, and returns sentences that say which.
func (s *Source) choose(ctx context.Context, at int64) ([]string, error) {
	var notes []string
	if len(s.cfg.Counters) == 0 {
		name, err := s.counter(ctx, at)
		if err != nil {
			return nil, err
		}
		s.counters = []series.Counter{{Metric: canary.Errors, Requests: series.Selector{Name: name}, Auto: true}}
		notes = append(notes, "requests are counted by "+name+", failed ones by status 5xx")
	}
	s.latency = strings.TrimSuffix(s.cfg.Latency.Name, "_bucket")
	switch s.latency {
	case "none":
		s.latency = ""
	case "":
		found, err := s.histogram(ctx, at)
		if err != nil {
			return nil, err
		}
		s.latency = found
		if found != "" {
			notes = append(notes, "response times are counted by the buckets of "+found)
		}
	}
	s.tally.Latency.UnitMS = series.UnitMS(s.latency)
	s.chosen = true
	return notes, nil
}

// names asks which metric names there are under a condition, on either side.
func (s *Source) names(ctx context.Context, at int64, conditions ...series.Matcher) ([]string, error) {
	var found []string
	for _, labels := range s.labels {
		expr := "count by (__name__) (" + series.Selector{}.With(slices.Concat(conditions, labels)...) + ")"
		a, err := s.client.query(ctx, expr, at)
		if err != nil {
			return nil, err
		}
		for _, r := range a.series {
			if name := r.Metric["__name__"]; !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// counter is the request counter with a status label.
func (s *Source) counter(ctx context.Context, at int64) (string, error) {
	counted := series.Matcher{Label: "__name__", Op: "=~", Value: ".+_(total|count)|.+_by_status|nginx_ingress_controller_requests"}
	var found []string
	for _, label := range series.StatusLabels() {
		more, err := s.names(ctx, at, counted, series.Matcher{Label: label, Op: "=~", Value: "[1-5]([0-9][0-9]|[xX][xX])"})
		if err != nil {
			return "", err
		}
		found = append(found, more...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	for _, name := range series.KnownCounters() {
		if slices.Contains(found, name) {
			return name, nil
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", &canary.Problem{Kind: "no-counter",
			Detail: "the server has no counter with a status label for " + s.eitherSide() + " yet: name it with --requests-metric and the failed requests with --bad-labels"}
	}
	return "", &canary.Problem{Kind: "no-counter", Fatal: true,
		Detail: "several counters have a status label (" + series.List(found) + "): choose one with --requests-metric"}
}

// eitherSide names what the sides' labels pick.
func (s *Source) eitherSide() string {
	a, b := "{"+text(s.labels[0])+"}", "{"+text(s.labels[1])+"}"
	if a == b {
		return a
	}
	return a + " or " + b
}

// histogram is the histogram of response times, or "".
func (s *Source) histogram(ctx context.Context, at int64) (string, error) {
	found, err := s.names(ctx, at, series.Matcher{Label: "__name__", Op: "=~", Value: ".+_bucket|" + strings.Join(series.KnownHistograms(), "|")})
	if err != nil {
		return "", err
	}
	return series.ChooseHistogram(found), nil
}
