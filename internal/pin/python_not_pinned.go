package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonNotPinned() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/not-pinned", Severity: finding.Error, Title: "a requirement admits more than one version"},
		func(u pyUse) *complaint {
			if u.Kind != reqfile.Named || u.Constraint || u.address() != "" {
				return nil
			}
			if _, ok := u.version(); ok {
				return nil
			}
			sp := u.Requirement.Specifiers
			what := &complaint{hint: u.set.c.compileHint(u.Pos.Path), context: u.why(), state: Unpinned}
			equal := false
			for _, s := range sp {
				equal = equal || s.Op == "==" || s.Op == "==="
			}
			switch {
			case len(sp) == 0:
				what.message = "no version: each build takes the newest of the day"
			case len(sp) == 1 && sp[0].Wildcard && sp[0].Op == "==":
				return nil // python/wildcard
			case equal:
				what.message = "== beside other clauses: pip, uv and pip-tools take a version for pinned only where == stands alone"
			default:
				what.message = "a range, not a version: two builds of this commit can differ"
			}
			return what
		},
	}
}
