package pin

import (
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func pythonNoHash() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/no-hash", Severity: finding.Warning, Title: "requirements are pinned by version, but no hash says which bytes that is"},
		func(u pyUse) *complaint {
			if u.set.anyHash || u.index != u.set.bare {
				return nil // said once per command, at its first such line
			}
			what := &complaint{
				message: fmt.Sprintf("%s without hashes: an index may serve other files for the same versions, and 1.0 also admits 1.0+anything",
					finding.Plural(u.set.bareCount, "pinned requirement")),
				hint: u.set.c.compileHint(u.Pos.Path), context: u.why(),
			}
			if u.set.RequireHashes {
				what.severity = finding.Error
				what.message = fmt.Sprintf("--require-hashes is set and %s without hashes: pip refuses to install anything", finding.Plural(u.set.bareCount, "requirement"))
			}
			return what
		},
	}
}
