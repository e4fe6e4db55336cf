package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonNoRequireHashes() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/no-require-hashes", Severity: finding.Error, Title: "--no-require-hashes in a file lets requirements without a hash through"},
		func(u pyUse) *complaint {
			if u.Kind != reqfile.Option || u.Name != "--no-require-hashes" {
				return nil
			}
			return &complaint{
				message: "with this line, hashes no longer make pip demand a hash of everything it installs",
				hint:    "delete the line, and give every requirement a hash",
				context: u.why(),
			}
		},
	}
}
