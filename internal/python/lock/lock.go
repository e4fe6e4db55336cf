// Package lock is the one model of a locked set of Python packages that
// build-image installs and pin-check judges, whatever format it comes from:
// requirements with hashes, poetry.lock, Pipfile.lock, uv.lock, pdm.lock and
// pylock.toml (PEP 751). The same pins in any of them select the same set.
//
// Read recognises the format by the file's name, Find picks a folder's lock,
// Lock.Select says what a target gets. Nothing is resolved and no network used.
package lock

import (
	"fmt"
	"slices"
	"time"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Format names the kind of a lock file.
type Format string

// The formats that Read knows.
const (
	Requirements Format = "requirements" // pip's, with exact versions and hashes
	Poetry       Format = "poetry.lock"  // lock-version 1.x and 2.x
	Pipfile      Format = "Pipfile.lock" // pipfile-spec 6
	UV           Format = "uv.lock"      // version 1
	PDM          Format = "pdm.lock"     // lock_version 4.x
	Pylock       Format = "pylock.toml"  // PEP 751, version 1.x
)

// Limits on what a lock may hold.
const (
	maxPackages = 20000
	maxEdges    = 200000
)

// Hash is a digest that a file must have.
type Hash struct{ Algorithm, Hex string }

// Lock is a complete, exact selection, before markers are evaluated.
type Lock struct {
	Path   string
	Format Format
	// Version is the format's own version as written, "" where it has none.
	Version string
	// Generator is the tool that wrote it, as the lock says: "Poetry 2.1.3".
	Generator string
	// RequiresPython are the Pythons the lock is for, as written (poetry writes
	// its own language: "^3.10"); "" where it does not say.
	RequiresPython string
	Packages       []Package
	// Extras of the project and Groups of dependencies that can be asked for,
	// in their PEP 503 form and sorted. The project's own dependencies are no
	// group. nil: the format has none.
	Extras, Groups []string
	// DefaultGroups are those that are installed unless others are asked for
	// (pylock.toml alone).
	DefaultGroups []string
	// Members are the projects of a workspace (uv alone), sorted.
	Members []string

	IndexURL       string // "" where the lock does not say
	ExtraIndexURLs []string
	FindLinks      []string
	NoIndex        bool

	// environments are the targets that the lock covers; empty: all.
	environments []*requirement.Marker
	graph        *graph // where what is selected follows from edges; else nil
}

// File is one file of a package, as far as the lock describes it.
type File struct {
	Name     string // "demo-1.0-py3-none-any.whl"
	URL      string // "" where an index must be asked
	Path     string // relative to the lock's folder, for files of the project
	Size     int64  // bytes, 0 where unknown
	Uploaded time.Time
	Hashes   []Hash
}

// SourceKind says where a package comes from.
type SourceKind string

// The kinds of sources.
const (
	FromIndex     SourceKind = "index"     // a package index; URL may be ""
	FromURL       SourceKind = "url"       // one file at a URL
	FromVCS       SourceKind = "vcs"       // a repository at a commit
	FromPath      SourceKind = "path"      // a file of the project
	FromDirectory SourceKind = "directory" // a source tree of the project
	FromEditable  SourceKind = "editable"  // likewise, installed as a link
	FromMember    SourceKind = "member"    // the project itself, or a member that is not installed
)

// Source is where a package comes from.
type Source struct {
	Kind         SourceKind
	URL          string // of the index, file or repository, as written
	Path         string // of a file or folder, as written
	VCS          string // "git", …
	Ref          string // what was asked for: a branch or tag
	Commit       string
	Subdirectory string
}

// Dependency is an edge from one locked package to another.
type Dependency struct {
	Name   string // PEP 503 form
	Extras []string
	// Version is exact where the lock says so, else "".
	Version string
	// Specifier is the range that was asked for, in the format's language.
	Specifier string
	Marker    *requirement.Marker
	// Extra is set for edges that exist only with that extra of the package.
	Extra    string
	optional bool   // poetry 1: only with an extra of the project
	python   string // poetry: a range of Pythons beside the marker
	source   string // uv: tells packages of one name and version apart
}

// Package is one locked package.
type Package struct {
	Name    string // PEP 503 form
	Version string // "" for source trees with a computed version
	Extras  []string
	Marker  *requirement.Marker // nil: always
	// Hashes are the digests that any of the package's files may have.
	Hashes []Hash
	// Files are the package's files where the lock lists them, else nil: then
	// Hashes alone say which files may be used.
	Files  []File
	Source Source
	// Main says that the project itself needs it, Groups which of its groups do;
	// both are empty in formats where it follows from edges (see Lock.Select).
	Main         bool
	Groups       []string
	Dependencies []Dependency
	// RequiresPython is the package's own range, as written.
	RequiresPython string

	// byGroup overrides Marker for a group ("" is the project itself).
	byGroup map[string]*requirement.Marker
	// optional packages are installed only by the project's extras (poetry 1).
	optional bool
	key      string // the source as uv's edges name it

	Path   string
	Line   int
	Column int
}

// At is where the package stands, as path:line.
func (p Package) At() string { return fmt.Sprintf("%s:%d", p.Path, p.Line) }

// SHA256 lists the SHA-256 digests, in hex.
func (p Package) SHA256() []string {
	var out []string
	for _, h := range p.Hashes {
		if h.Algorithm == "sha256" {
			out = append(out, h.Hex)
		}
	}
	return out
}

// addFile takes a file in and keeps Hashes the union of all.
func (p *Package) addFile(f File) {
	p.Files = append(p.Files, f)
	p.addHashes(f.Hashes)
}

func (p *Package) addHashes(hs []Hash) {
	for _, h := range hs {
		if !slices.Contains(p.Hashes, h) {
			p.Hashes = append(p.Hashes, h)
		}
	}
}

// label is the package in a message.
func (p Package) label() string {
	if p.Version == "" {
		return p.Name
	}
	return p.Name + "==" + p.Version
}
