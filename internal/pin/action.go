package pin

import (
	"math"
	"regexp"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/pin/workflow"
)

// actionUse is a "uses:" taken apart.
type actionUse struct {
	workflow.Use
	repository string // owner/repo, "" for local and self references
	path       string // inside the repository, or the local path
	ref        string // behind the @
	hasRef     bool
	local      bool // ./path
	self       bool // $/path
	// onboarded says that actions.lock covers the workflow, locked that it holds
	// this action for it.
	onboarded, locked bool
}

// remoteAction takes owner/repo[/path][@ref] apart; all is "" if it is none.
func remoteAction(s string) (repository, path, ref string) {
	name, ref, hasRef := strings.Cut(s, "@")
	owner, rest, _ := strings.Cut(name, "/")
	repo, path, _ := strings.Cut(rest, "/")
	if strings.HasPrefix(owner, "-") || !consists(owner, "-") || !consists(repo, "._-") || hasRef && ref == "" || strings.ContainsAny(s, " \t\n\f\r") {
		return "", "", ""
	}
	return owner + "/" + repo, path, ref
}

// consists says whether a word has letters, digits and the others given only.
func consists(s, others string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(others, c) >= 0) {
			return false
		}
	}
	return s != ""
}

func parseUse(u workflow.Use) actionUse {
	a := actionUse{Use: u}
	switch {
	case strings.HasPrefix(u.Ref, "."), strings.HasPrefix(u.Ref, "/"):
		a.local, a.path = true, u.Ref
	case strings.HasPrefix(u.Ref, "$/"):
		a.self = true
		a.path, a.ref, a.hasRef = strings.Cut(u.Ref, "@")
	default:
		a.repository, a.path, a.ref = remoteAction(u.Ref)
		a.hasRef = strings.Contains(u.Ref, "@")
	}
	return a
}

// actionRules are the rules about actions and reusable workflows.
var actionRules = sync.OnceValue(func() []rule[actionUse] {
	return []rule[actionUse]{
		actionExpression(), actionInvalid(), actionTraversal(), actionForeignCheckout(), actionLocal(),
		actionLockChanged(), actionLookAlike(), actionSHA256(), actionNotPinned(), actionNoVersionComment(),
	}
})

// use judges one "uses:".
func (c *checker) use(at place, u workflow.Use) {
	if image, ok := strings.CutPrefix(u.Ref, "docker://"); ok && u.Place == workflow.Step {
		c.image(at.after(len("docker://")), imageUse{raw: image, ref: image, where: "docker://", unknown: strings.Contains(image, "${{")})
		return
	}
	a := parseUse(u)
	s := Subject{Kind: Action, Name: a.repository, Ref: u.Ref, State: Pinned, By: "sha"}
	switch {
	case a.local:
		s.Name, s.State, s.By = a.path, Local, ""
	case a.self:
		s.Name, s.By = a.path, "self"
	case a.path != "":
		s.Name += "/" + a.path
	case a.repository == "":
		s.Name = u.Ref
	}
	rules := actionRules()
	if a.onboarded, a.locked = c.lockedAction(at.path, u.Ref); a.locked && !sha1Hex.MatchString(a.ref) {
		s.By = "lock"
		rules = []rule[actionUse]{actionExpression(), actionInvalid()} // the lock answers the rest
	}
	judge(c, at, &s, rules, a)
	c.add(at, s)
	c.askAction(at, a)
}

var (
	sha1Hex   = hexWord{40, 40}
	sha256Hex = hexWord{64, 64}
	hexOnly   = hexWord{1, math.MaxInt}
	hasSHA    = regexp.MustCompile(`[0-9a-fA-F]{40}`)
	versionly = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*([-.+][0-9A-Za-z.-]+)?$`)
)

// shaHint says how to write an action's commit, and how to find the one that its
// tag or branch names today.
func shaHint(a actionUse) string {
	name := a.repository
	if a.path != "" {
		name += "/" + a.path
	}
	hint := "write " + name + "@ and the commit's 40 hex digits, with the version behind it as a comment"
	if ref := shellWord(a.ref); ref != "" && !hasSHA.MatchString(ref) && !hexOnly.MatchString(ref) {
		hint += "; the last line of git ls-remote https://github.com/" + a.repository + " " + ref + " '" + ref + "^{}' has them"
	}
	return hint
}
