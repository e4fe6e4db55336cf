package pin

import (
	"strings"

	"github.com/fairlead-ci/fairlead/internal/finding"
)

func devcontainerFeature() rule[feature] {
	return rule[feature]{
		Rule{ID: "devcontainer/feature", Severity: finding.Error, Title: "a feature of a development container is named by a version, which can move"},
		func(f feature) *complaint {
			what := &complaint{state: Unpinned, hint: "commit the lock that the Dev Containers tools write beside the file (devcontainer upgrade), or write " + f.name + "@sha256:…"}
			if f.download {
				what.hint = "commit the lock that the Dev Containers tools write beside the file (devcontainer upgrade): it holds the archive's checksum"
			}
			switch {
			case f.digest != "" && digestProblem(f.digest) == nil:
				return nil
			case f.digest != "":
				what.message = quote(f.digest) + " is no digest"
				what.hint = "write " + f.name + "@sha256: and 64 lower-case hex digits"
			case f.locked != nil:
				if what.message = f.mismatch(); what.message == "" {
					return nil
				}
				what.hint = "make the lock anew: devcontainer upgrade"
			case f.lock != "":
				what.message = quote(f.Raw) + " is not in " + f.lock + ": what is fetched is decided on the day"
			case f.download:
				what.message = "whatever the server answers on the day is run as root while the container is built"
			case !strings.Contains(f.name, "/"):
				what.message = quote(f.Raw) + " is a name of the old kind, and its publisher decides what it means"
			default:
				what.message = "the version " + quote(imageTag(f.Raw)) + " can move to other scripts, which run as root while the container is built"
				if imageTag(f.Raw) == "" {
					what.message = "no version means the newest: its scripts run as root while the container is built"
				}
			}
			return what
		},
	}
}

// mismatch says why a lock's entry does not pin a feature, "" if it does.
func (f feature) mismatch() string {
	where := f.lock + " "
	if f.download {
		if f.locked.Resolved != "" && f.locked.Resolved != f.Raw {
			return where + "has another address for it: " + quote(f.locked.Resolved)
		}
		if digestProblem(f.locked.Integrity) != nil {
			return where + "has no checksum for it"
		}
		return ""
	}
	name, dig, _ := splitDigest(f.locked.Resolved)
	switch {
	case digestProblem(dig) != nil:
		return where + "has no digest for it"
	case !strings.EqualFold(name, f.name):
		return where + "has another feature in its place: " + quote(f.locked.Resolved)
	}
	return ""
}
