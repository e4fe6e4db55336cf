package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func actionLocal() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/local", Severity: finding.Note, OptIn: true, Title: "a local action depends on what the job has checked out"},
		func(a actionUse) *complaint {
			if !a.local {
				return nil
			}
			return &complaint{
				message: "./ is whatever the job has checked out there, and does not count for GitHub's full-SHA policy",
				hint:    "on github.com with a runner of 2.336.0 or later, $/ means this repository at the running commit",
			}
		},
	}
}
