package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonLocalSource() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/local-source", Severity: finding.Warning, Title: "a local folder is installed, and what it depends on is resolved anew"},
		func(u pyUse) *complaint {
			if !u.local() || u.archive() && !u.set.RequireHashes || u.archive() && u.hashed() {
				return nil
			}
			what := &complaint{context: u.why(), state: Local}
			switch {
			case u.set.RequireHashes && u.archive():
				what.severity, what.message = finding.Error, "pip will refuse this file: it has no hash, and hash mode is on"
				what.hint = "add --hash=sha256: and the file's 64 hex digits"
			case u.set.RequireHashes:
				what.severity, what.message = finding.Error, "pip will refuse this: a folder has no hash, and hash mode is on"
				what.hint = "install it by a command of its own: pip install --no-deps --no-build-isolation PATH"
			default:
				what.message = "the folder comes with this commit, its dependencies do not: they are resolved anew by each build"
				what.hint = "lock its dependencies with hashes, and install it by a command of its own: pip install --no-deps PATH"
			}
			return what
		},
	}
}
