package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func policyExpired() Rule {
	return Rule{ID: "policy/expired", Severity: finding.Warning, Title: "an exception has ended"}
}
