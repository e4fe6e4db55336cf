package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func policyUnused() Rule {
	return Rule{ID: "policy/unused", Severity: finding.Warning, Title: "an exception matches no finding"}
}
