package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/dockerfile"
)

func dockerAddURL() rule[dockerfile.Download] {
	return rule[dockerfile.Download]{
		Rule{ID: "docker/add-url", Severity: finding.Error, Title: "ADD downloads a file without a checksum"},
		func(d dockerfile.Download) *complaint {
			switch {
			case d.Git || d.Checksum != "" && digestProblem(d.Checksum) == nil:
				return nil
			case d.Checksum != "":
				return &complaint{message: "the checksum " + quote(d.Checksum) + " is malformed", hint: "write --checksum=sha256: and 64 lower-case hex digits", state: Unpinned}
			}
			return &complaint{
				message: "whatever the server answers on the day becomes part of the image",
				hint:    "write ADD --checksum=sha256:<64 hex digits> URL DEST; sha256sum prints them for the file you have looked at",
				state:   Unpinned,
			}
		},
	}
}
