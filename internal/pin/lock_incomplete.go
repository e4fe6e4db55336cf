package pin

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/tags"
)

func lockIncomplete() Rule {
	return Rule{ID: "lock/incomplete", Severity: finding.Error, Title: "a hashed requirements file lacks a package that another one needs"}
}

// pythons are those for which a gap is looked for: one that all of them have is a
// gap whatever the file was compiled for.
func pythons() [][2]int { return [][2]int{{3, 10}, {3, 11}, {3, 12}, {3, 13}, {3, 14}} }

// wheelFolders are where wheels of a requirements file may lie in the tree: what
// it names, and the usual folder.
func wheelFolders(name string, set *reqfile.Set) []string {
	out := []string{path.Join(path.Dir(name), "wheelhouse"), "wheelhouse"}
	for _, it := range set.Items {
		if it.Kind == reqfile.Option && it.Name == "--find-links" && !strings.Contains(it.Value, "://") {
			out = append(out, path.Join(path.Dir(it.Pos.Path), it.Value), path.Clean(it.Value)) // pip looks from the folder of the command
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return !fs.ValidPath(s) })
}

// incomplete looks for what hashed requirements files lack, where the metadata of
// their packages is at hand: in wheels of the tree, and from the source when
// everything is to be verified.
func (c *checker) incomplete(ctx context.Context) {
	online := c.cfg.Source != nil && c.cfg.Verify
	houses := newWheelhouses(c.fsys)
	for _, s := range c.asked.sets {
		if len(c.readers[s.path]) > 0 && !slices.Contains(c.resolved, s.path) {
			continue // every command that reads it says --no-deps
		}
		local := houses.in(s.links)
		if len(local) == 0 && !online {
			continue
		}
		l, err := lock.Read(c.fsys, s.path, c.cfg.Getenv)
		if err != nil {
			continue // what is wrong with it was said
		}
		if online {
			if err := c.fetchRequires(ctx, l.Packages); err != nil {
				c.unanswered = true
				c.say(onlineUnanswered(), place{path: s.path, line: 1, col: 1, endLine: 1, endCol: 1},
					complaint{message: "whether every dependency is listed could not be verified: " + finding.PrintableLine(err.Error()), hint: "run again"})
			}
		}
		for _, g := range gapsOf(l, known{local, c.answers}) {
			p := g.Package
			message := quote(p.Name+" "+p.Version) + " needs " + quote(g.Needs.String()) + ", and the file does not have it"
			if g.Have != "" {
				message = quote(p.Name+" "+p.Version) + " needs " + quote(g.Needs.String()) + ", and the file has " + g.Have
			}
			at := place{path: p.Path, line: p.Line, col: p.Column, endLine: p.Line, endCol: p.Column + len(p.Name)}
			c.say(lockIncomplete(), at, complaint{message: message + ": in hash mode pip installs nothing that is not listed", hint: c.compileHint(s.path)})
		}
	}
}

// fetchRequires asks the source what packages need; an error is one of a service.
func (c *checker) fetchRequires(ctx context.Context, packages []lock.Package) error {
	keys := distinct(packages, func(p lock.Package) string { return p.Name + "==" + p.Version })
	fetch(ctx, c.answers, c.answers.requires, keys, func(ctx context.Context, key string) ([]string, error) {
		name, version, _ := strings.Cut(key, "==")
		return c.cfg.Source.Requires(ctx, name, version)
	})
	for _, k := range keys {
		if err := c.answers.requires[k].err; err != nil && !errors.Is(err, ErrNotKnown) && !errors.Is(err, ErrAbsent) {
			return err
		}
	}
	return nil
}

// gapsOf are the gaps that a lock has for every Python.
func gapsOf(l lock.Lock, m lock.Metadata) []lock.Gap {
	var out []lock.Gap
	first := true
	for _, py := range pythons() {
		gaps, _, err := l.Incomplete(lock.Target{Env: tags.Target{Arch: "amd64", Python: py}.MarkerEnv()}, m)
		if err != nil {
			continue // the lock is not for this one
		}
		if first {
			out, first = gaps, false
			continue
		}
		out = slices.DeleteFunc(out, func(g lock.Gap) bool {
			return !slices.ContainsFunc(gaps, func(o lock.Gap) bool { return o.Package.Name == g.Package.Name && o.Needs.String() == g.Needs.String() })
		})
	}
	return out
}
