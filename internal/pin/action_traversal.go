package pin

import (
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func actionTraversal() rule[actionUse] {
	return rule[actionUse]{
		Rule{ID: "action/traversal", Severity: finding.Error, Title: "a local action is taken from outside the workspace"},
		func(a actionUse) *complaint {
			if !slices.Contains(strings.Split(a.path, "/"), "..") {
				return nil
			}
			return &complaint{
				message: "the path leaves the checked-out repository through ..: what is there is not of this commit",
				hint:    "keep the action in this repository and write ./path/of/the/action",
				state:   Unpinned,
			}
		},
	}
}
