package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonVariable() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/variable", Severity: finding.Error, Title: "what is installed depends on an environment variable"},
		func(u pyUse) *complaint {
			// A variable among a URL's credentials decides nothing about its content.
			if !u.variable() || u.address() != "" && !hasVariable(credentials.ReplaceAllString(u.address(), "//")) {
				return nil
			}
			return &complaint{
				message: "the value of " + variable.FindString(u.Text) + " is known only where pip runs: whoever sets it chooses what is installed",
				hint:    "write the version itself",
				context: u.why(), state: Unpinned,
			}
		},
	}
}
