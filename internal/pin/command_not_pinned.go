package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/command"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func commandNotPinned() rule[commandUse] {
	return rule[commandUse]{
		Rule{ID: "command/not-pinned", Severity: finding.Error, Title: "a command installs a package without naming one version"},
		func(u commandUse) *complaint {
			if u.Kind == command.Extension {
				return u.extension()
			}
			if u.Kind != command.Requirement {
				return nil
			}
			if u.Dynamic {
				return &complaint{message: "what " + u.Tool + " installs here is decided when it runs", hint: "write name==version, or install from a file with hashes", state: Unknown, severity: finding.Warning}
			}
			if a := u.address(); a != "" {
				if u.pinnedBy() != "" {
					return nil
				}
				return &complaint{message: quote(u.Text) + " is whatever stands at that address on the day", hint: "end a repository's address with @ and the commit's 40 hex digits, a file's with #sha256= and its digest", state: Unpinned}
			}
			if u.err != nil {
				return nil // not a requirement: the tool will say so
			}
			if _, ok := exact(u.req); ok {
				return nil
			}
			message := u.Tool + " takes whatever version is the newest on the day"
			if len(u.req.Specifiers.String()) > 0 {
				message = "a range, not a version: " + u.Tool + " takes what fits best on the day"
			}
			return &complaint{message: message, hint: "write " + quote(u.req.Name+"==VERSION") + ", or put it into a file with hashes and install that", state: Unpinned}
		},
	}
}

// extension judges what gh installs: the newest release, or what --pin names.
func (u commandUse) extension() *complaint {
	switch {
	case u.Dynamic:
		return &complaint{message: "which extension gh installs here is decided when it runs", hint: "write owner/repository, and --pin with a commit", state: Unknown, severity: finding.Warning}
	case sha1Hex.MatchString(u.Pin):
		return nil
	case u.Pin != "":
		return &complaint{message: "the tag or branch " + quote(u.Pin) + " can move to another program", hint: "write --pin and the commit's 40 hex digits", state: Unpinned}
	}
	return &complaint{message: "gh takes whatever release of " + quote(u.Text) + " is the newest on the day", hint: "add --pin and the commit's 40 hex digits", state: Unpinned}
}

// address is the URL that is installed from, "" for a name.
func (u commandUse) address() string {
	if u.err != nil && strings.Contains(u.Text, "://") {
		return u.Text
	}
	return u.req.URL
}

// pinnedBy is what of an address decides its content, "" if nothing does.
func (u commandUse) pinnedBy() string {
	whole, fragment, _ := strings.Cut(u.address(), "#")
	if vcsScheme.MatchString(whole) {
		if strings.HasPrefix(strings.ToLower(whole), "git+") && commitID.MatchString(whole[strings.LastIndexByte(whole, '@')+1:]) {
			return "commit"
		}
		return ""
	}
	for kv := range strings.SplitSeq(fragment, "&") {
		if algo, hex, _ := strings.Cut(kv, "="); reqfile.IsHash(algo, hex) {
			return "hash"
		}
	}
	if u.Hashed {
		return "hash"
	}
	return ""
}
