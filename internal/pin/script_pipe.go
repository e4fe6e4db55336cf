package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/command"
)

func scriptPipe() rule[commandUse] {
	return rule[commandUse]{
		Rule{ID: "script/pipe", Severity: finding.Error, Title: "a download is run by a shell unseen"},
		func(u commandUse) *complaint {
			if u.Kind != command.Pipe {
				return nil
			}
			return &complaint{
				message: "whatever the server answers on the day is run with the rights of the build",
				hint:    "download a release, compare it with a checksum that stands here (sha256sum --check), then run it; or use an action or a package that is pinned",
				state:   Unpinned,
			}
		},
	}
}
