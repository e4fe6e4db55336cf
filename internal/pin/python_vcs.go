package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func pythonVCS() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/vcs", Severity: finding.Error, Title: "a requirement is a repository's branch or tag, which can move"},
		func(u pyUse) *complaint {
			if !u.vcs() {
				return nil
			}
			rev := u.revision()
			git := strings.HasPrefix(strings.ToLower(u.address()), "git+")
			if git && commitID.MatchString(rev) {
				return nil
			}
			what := &complaint{context: u.why(), state: Unpinned, hint: "end the address with @ and the commit's 40 hex digits, or use a released version"}
			switch {
			case !git:
				what.message = "only git revisions name their content; this repository can change behind its revision"
			case rev == "":
				what.message = "no revision: the default branch moves with every push"
			default:
				what.message = quote(rev) + " is a branch, a tag or a short commit, which can move"
			}
			return what
		},
	}
}
