package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

func lockCommit() rule[locked] {
	return rule[locked]{
		Rule{ID: "lock/commit", Severity: finding.Error, Title: "a lock takes a package from a repository without a whole commit"},
		func(p locked) *complaint {
			if p.Source.Kind != lock.FromVCS || commitID.MatchString(p.Source.Commit) {
				return nil
			}
			return &complaint{message: "the repository of " + quote(p.Name) + " decides what is installed: a branch or tag can move", hint: "make the lock anew: its tool writes the whole commit", state: Unpinned}
		},
	}
}
