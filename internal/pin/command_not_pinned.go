package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/command"
)

func commandNotPinned() rule[commandUse] {
	return rule[commandUse]{
		Rule{ID: "command/not-pinned", Severity: finding.Error, Title: "a command installs a package without naming one version"},
		func(u commandUse) *complaint {
			if u.Kind != command.Requirement {
				return nil
			}
			if u.Dynamic {
				return &complaint{message: "what " + u.Tool + " installs here is decided when it runs", hint: "write name==version, or install from a file with hashes", state: Unknown, severity: finding.Warning}
			}
			if u.err != nil {
				return nil // not a requirement: the tool will say so
			}
			if _, ok := exact(u.req); ok || u.req.URL != "" && (commitID.MatchString(u.req.URL[strings.LastIndexByte(u.req.URL, '@')+1:]) || u.Hashed) {
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
