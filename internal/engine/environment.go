package engine

import (
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// maxEnvFile is the size in bytes up to which an environment file is read.
const maxEnvFile = 1 << 20

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// environment returns the variables of EnvFile and Env, the latter winning. All
// engines read the file here, because podman's versions differ in what they
// make of quotes, and both clients fill a bare NAME from the caller's variables.
func (s Spec) environment() (map[string]string, error) {
	env := map[string]string{}
	if s.EnvFile != "" {
		f, err := os.Open(s.EnvFile)
		if err != nil {
			return nil, fmt.Errorf("opening the environment file: %w", err)
		}
		defer f.Close()
		if env, err = readEnvFile(f); err != nil {
			return nil, fmt.Errorf("reading environment file %q: %w", s.EnvFile, err)
		}
	}
	maps.Copy(env, s.Env)
	for k, v := range env {
		if !envName.MatchString(k) {
			return nil, fmt.Errorf("passing the environment: %q is no name of a variable", k)
		}
		if strings.ContainsRune(v, 0) {
			return nil, fmt.Errorf("passing variable %q: its value holds a zero byte", k)
		}
	}
	return env, nil
}

// readEnvFile reads KEY=VALUE lines as `docker run --env-file` does: blank lines
// and lines that start with # are skipped, blanks before a key are dropped, a
// value is everything after the first = as it stands, quotes included. A line
// without = is an error: nothing reaches a container that was not written down.
func readEnvFile(r io.Reader) (map[string]string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxEnvFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxEnvFile {
		return nil, fmt.Errorf("the file is larger than %d bytes", maxEnvFile)
	}
	env := map[string]string{}
	n := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(string(data), "\ufeff"), "\n") {
		n++
		line = strings.TrimLeft(strings.TrimSuffix(line, "\r"), " \t")
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		// What stands there may be a secret: only a name is ever repeated.
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, fmt.Errorf("line %d has no '='; write NAME=VALUE", n)
		}
		if !envName.MatchString(key) {
			return nil, fmt.Errorf("line %d does not begin with the name of a variable; write NAME=VALUE", n)
		}
		env[key] = value
	}
	return env, nil
}

// shortest is the length in bytes from which a value is worth hiding: without
// "1" or "true" a message would be unreadable and nobody protected.
const shortest = 6

// hide replaces the values of the environment in what an engine said.
func (s Spec) hide(text string) string {
	env, err := s.environment()
	if err != nil {
		return text // it was refused before, and nothing was passed
	}
	values := slices.Collect(maps.Values(env))
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	for _, v := range values {
		if len(v) >= shortest {
			text = strings.ReplaceAll(text, v, "***")
		}
	}
	return text
}
