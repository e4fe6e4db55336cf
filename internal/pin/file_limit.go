package pin

import (
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func fileLimit() Rule {
	return Rule{ID: "file/limit", Severity: finding.Error, Title: "there are more files than pin-check reads in one run"}
}

func limitComplaint(n, limit int) complaint {
	return complaint{
		message: fmt.Sprintf("%d files are more than the %d that are read in one run; this one and those after it are not", n, limit),
		hint:    "ignore generated folders, or check the repository in parts: fairlead pin-check PATH",
	}
}
