package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func imageExpression() rule[imageUse] {
	return rule[imageUse]{
		Rule{ID: "image/expression", Severity: finding.Warning, Title: "an image comes from an expression whose value the file does not tell"},
		func(u imageUse) *complaint {
			if !u.unknown {
				return nil
			}
			return &complaint{
				message: "which image this is, is known only when the workflow runs",
				hint:    "write the image with its digest, or list the images in the job's matrix",
				context: u.context, state: Unknown,
			}
		},
	}
}
