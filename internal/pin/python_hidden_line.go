package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonHiddenLine() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/hidden-line", Severity: finding.Error, Title: "a requirement hides behind a character that only Python takes for the end of a line"},
		func(u pyUse) *complaint {
			if !u.Odd {
				return nil
			}
			return &complaint{
				message: "pip begins a new line here, at a vertical tab, form feed or Unicode separator, where editors and reviewers see none",
				hint:    "delete the character and put the requirement on a line of its own",
				context: u.why(),
			}
		},
	}
}
