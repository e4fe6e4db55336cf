package pin

import (
	"regexp"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// pyUse is one item of a requirements file, with the set that gives it meaning.
type pyUse struct {
	*reqfile.Item
	set   *pySet
	index int
}

// requirementRules are the rules about the lines of requirements files. They are
// asked in this order until one says that the line is not pinned.
var requirementRules = sync.OnceValue(func() []rule[pyUse] {
	return []rule[pyUse]{
		pythonHiddenLine(), pythonVariable(), pythonIgnoredOption(), pythonRemoteFile(), pythonNoRequireHashes(), pythonIndexOption(),
		pythonVCS(), pythonVCSHashMode(), pythonURL(), pythonSourceBuild(), pythonLocalSource(), pythonWildcard(), pythonNotPinned(),
		pythonConflict(), pythonMixedHashes(), pythonNoHash(), pythonArbitraryEquality(),
	}
})

// consumed says whether the item is something that gets installed.
func (u pyUse) consumed() bool {
	switch u.Kind {
	case reqfile.Named, reqfile.Editable, reqfile.URL, reqfile.VCS, reqfile.Local:
		return !u.Constraint
	}
	return false
}

var variable = regexp.MustCompile(`\$\{[A-Z0-9_]+\}`)

func hasVariable(s string) bool { return strings.Contains(s, "${") && variable.MatchString(s) }

// variable says whether the line depends on a variable without a known value,
// in a way that pip would otherwise not accept or that leaves the version open.
func (u pyUse) variable() bool {
	if u.Constraint || !hasVariable(u.Text) {
		return false
	}
	return u.Kind == reqfile.Ignored && u.Name == "" || u.consumed()
}

var (
	vcsScheme   = regexp.MustCompile(`^(?i)(git|hg|svn|bzr)\+`)
	credentials = regexp.MustCompile(`//[^/\s@]*@`)
)

// address is the URL or path that the item is taken from, "" for a plain name.
func (u pyUse) address() string {
	if u.Requirement.URL != "" {
		return u.Requirement.URL
	}
	switch u.Kind {
	case reqfile.Editable, reqfile.URL, reqfile.VCS, reqfile.Local:
		return u.Text
	}
	return ""
}

func (u pyUse) vcs() bool {
	a := u.address()
	return a != "" && u.consumed() && vcsScheme.MatchString(a)
}

func (u pyUse) url() bool {
	a := strings.ToLower(u.address())
	return u.consumed() && !u.vcs() && strings.Contains(a, "://") && !strings.HasPrefix(a, "file:")
}

func (u pyUse) local() bool { return u.consumed() && u.address() != "" && !u.vcs() && !u.url() }

// archive says whether the address is a file to install, not a folder.
func (u pyUse) archive() bool {
	a, _, _ := strings.Cut(strings.ToLower(u.address()), "#")
	return u.wheel() || strings.HasSuffix(a, ".zip") || strings.HasSuffix(a, ".tar.gz") || strings.HasSuffix(a, ".tgz") ||
		strings.HasSuffix(a, ".tar.bz2") || strings.HasSuffix(a, ".tar.xz")
}

func (u pyUse) wheel() bool {
	a, _, _ := strings.Cut(strings.ToLower(u.address()), "#")
	a, _, _ = strings.Cut(a, "?")
	return strings.HasSuffix(a, ".whl")
}

// revision is the part of a VCS address behind the last @ of its path.
func (u pyUse) revision() string {
	a, _, _ := strings.Cut(u.address(), "#")
	_, rest, ok := strings.Cut(a, "://")
	if !ok {
		return ""
	}
	_, path, _ := strings.Cut(rest, "/")
	i := strings.LastIndexByte(path, '@')
	if i < 0 {
		return ""
	}
	return strings.TrimSpace(path[i+1:])
}

// fragmentHash is the hash in a URL's fragment: algorithm and digits.
func (u pyUse) fragmentHash() (algo, hex string) {
	_, fragment, _ := strings.Cut(u.address(), "#")
	fragment, _, _ = strings.Cut(fragment, " ")
	for _, kv := range strings.Split(fragment, "&") {
		k, v, ok := strings.Cut(kv, "=")
		switch k {
		case "md5", "sha1", "sha224", "sha256", "sha384", "sha512":
			if ok {
				return k, v
			}
		}
	}
	return "", ""
}

// hashed says whether pip can verify the item's bytes: by its own --hash, by that
// of a constraint, or by the fragment of its URL.
func (u pyUse) hashed() bool {
	if len(u.Hashes) > 0 {
		return true
	}
	if algo, hex := u.fragmentHash(); reqfile.IsHash(algo, hex) {
		return true
	}
	for _, c := range u.applying() {
		if len(c.Hashes) > 0 {
			return true
		}
	}
	return false
}

// applying are the constraints that hold whenever the item does.
func (u pyUse) applying() []reqfile.Item {
	if u.Constraint || u.Requirement.Name == "" {
		return nil
	}
	var out []reqfile.Item
	for _, c := range u.set.constraints[requirement.NormalizeName(u.Requirement.Name)] {
		if c.Requirement.Marker == nil || markerText(c.Requirement.Marker) == markerText(u.Requirement.Marker) {
			out = append(out, c)
		}
	}
	return out
}

// exact is the one version that a requirement admits, as pip, uv and pip-tools
// define pinned: a single clause, == without a wildcard, or ===.
func exact(r requirement.Requirement) (string, bool) {
	if len(r.Specifiers) != 1 {
		return "", false
	}
	s := r.Specifiers[0]
	return s.Version, (s.Op == "==" && !s.Wildcard) || s.Op == "==="
}

// version is the version that the item or a constraint on it names.
func (u pyUse) version() (string, bool) {
	if v, ok := exact(u.Requirement); ok {
		return v, true
	}
	for _, c := range u.applying() {
		if v, ok := exact(c.Requirement); ok {
			return v, true
		}
	}
	return "", false
}

// subject is the item as the report lists it, before the rules have spoken.
func (u pyUse) subject() Subject {
	ref := u.set.c.written(u.Pos)
	if ref == "" || u.Pos.Line != u.Pos.EndLine {
		ref = u.Text
	}
	// What a URL has in front of its host may be a password.
	if strings.Contains(ref, "//") {
		ref = credentials.ReplaceAllString(ref, "//***@")
	}
	s := Subject{Kind: Python, Name: u.Requirement.Name, Ref: ref, State: Pinned}
	if s.Name == "" {
		s.Name = ref
	}
	switch {
	case u.vcs():
		s.By = "commit"
	case u.local():
		s.State = Local
		if u.archive() && u.hashed() {
			s.State, s.By = Pinned, "hash"
		}
	case u.hashed():
		s.By = "hash"
	case len(u.Requirement.Specifiers) == 1:
		s.By = "version"
	default:
		s.By = "constraint"
	}
	if u.set.bad[u.index] && s.State == Pinned {
		s.State, s.By = Unpinned, ""
	}
	return s
}

// why lists further facts about an item for people.
func (u pyUse) why() []string {
	if u.From == "" {
		return nil
	}
	return []string{"read by: " + u.From}
}
