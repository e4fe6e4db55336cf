package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonRemoteFile() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/remote-file", Severity: finding.Error, Title: "requirements or constraints are read from a URL"},
		func(u pyUse) *complaint {
			if u.Kind != reqfile.Remote {
				return nil
			}
			return &complaint{
				message: "what this address answers on the day decides what is installed",
				hint:    "put the file into the repository and name it by its path",
				context: u.why(), state: Unpinned,
			}
		},
	}
}
