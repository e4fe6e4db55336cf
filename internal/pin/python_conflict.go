package pin

import (
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonConflict() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/conflict", Severity: finding.Error, Title: "one package is pinned to two versions"},
		func(u pyUse) *complaint {
			v, ok := exact(u.Requirement)
			if u.Kind != reqfile.Named || u.Constraint || !ok {
				return nil
			}
			// Markers may keep two pins apart; only equal ones surely do not.
			other := u.set.Items[u.set.first[u.set.packages[u.index]]]
			w, _ := exact(other.Requirement)
			if w == v {
				return nil
			}
			return &complaint{
				message: fmt.Sprintf("%s is pinned to %s here and to %s at %s:%d: pip refuses both together", finding.PrintableLine(u.Requirement.Name),
					finding.PrintableLine(v), finding.PrintableLine(w), finding.PrintableLine(other.Pos.Path), other.Pos.Line),
				hint: "keep one of the lines, or give each a marker", context: u.why(),
			}
		},
	}
}
