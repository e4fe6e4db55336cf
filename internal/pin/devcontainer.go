package pin

import (
	"errors"
	"path"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/devcontainer"
)

func devcontainerUnparsable() Rule {
	return Rule{ID: "devcontainer/unparsable", Severity: finding.Error, Title: "a devcontainer.json or its lock that cannot be read"}
}

// feature is a feature of a development container, ready to be judged.
type feature struct {
	devcontainer.Text
	lock     string // the lock's name, "" where there is none
	locked   *devcontainer.Locked
	name     string // without tag and digest
	digest   string
	download bool // a URL of an archive
}

// featureRules are the rules about features.
var featureRules = sync.OnceValue(func() []rule[feature] { return []rule[feature]{devcontainerFeature()} })

// devcontainer checks one devcontainer.json with the lock of its features.
func (c *checker) devcontainer(f source) {
	data, lines, ok := c.read(f.path)
	if !ok {
		return
	}
	at := func(s devcontainer.Span) place { return placeOf(f.path, lines, s.Start, s.End) }
	file, err := devcontainer.Read(data)
	if err != nil {
		c.noJSON(f.path, lines, err)
		return
	}
	for _, i := range file.Images {
		c.image(at(i.Span), imageUse{raw: i.Raw, ref: i.Ref, where: "devcontainer", unset: i.Unset})
	}
	lock, locked := c.featureLock(f.path)
	for _, x := range file.Features {
		u := feature{Text: x, lock: lock, locked: locked[x.Raw], download: strings.Contains(x.Raw, "://")}
		if strings.HasPrefix(x.Raw, ".") {
			c.add(at(x.Span), Subject{Kind: Tool, Name: x.Raw, Ref: x.Raw, State: Local})
			continue
		}
		u.name, u.digest = x.Raw, ""
		if !u.download {
			_, u.digest, _ = splitDigest(x.Raw)
			u.name = imageName(x.Raw)
		}
		s := Subject{Kind: Tool, Name: u.name, Ref: x.Raw, State: Pinned, By: "digest"}
		if u.digest == "" {
			s.By = "lock"
		}
		judge(c, at(x.Span), &s, featureRules(), u)
		c.add(at(x.Span), s)
	}
	for _, d := range file.Dockerfiles {
		c.follow(f.path, d.Raw, kindDockerfile)
	}
	for _, d := range file.Composes {
		c.follow(f.path, d.Raw, kindCompose)
	}
	for _, s := range file.Scripts {
		c.commands(f.path, script{text: s.Text, at: s.At, dir: workspace(f.path)}, at(s.Span), func(a, b int) place { return at(devcontainer.Span{Start: a, End: b}) })
	}
}

// noJSON reports a file that cannot be read.
func (c *checker) noJSON(name string, lines *finding.Lines, err error) {
	offset := 0
	var p *devcontainer.Problem
	if errors.As(err, &p) {
		offset = p.Offset
	}
	c.say(devcontainerUnparsable(), placeOf(name, lines, offset, offset), complaint{message: finding.PrintableLine(err.Error()), hint: "repair the file: no tool could open the container either"})
}

// featureLock reads the lock beside a devcontainer.json, whose name begins with a
// dot if that one's does.
func (c *checker) featureLock(name string) (lock string, locked map[string]*devcontainer.Locked) {
	lock = "devcontainer-lock.json"
	if strings.HasPrefix(path.Base(name), ".") {
		lock = "." + lock
	}
	lock = path.Join(path.Dir(name), lock)
	if !c.there(lock) {
		return "", nil
	}
	data, lines, ok := c.read(lock)
	if !ok {
		return "", nil
	}
	list, err := devcontainer.ReadLock(data)
	if err != nil {
		c.noJSON(lock, lines, err)
		return "", nil
	}
	locked = map[string]*devcontainer.Locked{}
	for i := range list {
		locked[list[i].Key] = &list[i]
	}
	return lock, locked
}

// workspace is the folder that a devcontainer.json is for, where its commands run.
func workspace(name string) string {
	dir := path.Dir(name)
	if i := strings.LastIndex("/"+dir+"/", "/.devcontainer/"); i >= 0 {
		dir = strings.TrimSuffix(dir[:i], "/")
	}
	if dir == "." {
		return ""
	}
	return dir
}
