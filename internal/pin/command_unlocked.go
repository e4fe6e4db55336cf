package pin

import (
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin/command"
)

func commandUnlocked() rule[commandUse] {
	return rule[commandUse]{
		Rule{ID: "command/unlocked", Severity: finding.Warning, Title: "a command may resolve anew instead of installing what the lock says"},
		func(u commandUse) *complaint {
			if u.Kind != command.Project || u.Locked && !u.lockless {
				return nil
			}
			if u.lockless {
				return &complaint{message: quote(u.Text) + " finds no poetry.lock in the repository: it resolves anew, and installs what it found on the day",
					hint: "run poetry lock, and commit the file", state: Unpinned}
			}
			hint := map[string]string{
				"uv": "add --locked: it fails when the lock does not fit the project", "pipenv": "write pipenv sync, or add --deploy",
				"pdm": "write pdm sync, or add --frozen-lockfile", "poetry": "write poetry sync",
			}[u.Tool]
			return &complaint{message: quote(u.Text) + " changes the lock when it does not fit, and installs what it found on the day", hint: hint, state: Unpinned}
		},
	}
}
