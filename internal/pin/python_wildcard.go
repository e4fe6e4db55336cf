package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonWildcard() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/wildcard", Severity: finding.Error, Title: "a wildcard version admits many versions"},
		func(u pyUse) *complaint {
			if u.Kind != reqfile.Named || u.Constraint || len(u.Requirement.Specifiers) != 1 {
				return nil
			}
			sp := u.Requirement.Specifiers[0]
			if sp.Op != "==" || !sp.Wildcard {
				return nil
			}
			if _, ok := u.version(); ok {
				return nil // a constraint names the version
			}
			what := &complaint{
				message: "==" + finding.PrintableLine(sp.Version) + ".* admits every version that begins so, those of tomorrow too",
				hint:    u.set.c.compileHint(u.Pos.Path), context: u.why(), state: Unpinned,
			}
			if u.hashed() {
				what.severity, what.state, what.by = finding.Warning, Pinned, "hash"
				what.message += "; only the hashes decide which one is installed"
			}
			return what
		},
	}
}
