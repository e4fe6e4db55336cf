package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func policyReason() Rule {
	return Rule{ID: "policy/no-reason", Severity: finding.Error, Title: "an exception gives no reason"}
}
