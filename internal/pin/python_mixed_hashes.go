package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonMixedHashes() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/mixed-hashes", Severity: finding.Error, Title: "a requirement lacks a hash although others have one"},
		func(u pyUse) *complaint {
			if u.Kind != reqfile.Named || u.Constraint || u.address() != "" || !u.set.anyHash || u.hashed() || u.set.bad[u.index] {
				return nil
			}
			what := &complaint{
				message: "other requirements of this command have hashes, this one has none: pip refuses to install it",
				hint:    u.set.c.compileHint(u.Pos.Path), context: u.why(), state: Unpinned,
			}
			if !u.set.RequireHashes { // --no-require-hashes
				what.message = "other requirements of this command have hashes, this one has none and is installed unchecked"
			}
			return what
		},
	}
}
