package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func actionNotPinned() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/not-pinned", Severity: finding.Error, Title: "an action is named by a tag or branch, which its owner can move"},
		func(a actionUse) *complaint {
			if a.repository == "" || sha1Hex.MatchString(a.ref) {
				return nil
			}
			what := quote(a.ref) + " is a branch or tag, which its owner can move; only a commit's SHA stays"
			if versionly.MatchString(a.ref) {
				what = "the tag " + quote(a.ref) + " can move to other code; only a commit's SHA stays"
			}
			return &complaint{message: what, hint: shaHint(a), state: Unpinned}
		},
	}
}
