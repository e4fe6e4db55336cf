package pin

import (
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonURL() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/url", Severity: finding.Error, Title: "a requirement is downloaded from a URL without a strong hash"},
		func(u pyUse) *complaint {
			if !u.url() || u.hashed() || u.set.bad[u.index] {
				return nil
			}
			what := &complaint{context: u.why(), state: Unpinned, hint: "end the URL with #sha256= and the file's 64 hex digits"}
			switch algo, hex := u.fragmentHash(); {
			case reqfile.HashDigits(algo) > 0:
				what.message = fmt.Sprintf("the %s of the fragment has %d characters that are no hash: it has %d hex digits", algo, len(hex), reqfile.HashDigits(algo))
			case algo != "":
				what.message = algo + " is broken: another file with the same hash can be made"
			default:
				what.message = "whatever the server answers on the day is installed"
			}
			return what
		},
	}
}
