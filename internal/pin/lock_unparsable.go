package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func lockUnparsable() Rule {
	return Rule{ID: "lock/unparsable", Severity: finding.Error, Title: "a lock that cannot be read"}
}
