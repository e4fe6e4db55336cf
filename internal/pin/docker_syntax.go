package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func dockerSyntax() rule[imageUse] {
	return rule[imageUse]{
		Rule{ID: "docker/syntax", Severity: finding.Error, Title: "the syntax frontend, a program that reads the Dockerfile, is not pinned"},
		func(u imageUse) *complaint {
			if _, _, ok := splitDigest(u.ref); ok || !u.frontend {
				return nil
			}
			return &complaint{
				message: "BuildKit fetches and runs this frontend; its tag can move",
				hint:    "add its digest (" + digestCommand(u.ref) + "), or delete the line: BuildKit has a frontend built in",
				state:   Unpinned,
			}
		},
	}
}
