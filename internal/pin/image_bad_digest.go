package pin

import (
	"fmt"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func imageBadDigest() rule[imageUse] {
	return rule[imageUse]{
		Rule{ID: "image/bad-digest", Severity: finding.Error, Title: "an image's digest is malformed and pins nothing"},
		func(u imageUse) *complaint {
			_, dig, ok := splitDigest(u.ref)
			if !ok || u.variable || digestProblem(dig) == nil {
				return nil
			}
			what := "is no digest"
			algo, hex, _ := strings.Cut(dig, ":")
			switch want := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algo]; {
			case want > 0 && len(hex) != want:
				what = fmt.Sprintf("has %d hex digits, %s has %d", len(hex), algo, want)
			case want > 0 && strings.ToLower(hex) != hex:
				what = "has capitals: hex digits are lower case in a digest"
			}
			return &complaint{
				message: quote(dig) + " " + what,
				hint:    "write name:tag@sha256: and 64 lower-case hex digits",
				context: u.context, state: Unpinned,
			}
		},
	}
}
