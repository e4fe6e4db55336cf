package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonArbitraryEquality() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/arbitrary-equality", Severity: finding.Note, Title: "=== beside hashes works with pip and not with uv"},
		func(u pyUse) *complaint {
			sp := u.Requirement.Specifiers
			if u.Kind != reqfile.Named || u.Constraint || !u.set.RequireHashes || len(sp) != 1 || sp[0].Op != "===" {
				return nil
			}
			return &complaint{
				message: "pip takes === for pinned in hash mode, uv accepts only ==",
				hint:    "write == unless the version is no PEP 440 version",
				context: u.why(),
			}
		},
	}
}
