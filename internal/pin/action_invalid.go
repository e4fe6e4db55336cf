package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/workflow"
)

func actionInvalid() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/invalid", Severity: finding.Error, Title: "uses holds something that GitHub does not accept"},
		func(a actionUse) *complaint {
			bad := func(message, hint string) *complaint {
				return &complaint{message: message, hint: hint, state: Unpinned}
			}
			switch {
			case a.Ref == "":
				return bad("uses is empty", "write owner/repo@ and a commit's 40 hex digits")
			case strings.HasPrefix(a.Ref, "docker://"):
				return bad("a job cannot use an image: only steps can", "use the image in a step, or in the job's container:")
			case a.self && a.hasRef:
				return bad("a $/ reference is always at the running commit and takes no @ref", "write "+quote(a.path))
			case a.self && a.Place == workflow.Job && !isWorkflowPath(a.path):
				return bad("a job uses a workflow file", "write $/.github/workflows/<name>.yml")
			case a.local && a.Place == workflow.Job && strings.Contains(a.path, "@"):
				return bad("a local workflow is always at the running commit and takes no @ref", "write the path without @")
			case a.local && (!strings.HasPrefix(a.path, "./") && !strings.HasPrefix(a.path, "../") && a.path != "." || strings.HasPrefix(a.path, ".//")):
				return bad(quote(a.path)+" is no local path: it begins with ./ and has no empty parts", "write ./path/of/the/action")
			case a.local, a.self:
				return nil
			case a.repository == "":
				return bad(quote(a.Ref)+" is neither owner/repo@ref nor a local path", "write owner/repo@ and a commit's 40 hex digits, or ./path")
			case a.ref == "":
				return bad("an action of another repository needs @ and a commit", shaHint(a))
			}
			return nil
		},
	}
}

func isWorkflowPath(p string) bool {
	return strings.HasSuffix(p, ".yml") || strings.HasSuffix(p, ".yaml")
}
