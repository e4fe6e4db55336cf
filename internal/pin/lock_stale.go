package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/fresh"
)

func lockStale() rule[freshness] {
	return rule[freshness]{
		Rule{ID: "lock/stale", Severity: finding.Error, Title: "a lock does not fit its manifest any more"},
		func(f freshness) *complaint {
			if f.Verdict != fresh.Stale {
				return nil
			}
			hint := "make it anew with its tool, and commit both"
			if f.Update != "" {
				hint = "run: " + f.Update
			}
			why := strings.Join(f.Reasons, "; ")
			if f.Manifest != "" {
				why = quote(f.Manifest) + " has changed since: " + why
			}
			return &complaint{message: finding.PrintableLine(why + " (" + f.By + ")"), hint: hint, state: Unpinned}
		},
	}
}
