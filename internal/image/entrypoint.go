package image

import (
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/google/shlex"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

var (
	procfileLine = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(.+)$`)
	assignment   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
)

// entrypoint is the image's command: the request's, else the Procfile's "web".
// Its first word is looked up among the commands in the venv.
func entrypoint(r Request, t *tree, commands []string) ([]string, error) {
	words, origin := r.Entrypoint, "entrypoint"
	if len(words) == 0 {
		var err error
		if words, err = procfile(t); err != nil {
			return nil, err
		}
		origin = "Procfile"
	}
	words = slices.Clone(words)
	name := words[0]
	switch {
	case strings.Contains(name, "/"):
	case slices.Contains(commands, name), name == "python", name == "python3":
		words[0] = "/" + path.Join(venvDir, "bin", name)
	case origin == "Procfile":
		return nil, failure.New(failure.Usage, "add the package that brings it to the lock, or name a command of the base image with --entrypoint",
			"reading Procfile: no locked package brings a command %q", name)
	}
	return words, nil
}

func procfile(t *tree) ([]string, error) {
	raw, err := t.Read("Procfile")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failure.New(failure.Usage, `write a Procfile with a line such as "web: gunicorn shop.wsgi:app", or give --entrypoint`, "finding the entry point: there is no Procfile")
	}
	if err != nil {
		return nil, failure.New(failure.Usage, "", "reading Procfile: %w", err)
	}
	line := 0
	for text := range strings.Lines(string(raw)) {
		line++
		m := procfileLine.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil || m[1] != "web" {
			continue
		}
		return procfileCommand(m[2], line)
	}
	return nil, failure.New(failure.Usage, `add a line such as "web: gunicorn shop.wsgi:app", or give --entrypoint`, "reading Procfile: it has no process type \"web\"")
}

// procfileCommand splits a command as a shell would and refuses what only a
// shell can do: none runs in the image.
func procfileCommand(command string, line int) ([]string, error) {
	const hint = "no shell runs in the image: gunicorn reads PORT and GUNICORN_CMD_ARGS by itself; other settings go into gunicorn.conf.py; or give --entrypoint"
	if c := shellSyntax(command); c != 0 {
		return nil, failure.New(failure.Usage, hint, "Procfile:%d: %q needs a shell because of %q", line, command, string(c))
	}
	words, err := shlex.Split(command)
	if err != nil {
		return nil, failure.New(failure.Usage, "check its quotes", "Procfile:%d: %q: %w", line, command, err)
	}
	if len(words) == 0 {
		return nil, failure.New(failure.Usage, "", "Procfile:%d: the command is empty", line)
	}
	if assignment.MatchString(words[0]) {
		return nil, failure.New(failure.Usage, hint, "Procfile:%d: %q sets a variable, which needs a shell", line, words[0])
	}
	return words, nil
}

// shellSyntax returns the first character that only a shell understands, or 0.
// Quotes protect: 'shop:make()' is a word, and in "…" only $ and ` are special.
func shellSyntax(command string) rune {
	var quote, before rune
	escaped := false
	for _, c := range command {
		word := before == 0 || before == ' ' || before == '\t'
		switch {
		case escaped:
			escaped = false
		case c == '\\' && quote != '\'':
			escaped = true
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case quote == '\'':
		case c == '$' || c == '`':
			return c
		case quote == 0 && strings.ContainsRune("|&;<>(){}*?", c), quote == 0 && word && (c == '#' || c == '~'):
			return c
		}
		before = c
	}
	return 0
}
