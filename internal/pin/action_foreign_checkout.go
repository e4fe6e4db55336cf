package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func actionForeignCheckout() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/foreign-checkout", Severity: finding.Warning, Title: "a local action comes from another repository that was checked out before"},
		func(a actionUse) *complaint {
			if a.Foreign == "" {
				return nil
			}
			return &complaint{
				message: "this is not ours: an earlier step checked out " + quote(a.Foreign) + " to that path",
				hint:    "use the other repository's action directly, as owner/repo/path@ and a commit's 40 hex digits",
				state:   Unknown,
			}
		},
	}
}
