package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonWeakHash() Rule {
	return Rule{ID: "python/weak-hash", Severity: finding.Error, Title: "a hash of an algorithm that is broken or that pip does not accept"}
}
