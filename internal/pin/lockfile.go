package pin

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/fresh"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// locked is a package of a lock file, as the rules about it see it.
type locked struct{ lock.Package }

// lockedRules are the rules about a lock's packages.
var lockedRules = sync.OnceValue(func() []rule[locked] {
	return []rule[locked]{lockCommit(), lockNoHash(), lockSourceBuild()}
})

// freshness is a lock with the verdict about its manifest.
type freshness struct{ fresh.Result }

// freshnessRules are the rules about a lock as a whole.
var freshnessRules = sync.OnceValue(func() []rule[freshness] {
	return []rule[freshness]{lockStale(), lockUnknown()}
})

// lockfile checks one lock: what it pins, and whether it is still the manifest's.
func (c *checker) lockfile(f source) {
	if _, _, ok := c.read(f.path); !ok {
		return
	}
	l, err := lock.Read(c.fsys, f.path, c.cfg.Getenv)
	if err != nil {
		at, message := c.placeIn(f.path, err)
		c.say(lockUnparsable(), at, complaint{message: message, hint: "make it anew with its tool"})
		return
	}
	for _, p := range l.Packages {
		at := place{path: p.Path, line: p.Line, col: p.Column, endLine: p.Line, endCol: p.Column}
		s := Subject{Kind: Python, Name: p.Name, Ref: strings.TrimSuffix(p.Name+"=="+p.Version, "=="), State: Pinned, By: "hash"}
		switch p.Source.Kind {
		case lock.FromVCS:
			s.By = "commit"
		case lock.FromDirectory, lock.FromEditable, lock.FromMember:
			s.State, s.By = Local, ""
		}
		if s.State == Pinned {
			judge(c, at, &s, lockedRules(), locked{p})
		}
		c.add(at, s)
	}
	r, err := fresh.Check(c.fsys, f.path, fresh.Options{DefaultIndex: c.cfg.DefaultIndex})
	if err != nil {
		at, message := c.placeIn(f.path, err)
		c.say(lockUnparsable(), at, complaint{message: message, hint: "repair the manifest, or make the lock anew with its tool"})
		return
	}
	var whole Subject
	judge(c, place{path: f.path, line: max(r.Line, 1), col: 1, endLine: max(r.Line, 1), endCol: 1}, &whole, freshnessRules(), freshness{r})
}

// errorPlace is how packages lock and fresh begin an error that has a place.
var errorPlace = regexp.MustCompile(`^([^:\n]+):([0-9]{1,9}):([0-9]{1,9}): `)

// placeIn takes out of an error what a finding says anyway: the file, which may
// be the lock's manifest, and the place in it.
func (c *checker) placeIn(name string, err error) (place, string) {
	at := place{path: name, line: 1, col: 1, endLine: 1, endCol: 1}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "reading the lock "+name+": "), "reading the lock: ")
	if m := errorPlace.FindStringSubmatch(text); m != nil && (m[1] == name || c.there(m[1])) {
		at.path, text = m[1], text[len(m[0]):]
		at.line, _ = strconv.Atoi(m[2])
		at.col, _ = strconv.Atoi(m[3])
		at.endLine, at.endCol = at.line, at.col
	}
	return at, finding.PrintableLine(strings.TrimPrefix(text, name+": "))
}
