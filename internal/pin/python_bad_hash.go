package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonBadHash() Rule {
	return Rule{ID: "python/bad-hash", Severity: finding.Error, Title: "a hash has the wrong number of digits or other characters"}
}
