package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
)

func pythonIndexOption() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/index-option", Severity: finding.Warning, Title: "an option opens the door to packages of other origin, without hashes to check them"},
		func(u pyUse) *complaint {
			if u.Kind != reqfile.Option || u.set.complete {
				return nil // where every byte is checked, it does not matter who sends it
			}
			plain := strings.HasPrefix(strings.ToLower(u.Value), "http://")
			message := ""
			switch {
			case u.Name == "--extra-index-url":
				message = "pip takes the highest version of any index: whoever registers the name on one of them is installed (dependency confusion)"
			case u.Name == "--trusted-host":
				message = "the host is trusted without a valid certificate: anybody on the way can answer"
			case u.Name == "--index-url" && plain, u.Name == "--find-links" && plain:
				message = "without TLS anybody on the way can answer"
			case u.Name == "--find-links" && strings.Contains(u.Value, "://"):
				message = "what the page links to on the day is installed"
			case u.Name == "--pre":
				message = "--pre admits pre-releases for every requirement, those of dependencies too"
			default:
				return nil
			}
			return &complaint{message: message, hint: "give every requirement a hash, so that the origin does not matter: uv pip compile --generate-hashes", context: u.why()}
		},
	}
}
