package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func actionExpression() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/expression", Severity: finding.Error, Title: "uses holds an expression, which GitHub does not evaluate there"},
		func(a actionUse) *complaint {
			if !strings.Contains(a.Ref, "${{") {
				return nil
			}
			return &complaint{
				message: "an expression in uses decides nothing before the run, and GitHub refuses it",
				hint:    "write one step for each action, each with owner/repo@ and a commit's 40 hex digits, and choose between them with if:",
				state:   Unpinned,
			}
		},
	}
}
