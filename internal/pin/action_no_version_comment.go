package pin

import (
	"regexp"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// versionComment finds a version in a comment, in the forms of the tools that
// write them: "v4.1.0", "tag=v4", "ratchet:actions/checkout@v4", "pin@v4".
var versionComment = regexp.MustCompile(`(^|[\s=@:/])v?[0-9]+(\.[0-9]+)*\b`)

func actionNoVersionComment() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/no-version-comment", Severity: finding.Note, OptIn: true, Title: "a SHA without a comment that says which version it is"},
		func(a actionUse) *complaint {
			if a.repository == "" || versionComment.MatchString(a.Comment) {
				return nil
			}
			return &complaint{
				message: "a reader cannot tell which version this SHA is, and update tools keep the comment current",
				hint:    "add the version behind it: # v1.2.3",
			}
		},
	}
}
