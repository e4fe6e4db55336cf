package ledger

import (
	"regexp"
	"strings"
)

// refusals are what GitHub and other forges say when they refuse a push, and
// what to do about each. The first that matches counts.
func refusals() []struct{ pattern, hint string } {
	return []struct{ pattern, hint string }{
		{`GH013|rule violations|push declined due to repository rule`,
			"a ruleset covers the ledger's branches. Exclude promote/** from it (Settings, Rules, the ruleset's target branches), or let a GitHub App that may bypass it write: secrets app-id and app-private-key"},
		{`GH006|[Pp]rotected branch`,
			"branch protection covers the ledger's branches. Exclude promote/** from its pattern, or allow this identity to push there (Settings, Branches)"},
		{`refusing to allow an? (GitHub App|OAuth App|integration|Personal Access Token) to create or update workflow`,
			"the ledger holds no workflows: is the remote the right one?"},
		{`Permission to \S+ denied|Write access to repository not granted|error: 403|HTTP 403`,
			"the token may only read. Give the job permissions: contents: write, and github-token: the job's own or an App's; pull requests of forks never get it"},
		{`GH001|exceeds GitHub's file size limit|pre-receive hook declined|hook declined`,
			"a hook of the remote refuses the push; its words stand above"},
		{`Authentication failed|could not read Username|Invalid username or (password|token)|terminal prompts disabled|error: 401|HTTP 401`,
			"git has no credentials for this remote: give github-token, or check out with persist-credentials"},
		{`Permission denied \(publickey|marked as read only`,
			"git reaches this remote over ssh, and its key may not write here: give the deploy key write access, or name an https remote and github-token"},
		{`shallow update not allowed`, "the remote does not take pushes from here; name another remote with --ledger"},
		{`[Rr]epository not found|does not appear to be a git repository`, "is the remote right, and may this token see it?"},
	}
}

// refusalHint is the next step after a refused push, "" if nothing is known.
func refusalHint(said string) string {
	for _, r := range refusals() {
		if regexp.MustCompile(r.pattern).MatchString(said) {
			return r.hint
		}
	}
	return ""
}

// transient says whether a push failed for a reason that may be gone in a moment.
func transient(said string) bool {
	for _, text := range []string{"timed out", "Connection reset", "early EOF", "unexpected disconnect", "RPC failed", "HTTP 50", "error: 50", "error: 429", "Could not resolve host", "Connection refused", "internal server error", "the remote end hung up"} {
		if strings.Contains(said, text) {
			return true
		}
	}
	return false
}
