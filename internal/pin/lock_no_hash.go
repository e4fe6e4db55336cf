package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

func lockNoHash() rule[locked] {
	return rule[locked]{
		Rule{ID: "lock/no-hash", Severity: finding.Error, Title: "a lock names a package's version and no hash of its files"},
		func(p locked) *complaint {
			if p.Source.Kind != lock.FromIndex && p.Source.Kind != lock.FromURL {
				return nil
			}
			missing := len(p.Hashes) == 0
			for _, f := range p.Files {
				missing = missing || len(f.Hashes) == 0
			}
			if !missing {
				return nil
			}
			return &complaint{message: "the version is fixed, but no hash says which bytes " + quote(p.Name) + " is: the index decides on the day", hint: "make the lock anew: current releases of its tool write hashes for files of an index", state: Unpinned}
		},
	}
}
