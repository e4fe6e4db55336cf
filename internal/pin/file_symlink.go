package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func fileSymlink() Rule {
	return Rule{ID: "file/symlink", Severity: finding.Warning, Title: "a file is a symbolic link out of the checked folder and is not followed"}
}
