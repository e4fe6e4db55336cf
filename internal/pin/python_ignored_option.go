package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonIgnoredOption() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/ignored-option", Severity: finding.Error, Title: "an option that pip silently ignores where it stands"},
		func(u pyUse) *complaint {
			if u.Kind != reqfile.Ignored || u.Name == "" {
				return nil
			}
			message := "pip ignores " + u.Name + " behind a requirement"
			if u.Text == u.Value {
				message = "pip follows only the first -r or -c of a line: it never reads " + quote(u.Value)
			}
			return &complaint{message: message, hint: "put it on a line of its own", context: u.why()}
		},
	}
}
