package pin

import "github.com/fairlead-ci/fairlead/internal/finding"

func pythonSourceBuild() rule[pyUse] {
	return rule[pyUse]{
		Rule{ID: "python/source-build", Severity: finding.Warning, Title: "a source archive is built with dependencies that no hash covers"},
		func(u pyUse) *complaint {
			if !u.url() || u.wheel() || !u.archive() {
				return nil
			}
			return &complaint{
				message: "pip builds this archive and fetches what the build needs without checking a hash, even in hash mode",
				hint:    "use a wheel, or build one where you control the build's dependencies (pip install --build-constraint)",
				context: u.why(),
			}
		},
	}
}
