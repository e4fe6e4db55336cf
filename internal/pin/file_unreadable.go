package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func fileUnreadable() Rule {
	return Rule{ID: "file/unreadable", Severity: finding.Error, Title: "a file cannot be read, so nobody knows what it consumes"}
}
