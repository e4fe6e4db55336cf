package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func imageBuildArg() rule[imageUse] {
	return rule[imageUse]{
		Rule{ID: "image/build-arg", Severity: finding.Error, Title: "an image depends on a build argument without a default"},
		func(u imageUse) *complaint {
			if len(u.unset) == 0 {
				return nil
			}
			name := finding.PrintableLine(strings.Join(u.unset, ", "))
			if strings.HasPrefix(u.where, "service ") {
				return &complaint{
					message: "the variable " + name + " has no value here: whoever starts the service chooses the image",
					hint:    "give it a default with a digest: ${" + name + ":-name:tag@sha256:…}",
					context: u.context, state: Unpinned,
				}
			}
			if u.where == "devcontainer" {
				return &complaint{
					message: "the variable " + name + " has no value here: whoever opens the container chooses its image",
					hint:    "write the image itself, as name:tag@sha256:…",
					context: u.context, state: Unpinned,
				}
			}
			return &complaint{
				message: "the build argument " + name + " has no value here: whoever builds chooses the image",
				hint:    "give it a default before the first FROM: ARG " + name + "=…, so that the image has name:tag@sha256:…",
				context: u.context, state: Unpinned,
			}
		},
	}
}
