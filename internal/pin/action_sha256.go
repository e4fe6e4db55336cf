package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func actionSHA256() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/sha256", Severity: finding.Warning, Title: "64 hex digits name a commit only in a repository that uses SHA-256"},
		func(a actionUse) *complaint {
			if a.repository == "" || !sha256Hex.MatchString(a.ref) {
				return nil
			}
			return &complaint{
				message: "64 hex digits are a commit only where the repository uses SHA-256; elsewhere they can be a branch's or tag's name",
				hint:    "check the repository's object format; GitHub's repositories use SHA-1, with 40 digits",
				state:   Unknown,
			}
		},
	}
}
