package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func imageInvalid() rule[imageUse] {
	return rule[imageUse]{
		Rule{ID: "image/invalid", Severity: finding.Error, Title: "an image reference that no builder accepts"},
		func(u imageUse) *complaint {
			if u.variable {
				return &complaint{
					message: u.where + " expands no variables",
					hint:    "name a stage for it: FROM image@sha256:… AS name, then use the stage's name here",
					state:   Unpinned, context: u.context,
				}
			}
			if err := validReference(u.ref); err != nil {
				return &complaint{
					message: quote(u.ref) + " is no image reference: " + finding.PrintableLine(err.Error()),
					hint:    "write registry/name:tag@sha256:…, in lower case",
					state:   Unpinned, context: u.context,
				}
			}
			return nil
		},
	}
}
