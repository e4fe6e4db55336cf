// Package series knows how applications name what they count: selectors as
// Prometheus writes them, the request counters and histograms of common
// libraries, which labels hold a status or a route, and what a failed request is.
package series

import "github.com/fairlead-ci/fairlead/internal/canary/expo"

// Counter says which series count the requests of a metric and which of them
// are bad.
type Counter struct {
	// Metric is the plan's name, for example "errors".
	Metric string
	// Requests are all requests. In automatic mode only the name is used, and
	// health checks and scrapes are left out.
	Requests Selector
	// Bad are the conditions of a bad request; without any, status 5xx.
	Bad []Matcher
	// Errors is a counter of its own for bad requests, instead of Bad.
	Errors Selector
	// Auto leaves health checks out.
	Auto bool
}

// Classify says whether a series counts requests, bad requests, or both.
func (c Counter) Classify(s expo.Series) (all, bad bool) {
	all = c.Requests.Matches(s)
	switch {
	case c.Errors.Name != "":
		bad = c.Errors.Matches(s)
	case len(c.Bad) > 0:
		bad = all && Every(c.Bad, s)
	default:
		bad = all && FailedByStatus(s)
	}
	if c.Auto && (all || bad) && OwnTraffic(s) {
		return false, false
	}
	return all, bad
}
