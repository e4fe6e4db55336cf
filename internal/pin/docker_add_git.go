package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/dockerfile"
)

func dockerAddGit() rule[dockerfile.Download] {
	return rule[dockerfile.Download]{
		Rule{ID: "docker/add-git", Severity: finding.Error, Title: "ADD clones a repository at a branch or tag, which can move"},
		func(d dockerfile.Download) *complaint {
			if !d.Git || commitID.MatchString(d.Commit()) {
				return nil
			}
			what := "no revision is given: the default branch moves with every push"
			if ref := d.Commit(); ref != "" {
				what = quote(ref) + " is a branch, a tag or a short commit, which can move"
			}
			return &complaint{message: what, hint: "end the address with # and the commit's 40 hex digits", state: Unpinned}
		},
	}
}
