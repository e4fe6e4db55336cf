// Package actionslock reads GitHub's lock file of actions,
// .github/workflows/actions.lock, in which a workflow's "actions/checkout@v5" is
// tied to a commit (github.com/github/actions-lockfile, schemas v0.0.1 and
// v0.0.2; written by gh actions-lock).
package actionslock

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// MaxSize is the size above which GitHub refuses the file.
const MaxSize = 1 << 20

// Entry is what the lock says about one pin key.
type Entry struct {
	Key    string // OWNER/REPO@REF, owner and repository in lower case
	Ref    string
	Commit string // 40 or 64 hex digits
	Uses   []string
	Line   int
	Column int
	keys   []string // as written, in other letter cases
}

// Workflow is one that the lock covers.
type Workflow struct {
	Path string
	Pins []Pin
	Line int
}

// Pin is one action that a workflow may use, itself or through others.
type Pin struct {
	Key          string
	Line, Column int
}

// Lock is a lock file that could be read.
type Lock struct {
	Version   string
	Workflows map[string]Workflow
	Entries   map[string]Entry
}

// Problem is something that GitHub or its tool would refuse.
type Problem struct {
	Line, Column int
	Msg          string
}

var (
	version = regexp.MustCompile(`^v\d+\.\d+\.\d+$`)
	keyForm = regexp.MustCompile(`^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)@([^\s:]+)$`)
	oldHash = regexp.MustCompile(`:sha(1|256)-[0-9a-f]+$`)
	commit  = regexp.MustCompile(`^(sha1-[0-9a-f]{40}|sha256-[0-9a-f]{64})$`)
	fullSHA = regexp.MustCompile(`^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)
)

// Key is the pin key of a reference: without the folder in the repository, owner
// and repository in lower case.
func Key(uses string) string {
	name, ref, ok := strings.Cut(uses, "@")
	parts := strings.SplitN(name, "/", 3)
	if !ok || len(parts) < 2 {
		return ""
	}
	return strings.ToLower(parts[0]+"/"+parts[1]) + "@" + ref
}

type parser struct {
	lock     Lock
	problems []Problem
}

func (p *parser) say(n *yaml.Node, format string, args ...any) {
	p.problems = append(p.problems, Problem{n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// Parse reads a lock file. With problems the lock holds what could be read.
func Parse(data []byte) (Lock, []Problem) {
	p := &parser{lock: Lock{Workflows: map[string]Workflow{}, Entries: map[string]Entry{}}}
	top := &yaml.Node{Line: 1, Column: 1}
	if len(data) > MaxSize {
		p.say(top, "it has %d bytes; GitHub reads at most %d", len(data), MaxSize)
		return p.lock, p.problems
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		p.say(top, "%v", err)
		return p.lock, p.problems
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		p.say(top, "it is no mapping")
		return p.lock, p.problems
	}
	var workflows, dependencies *yaml.Node
	for key, v := range pairs(p, doc.Content[0]) {
		switch key.Value {
		case "version":
			p.lock.Version = v.Value
			switch {
			case !version.MatchString(v.Value):
				p.say(v, "version %q is not supported", v.Value)
			case v.Value != "v0.0.1" && v.Value != "v0.0.2":
				p.say(v, "version %s is newer than this reader: upgrade fairlead", v.Value)
			}
		case "workflows":
			workflows = v
		case "dependencies":
			dependencies = v
		default:
			p.say(key, "unknown key %q", key.Value)
		}
	}
	if p.lock.Version == "" {
		p.say(top, "it has no version")
	}
	if len(p.problems) > 0 && p.lock.Version != "v0.0.1" && p.lock.Version != "v0.0.2" {
		return p.lock, p.problems
	}
	p.dependencies(dependencies)
	p.workflows(workflows)
	p.cycles()
	return p.lock, p.problems
}

// pairs yields a mapping's keys and values; a key that comes twice is an error.
func pairs(p *parser, n *yaml.Node) func(func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if seen[n.Content[i].Value] {
				p.say(n.Content[i], "key %q comes twice", n.Content[i].Value)
			}
			seen[n.Content[i].Value] = true
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// key reads a pin key as written; "" after a problem.
func (p *parser) key(n *yaml.Node) string {
	text := n.Value
	if p.lock.Version == "v0.0.1" {
		text = oldHash.ReplaceAllString(text, "")
	}
	m := keyForm.FindStringSubmatch(text)
	if m == nil {
		p.say(n, "%q is no OWNER/REPO@REF", n.Value)
		return ""
	}
	return strings.ToLower(m[1]) + "@" + m[2]
}

func (p *parser) dependencies(n *yaml.Node) {
	for key, v := range pairs(p, n) {
		k := p.key(key)
		if k == "" {
			continue
		}
		e := Entry{Key: k, Line: key.Line, Column: key.Column, keys: []string{key.Value}}
		p.entry(&e, v, key)
		if old, ok := p.lock.Entries[k]; ok {
			if old.Ref != e.Ref || old.Commit != e.Commit {
				p.say(key, "%q and %q are the same action with different content", old.keys[0], key.Value)
			}
			continue
		}
		p.lock.Entries[k] = e
	}
}

func (p *parser) entry(e *Entry, n, key *yaml.Node) {
	tag, branch := "", ""
	ids := map[string]string{}
	for k, v := range pairs(p, n) {
		switch k.Value {
		case "ref":
			e.Ref = v.Value
		case "tag", "branch":
			if p.lock.Version != "v0.0.1" {
				p.say(k, "unknown key %q", k.Value)
			}
			if k.Value == "tag" {
				tag = v.Value
			} else {
				branch = v.Value
			}
		case "commit":
			e.Commit = v.Value
			if !commit.MatchString(v.Value) {
				p.say(v, "commit %q is not sha1- and 40, or sha256- and 64 hex digits", v.Value)
			}
		case "owner_id", "repo_id":
			ids[k.Value] = v.Value
		case "uses":
			for _, u := range v.Content {
				if uk := p.key(u); uk != "" {
					e.Uses = append(e.Uses, uk)
				}
			}
		default:
			p.say(k, "unknown key %q", k.Value)
		}
	}
	_, own, _ := strings.Cut(e.Key, "@")
	if p.lock.Version == "v0.0.1" {
		e.Ref = first(e.Ref, tag, branch, own)
	}
	for _, id := range []string{"owner_id", "repo_id"} {
		if ids[id] == "" || ids[id] == "0" {
			p.say(key, "%s has no %s", e.Key, id)
		}
	}
	_, hex, _ := strings.Cut(e.Commit, "-")
	switch {
	case e.Ref == "":
		p.say(key, "%s has no ref", e.Key)
	case e.Commit == "":
		p.say(key, "%s has no commit", e.Key)
	case fullSHA.MatchString(own):
		if !strings.EqualFold(own, hex) {
			p.say(key, "%s is a commit, and the entry says %s", e.Key, e.Commit)
		}
	case e.Ref != own:
		p.say(key, "%s is locked for ref %q", e.Key, e.Ref)
	}
	e.Commit = hex
}

func first(s ...string) string {
	i := slices.IndexFunc(s, func(x string) bool { return x != "" })
	if i < 0 {
		return ""
	}
	return s[i]
}

func (p *parser) workflows(n *yaml.Node) {
	for key, v := range pairs(p, n) {
		path := key.Value
		if strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\\:") || slices.Contains(strings.Split(path, "/"), "..") || strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 }) {
			p.say(key, "workflow %q is no path of the repository", path)
			continue
		}
		w := Workflow{Path: path, Line: key.Line}
		for _, item := range v.Content {
			k := p.key(item)
			if k == "" {
				continue
			}
			w.Pins = append(w.Pins, Pin{k, item.Line, item.Column})
			if _, ok := p.lock.Entries[k]; !ok {
				p.say(item, "%s has no entry under dependencies", k)
			}
		}
		p.lock.Workflows[path] = w
	}
}

// cycles refuses actions that use themselves through others.
func (p *parser) cycles() {
	state := map[string]int{} // 1: on the way, 2: done
	var visit func(k string) bool
	visit = func(k string) bool {
		switch state[k] {
		case 1:
			return true
		case 2:
			return false
		}
		state[k] = 1
		for _, u := range p.lock.Entries[k].Uses {
			if visit(u) {
				return true
			}
		}
		state[k] = 2
		return false
	}
	keys := make([]string, 0, len(p.lock.Entries))
	for k := range p.lock.Entries {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if visit(k) {
			e := p.lock.Entries[k]
			p.problems = append(p.problems, Problem{e.Line, e.Column, k + " uses itself through other actions"})
			return
		}
	}
}
