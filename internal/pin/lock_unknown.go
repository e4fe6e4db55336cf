package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/fresh"
)

func lockUnknown() rule[freshness] {
	return rule[freshness]{
		Rule{ID: "lock/unknown", Severity: finding.Note, Title: "whether a lock fits its manifest cannot be told from the files"},
		func(f freshness) *complaint {
			if f.Verdict != fresh.Unknown {
				return nil
			}
			hint := "let its tool check it in the workflow that installs from it"
			if f.Update != "" {
				hint = "if in doubt run: " + f.Update
			}
			return &complaint{message: finding.PrintableLine(strings.Join(f.Reasons, "; ")), hint: hint}
		},
	}
}
