package pin

import (
	"fmt"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func actionLookAlike() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/look-alike", Severity: finding.Error, Title: "a reference looks like a commit's SHA and is a branch, a tag or a part of one"},
		func(a actionUse) *complaint {
			what := ""
			n := len(a.ref)
			switch {
			case a.repository == "" || sha1Hex.MatchString(a.ref) || sha256Hex.MatchString(a.ref):
			case hexOnly.MatchString(a.ref) && n > 40:
				what = fmt.Sprintf("%d hex digits are no SHA, which has 40: GitHub looks for a branch or tag of that name", n)
			case hasSHA.MatchString(a.ref):
				what = "the 40 hex digits are a part of a branch's or tag's name, which can move"
			case hexOnly.MatchString(a.ref) && n >= 7 && strings.ContainsAny(a.ref, "abcdefABCDEF") && strings.ContainsAny(a.ref, "0123456789"):
				what = fmt.Sprintf("a SHA shortened to %d digits can come to mean another commit, a branch or a tag", n)
			}
			if what == "" {
				return nil
			}
			return &complaint{message: what, hint: shaHint(a), state: Unpinned}
		},
	}
}
