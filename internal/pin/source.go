package pin

import (
	"context"
	"errors"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Source answers what files alone do not tell: which commit a tag names today,
// whether an image exists, which files a release has. Package pin/online asks
// GitHub, registries and package indexes; a Resolution is such answers in a file.
// Its methods are called from several goroutines.
//
// An error that Is ErrAbsent says that the thing does not exist, one that Is
// ErrNotKnown that this source cannot say; any other that a service failed.
type Source interface {
	// Refs lists the branches and tags of a repository, "owner/name".
	Refs(ctx context.Context, repository string) (Refs, error)
	// Contains says whether a commit is in the history of a branch of the
	// repository itself, not only of a fork.
	Contains(ctx context.Context, repository, commit string) (bool, error)
	// Digest is that of an image, by its tag or digest.
	Digest(ctx context.Context, image string) (string, error)
	// Releases lists the releases of a Python project, in any order.
	Releases(ctx context.Context, name string) ([]Release, error)
	// Requires lists what a release needs: the Requires-Dist of its metadata.
	Requires(ctx context.Context, name, version string) ([]string, error)
}

// ErrAbsent says that something does not exist, ErrNotKnown that a source cannot
// say.
var (
	ErrAbsent   = errors.New("it does not exist")
	ErrNotKnown = errors.New("the source does not say")
)

// Refs are a repository's branches and tags with the commits that they name;
// annotated tags are peeled.
type Refs struct {
	Branches map[string]string `json:"branches,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	// Default is the default branch, "" if it is not known.
	Default string `json:"default,omitempty"`
}

// commit is what a tag or else a branch names: GitHub's order for a "uses:".
func (r Refs) commit(ref string) (string, bool) {
	if sha, ok := r.Tags[ref]; ok {
		return sha, true
	}
	sha, ok := r.Branches[ref]
	return sha, ok
}

// Release is one version of a project.
type Release struct {
	Version string `json:"version"`
	// Hashes are of all its files that can be installed, "sha256:…".
	Hashes []string `json:"hashes"`
	// RequiresPython is the Pythons that it is for, "" for all.
	RequiresPython string `json:"requires_python,omitempty"`
	Yanked         bool   `json:"yanked,omitempty"`
	// Requires is what it needs (Requires-Dist); nil where that is not known.
	Requires []string `json:"requires,omitzero"`
}

// asked is what a Source is asked about, gathered while the files are judged.
type asked struct {
	actions []askedAction
	images  []askedImage
	python  []askedRequirement
	// sets are requirements files whose every line has a version and a hash.
	sets []hashedSet
}

// hashedSet is a requirements file that pip installs in hash mode.
type hashedSet struct {
	path  string
	links []string // folders that it or a convention names for wheels
}

type askedAction struct {
	at  place
	use actionUse
}

type askedImage struct {
	at  place
	use imageUse
}

// askedRequirement is a requirement of a file or a command.
type askedRequirement struct {
	at   place
	req  requirement.Requirement
	text string // as written
	// named: a version is written or a constraint gives it. hashed: pip can verify
	// its bytes. set is the requirements file of the command it belongs to, "" for
	// a command's own words; hashes are those written.
	named, hashed bool
	set           string
	hashes        []string
}

// ask notes what may be asked; without a source nothing is.
func (c *checker) askAction(at place, a actionUse) {
	if c.cfg.Source != nil && a.repository != "" {
		c.asked.actions = append(c.asked.actions, askedAction{at, a})
	}
}

func (c *checker) askImage(at place, u imageUse) {
	if c.cfg.Source != nil && len(u.unset) == 0 && !u.unknown && !u.variable && validReference(u.ref) == nil {
		c.asked.images = append(c.asked.images, askedImage{at, u})
	}
}

func (c *checker) askPython(a askedRequirement) {
	if c.cfg.Source != nil && a.req.Name != "" && a.req.URL == "" {
		c.asked.python = append(c.asked.python, a)
	}
}
