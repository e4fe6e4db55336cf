package pin

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/pin/command"
)

// anchor is a path below a folder that GitHub names and that is known here: that
// of the action that runs, and that of the checkout.
//
// https://docs.github.com/en/actions/reference/workflows-and-actions/contexts#github-context
var anchor = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^"?(?:\$\{\{\s*github\.(action_path|workspace)\s*\}\}|\$\{?GITHUB_(ACTION_PATH|WORKSPACE)\b\}?)"?(/[^$"'\x60*?\[{]*)?(\[[\w, -]+\])?"?$`)
})

// below is the path in the tree that such a path is, in a step of a file.
func below(file, text string) (string, bool) {
	if !strings.Contains(text, "$") {
		return "", false
	}
	m := anchor().FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	dir := "."
	if strings.EqualFold(m[1]+m[2], "action_path") {
		if kindOf(file) != kindAction {
			return "", false // it is set in actions alone
		}
		dir = path.Dir(file)
	}
	name := path.Join(dir, strings.TrimPrefix(m[3], "/"))
	return name, fs.ValidPath(name)
}

// anchored is what a command's argument means that begins with such a folder.
func anchored(file string, s script, u command.Use) (string, bool) {
	if !u.Dynamic || s.image {
		return "", false
	}
	return below(file, u.Text)
}

// workingDirectory is where a step runs, as a folder of the tree where that is
// known.
func workingDirectory(file string, s script) string {
	if dir, ok := below(file, s.dir); ok && !s.image {
		return dir
	}
	return s.dir
}
