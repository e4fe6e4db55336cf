package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonVCSHashMode() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/vcs-hash-mode", Severity: finding.Error, Title: "a repository stands beside hashes, and pip installs no repository in hash mode"},
		func(u pyUse) *complaint {
			if !u.vcs() || !u.set.RequireHashes {
				return nil
			}
			return &complaint{
				message: "pip will refuse this: it cannot check a repository's hash, and the hashes beside it switch hash mode on",
				hint:    "build a wheel of that commit and list it with its hash, or install it by a command of its own",
				context: u.why(),
			}
		},
	}
}
