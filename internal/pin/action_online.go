package pin

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// The rules of this file need a Source: they are asked with --online only.

func actionNotFound() Rule {
	return Rule{ID: "action/not-found", Severity: finding.Error, Title: "a repository, branch or tag of an action that does not exist"}
}

func actionImpostor() Rule {
	return Rule{ID: "action/impostor", Severity: finding.Error, Title: "a SHA that is in no branch of the repository: it may come from anybody's fork"}
}

func actionMisleadingSHA() Rule {
	return Rule{ID: "action/misleading-sha", Severity: finding.Error, Title: "a branch or tag has a commit's SHA for its name"}
}

func actionCommentMismatch() Rule {
	return Rule{ID: "action/comment-mismatch", Severity: finding.Error, Title: "the version in the comment is not the SHA's"}
}

func actionLockMoved() Rule {
	return Rule{ID: "action/lock-moved", Severity: finding.Note, Title: "a tag or branch was moved since the lock of actions was made"}
}

func imageNotFound() Rule {
	return Rule{ID: "image/not-found", Severity: finding.Error, Title: "an image that its registry does not have"}
}

func onlineUnanswered() Rule {
	return Rule{ID: "online/unanswered", Severity: finding.Warning, Title: "a service did not answer, and something could not be verified"}
}

func onlineRules() []Rule {
	return []Rule{actionNotFound(), actionImpostor(), actionMisleadingSHA(), actionCommentMismatch(), actionLockMoved(), imageNotFound(), onlineUnanswered()}
}

// version that a comment names: "v4.1.0", "tag=v4", "ratchet:actions/checkout@v4".
var commentVersion = regexp.MustCompile(`(?:^|[\s=@:/])(v?[0-9]+(?:\.[0-9]+)*(?:[-.+][0-9A-Za-z][0-9A-Za-z.-]*)?)`)

// versionIn is the version that a comment begins with, "" without one: the
// tools that write them put it first, and a number later on means something else.
func versionIn(comment string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(comment), " ")
	if m := commentVersion.FindStringSubmatch(first); m != nil {
		return m[1]
	}
	return ""
}

// commentProblem says why a version does not belong to a SHA, "" if it does.
func commentProblem(version, sha string, refs Refs) string {
	for _, tag := range []string{version, "v" + version, strings.TrimPrefix(version, "v")} {
		if commit, ok := refs.Tags[tag]; ok {
			if strings.EqualFold(commit, sha) {
				return ""
			}
			return "the comment says " + quote(version) + ", and that tag is the commit " + commit[:min(12, len(commit))]
		}
	}
	if commit, ok := refs.Branches[version]; ok && strings.EqualFold(commit, sha) {
		return ""
	}
	return "the comment says " + quote(version) + ", and the repository has no such tag"
}

var plainVersion = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*$`)

// bestTag is the most exact version among the tags of a commit, so that v4.2.1
// is written where v4 was; "" if none looks like a version.
func bestTag(refs Refs, sha, like string) string {
	var tags []string
	for tag, commit := range refs.Tags {
		if commit == sha && plainVersion.MatchString(tag) {
			tags = append(tags, tag)
		}
	}
	slices.SortFunc(tags, func(a, b string) int {
		la, lb := strings.HasPrefix(a, like), strings.HasPrefix(b, like)
		switch {
		case la != lb && la:
			return -1
		case la != lb:
			return 1
		case strings.Count(a, ".") != strings.Count(b, "."):
			return strings.Count(b, ".") - strings.Count(a, ".")
		}
		return strings.Compare(b, a)
	})
	if len(tags) == 0 {
		return ""
	}
	return tags[0]
}
