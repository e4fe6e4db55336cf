package pin

import (
	"bytes"
	"io"
	"io/fs"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/actionslock"
)

// actionsLockPath is where GitHub looks for the lock of actions.
const actionsLockPath = ".github/workflows/actions.lock"

func actionLockInvalid() Rule {
	return Rule{ID: "action/lock-invalid", Severity: finding.Error, Title: "the lock of actions holds something that GitHub refuses"}
}

func actionLockStale() Rule {
	return Rule{ID: "action/lock-stale", Severity: finding.Warning, Title: "the lock of actions names a workflow or an action that is not there any more"}
}

// actionLockChanged is about a workflow that the lock covers.
func actionLockChanged() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/lock-changed", Severity: finding.Error, Title: "a workflow uses an action that its lock does not hold"},
		func(a actionUse) *complaint {
			if !a.onboarded || a.locked || a.repository == "" || sha1Hex.MatchString(a.ref) {
				return nil
			}
			return &complaint{message: quote(a.Ref) + " is not in the lock of this workflow: it was changed since the lock was made", hint: "run: gh actions-lock, and commit the lock", state: Unpinned}
		},
	}
}

// openActionsLock reads the lock, if there is one. It is read also when other
// files are asked about: it decides what pins them.
func (c *checker) openActionsLock(listed bool) {
	f, err := c.fsys.Open(actionsLockPath)
	if err != nil {
		return
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, actionslock.MaxSize+1))
	if err != nil {
		return
	}
	l, problems := actionslock.Parse(bytes.TrimPrefix(data, []byte("\ufeff")))
	c.actions = &l
	if !listed {
		return
	}
	if !c.seen[actionsLockPath] {
		c.seen[actionsLockPath] = true
		c.ignores = append(c.ignores, ignoresIn(actionsLockPath, data)...)
	}
	at := func(line, column int) place {
		return place{path: actionsLockPath, line: line, col: column, endLine: line, endCol: column}
	}
	for _, p := range problems {
		c.say(actionLockInvalid(), at(p.Line, p.Column), complaint{message: finding.PrintableLine(p.Msg), hint: "make it anew: gh actions-lock"})
	}
	c.staleActions(l, at)
}

// staleActions reports what the lock keeps although nothing uses it.
func (c *checker) staleActions(l actionslock.Lock, at func(line, column int) place) {
	used := map[string]bool{}
	for _, w := range l.Workflows {
		if _, err := fs.Stat(c.fsys, w.Path); err != nil {
			c.say(actionLockStale(), at(w.Line, 5), complaint{message: "the workflow " + quote(w.Path) + " is not there any more", hint: "run: gh actions-lock, and commit the lock"})
			continue
		}
		for _, p := range w.Pins {
			used[p.Key] = true
		}
	}
	for _, e := range l.Entries {
		if !used[e.Key] {
			c.say(actionLockStale(), at(e.Line, e.Column), complaint{message: "no workflow of the lock uses " + quote(e.Key), hint: "run: gh actions-lock, and commit the lock"})
		}
	}
}

// lockedAction says whether the lock covers a workflow, and holds the action
// that it uses.
func (c *checker) lockedAction(workflow, uses string) (onboarded, locked bool) {
	if c.actions == nil {
		return false, false
	}
	w, ok := c.actions.Workflows[workflow]
	if !ok {
		return false, false
	}
	key := actionslock.Key(uses)
	_, known := c.actions.Entries[key]
	return true, known && slices.ContainsFunc(w.Pins, func(p actionslock.Pin) bool { return p.Key == key })
}
