package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

func lockSourceBuild() rule[locked] {
	return rule[locked]{
		Rule{ID: "lock/source-build", Severity: finding.Warning, Title: "a lock has only the source of a package, and what its build needs is in no lock"},
		func(l locked) *complaint {
			if l.Builds() != lock.BuildsAlways || l.Source.Kind == lock.FromVCS {
				return nil // a repository is its own decision
			}
			return &complaint{
				message: "the lock has no wheel of " + quote(l.Name) + ": installing it builds the source, and what the build fetches is checked by no hash",
				hint:    "build its wheel once where you control that (pip wheel --build-constraint), keep it in an index or a wheelhouse, and lock that",
			}
		},
	}
}
