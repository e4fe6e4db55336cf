package scrape

import (
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/expo"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// detect chooses the request counter all pages are read by. It returns a
// Problem when there is none yet, or (fatal) when there are several to choose
// from.
func detect(pages []expo.Page) (string, error) {
	found := map[string]bool{} // name → has a status label wherever it stands
	for _, p := range pages {
		for _, s := range p.Series {
			_, v, ok := series.Status(s)
			ok = ok && series.IsStatus(v)
			if before, seen := found[s.Name]; seen {
				ok = ok && before
			}
			found[s.Name] = ok
		}
	}
	for _, name := range series.KnownCounters() {
		if found[name] {
			return name, nil
		}
		// Declared, but nothing was counted yet.
		for _, p := range pages {
			if _, seen := found[name]; !seen && p.Types[name] == "counter" {
				return name, nil
			}
		}
	}
	var fits, others []string
	for name, ok := range found {
		switch {
		case !strings.HasSuffix(name, "_total") && !strings.HasSuffix(name, "_count"):
		case ok:
			fits = append(fits, name)
		default:
			others = append(others, name)
		}
	}
	slices.Sort(fits)
	slices.Sort(others)
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(fits) > 1:
		return "", &canary.Problem{Kind: "no-counter", Fatal: true,
			Detail: "several counters have a status label (" + series.List(fits) + "): choose one with --requests-metric"}
	case len(others) > 0:
		return "", &canary.Problem{Kind: "no-counter",
			Detail: "no counter with a status label yet (there are " + series.List(others) +
				"): name it with --requests-metric and the failed ones with --bad-labels"}
	}
	return "", &canary.Problem{Kind: "no-counter",
		Detail: "the pages show no request counter yet: name it with --requests-metric, or send a first request"}
}
