package pin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

// maxAsking is how many services are asked at once.
const maxAsking = 8

// answers are what the source said, each question asked once.
type answers struct {
	mu       sync.Mutex
	refs     map[string]answered[Refs]
	reach    map[string]answered[bool] // by repository@commit
	digests  map[string]answered[string]
	releases map[string]answered[[]Release]
	requires map[string]answered[[]string] // by name==version
}

type answered[T any] struct {
	value T
	err   error
}

// fetch asks about many things at once and remembers the answers.
func fetch[T any](ctx context.Context, a *answers, into map[string]answered[T], keys []string, ask func(context.Context, string) (T, error)) {
	var g errgroup.Group
	g.SetLimit(maxAsking)
	for _, k := range keys {
		a.mu.Lock()
		_, known := into[k]
		a.mu.Unlock()
		if known {
			continue
		}
		g.Go(func() error {
			v, err := ask(ctx, k)
			a.mu.Lock()
			defer a.mu.Unlock()
			into[k] = answered[T]{v, err}
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
}

func newAnswers() *answers {
	return &answers{refs: map[string]answered[Refs]{}, reach: map[string]answered[bool]{}, digests: map[string]answered[string]{}, releases: map[string]answered[[]Release]{}, requires: map[string]answered[[]string]{}}
}

// fold is a repository's name without regard to case, as GitHub knows it.
func fold(repository string) string { return strings.ToLower(repository) }

func distinct[T any](list []T, key func(T) string) []string {
	var out []string
	seen := map[string]bool{}
	for _, x := range list {
		if k := key(x); k != "" && !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

// verify asks the source about all that was found: the commits belong to their
// repositories, the comments to the commits, and the images exist. It says
// whether something could not be answered.
func (c *checker) verify(ctx context.Context) {
	src, a := c.cfg.Source, c.answers
	locked := c.lockedActions()
	for _, l := range locked { // its commits are verified as those of workflows
		c.asked.actions = append(c.asked.actions, l.askedAction)
	}
	fetch(ctx, a, a.refs, distinct(c.asked.actions, func(a askedAction) string { return fold(a.use.repository) }), src.Refs)
	commits := distinct(c.asked.actions, func(a askedAction) string {
		refs := c.answers.refs[fold(a.use.repository)]
		if refs.err != nil || !sha1Hex.MatchString(a.use.ref) || isHead(refs.value, a.use.ref) {
			return "" // the head of a branch is in its history
		}
		return fold(a.use.repository) + "@" + strings.ToLower(a.use.ref)
	})
	fetch(ctx, a, a.reach, commits, func(ctx context.Context, key string) (bool, error) {
		repository, commit, _ := strings.Cut(key, "@")
		return src.Contains(ctx, repository, commit)
	})
	fetch(ctx, a, a.digests, distinct(c.asked.images, func(i askedImage) string { return i.use.ref }), src.Digest)
	for _, a := range c.asked.actions {
		c.verifyAction(a)
	}
	for _, i := range c.asked.images {
		c.verifyImage(i)
	}
	c.verifyLock(locked)
}

func isHead(refs Refs, commit string) bool {
	for _, head := range refs.Branches {
		if strings.EqualFold(head, commit) {
			return true
		}
	}
	return false
}

func (c *checker) verifyAction(a askedAction) {
	if c.cfg.Fix && !sha1Hex.MatchString(a.use.ref) {
		return // its fix says what there is to say
	}
	got := c.answers.refs[fold(a.use.repository)]
	if !c.answer(a.at, "the repository "+quote(a.use.repository), got.err, actionNotFound()) {
		return
	}
	refs, sha := got.value, strings.ToLower(a.use.ref)
	if !sha1Hex.MatchString(a.use.ref) {
		if _, ok := refs.commit(a.use.ref); !ok && a.use.hasRef && !sha256Hex.MatchString(a.use.ref) && !strings.Contains(a.use.ref, "${{") && !hexOnly.MatchString(a.use.ref) {
			c.say(actionNotFound(), a.at, complaint{message: quote(a.use.repository) + " has no branch or tag " + quote(a.use.ref), hint: "see https://github.com/" + a.use.repository + "/tags"})
		}
		return
	}
	if _, ok := refs.commit(a.use.ref); ok {
		c.say(actionMisleadingSHA(), a.at, complaint{message: quote(a.use.repository) + " has a branch or tag of this name, which looks like a commit's SHA and can move",
			hint: "take another commit, and ask the owner what the name is for"})
		return
	}
	if !isHead(refs, sha) && !c.reachable(a, sha) {
		return
	}
	if v := versionIn(a.use.Comment); v != "" {
		if why := commentProblem(v, sha, refs); why != "" {
			hint := "write the version that the SHA is, or the SHA that the version is"
			if tag := bestTag(refs, sha, ""); tag != "" {
				hint = "the SHA is " + tag + ": write that, or the SHA that you meant"
			}
			c.say(actionCommentMismatch(), a.at, complaint{message: why, hint: hint})
		}
	}
}

// reachable says whether a commit is known to be the repository's own.
func (c *checker) reachable(a askedAction, sha string) bool {
	r := c.answers.reach[fold(a.use.repository)+"@"+sha]
	if r.err == nil && r.value {
		return true
	}
	if r.err != nil && !errors.Is(r.err, ErrAbsent) {
		c.answer(a.at, "whether "+quote(sha[:12])+" is in a branch of "+quote(a.use.repository), r.err, actionImpostor())
		return false
	}
	what := "no branch of " + quote(a.use.repository) + " has this commit"
	if r.err != nil {
		what = quote(a.use.repository) + " has no such commit"
	}
	c.say(actionImpostor(), a.at, complaint{message: what + ": GitHub also serves commits of every fork under the repository's name, so anybody may have written it",
		hint: "take the commit that a release's tag names, and look at what it holds"})
	return false
}

func (c *checker) verifyImage(i askedImage) {
	if c.cfg.Fix && !strings.Contains(i.use.ref, "@") {
		return // its fix says what there is to say
	}
	got := c.answers.digests[i.use.ref]
	c.answer(i.at, "the image "+quote(i.use.ref), got.err, imageNotFound())
}

// answer says true where there was one; otherwise it reports why there is none.
func (c *checker) answer(at place, what string, err error, absent Rule) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, ErrNotKnown):
		return false // a file of answers need not hold all
	case errors.Is(err, ErrAbsent):
		c.say(absent, at, complaint{message: what + " does not exist, or this token may not see it", hint: "look for a slip of the pen; a name that nobody holds can be taken by anybody"})
	default:
		c.unanswered = true
		c.say(onlineUnanswered(), at, complaint{message: what + " could not be verified: " + finding.PrintableLine(err.Error()), hint: "run again; GITHUB_TOKEN raises GitHub's limits"})
	}
	return false
}

// lockedAction is an entry of the lock of actions, as if it were used where it
// stands there.
type lockedAction struct {
	askedAction
	key, name string // OWNER/REPO@NAME, and the name, which the lock ties to a commit
}

// lockedActions are what the lock of actions holds, by key.
func (c *checker) lockedActions() []lockedAction {
	if c.actions == nil || !c.paths[actionsLockPath] {
		return nil
	}
	var out []lockedAction
	for _, k := range slices.Sorted(maps.Keys(c.actions.Entries)) {
		e := c.actions.Entries[k]
		repository, name, _ := strings.Cut(k, "@")
		at := place{path: actionsLockPath, line: e.Line, col: e.Column, endLine: e.Line, endCol: e.Column}
		out = append(out, lockedAction{askedAction{at, actionUse{repository: repository, ref: e.Commit, hasRef: true}}, k, name})
	}
	return out
}

// verifyLock compares the lock of actions with what its names mean today.
func (c *checker) verifyLock(locked []lockedAction) {
	for _, a := range locked {
		got := c.answers.refs[fold(a.use.repository)]
		if got.err != nil || sha1Hex.MatchString(a.name) {
			continue
		}
		if now, ok := got.value.commit(a.name); ok && !strings.EqualFold(now, a.use.ref) {
			c.say(actionLockMoved(), a.at, complaint{message: quote(a.key) + " is locked to " + a.use.ref[:min(12, len(a.use.ref))] + " and names " + now[:min(12, len(now))] + " today",
				hint: "nothing is wrong; to take the new one over, run: gh actions-lock"})
		}
	}
}
