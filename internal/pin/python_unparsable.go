package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonUnparsable() Rule {
	return Rule{ID: "python/unparsable", Severity: finding.Error, Title: "a line of a requirements file that pip refuses"}
}
