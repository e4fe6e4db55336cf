//go:build conformance

package conform

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// chosen maps a package to the wheel that is taken for it, "" where none fits.
type chosen map[string]string

// pipChooses asks pip's finder, for several targets at once.
func pipChooses(t *testing.T, file string, all []target) []chosen {
	t.Helper()
	type question struct {
		Platforms []string          `json:"platforms"`
		Version   [3]int            `json:"version"`
		Env       map[string]string `json:"env"`
	}
	var qs []question
	for _, g := range all {
		qs = append(qs, question{g.pip(), g.python, g.environment()})
	}
	absolute, err := filepath.Abs(cache + "/pip-cache")
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(map[string]any{"file": file, "targets": qs, "cache": absolute})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool(t, "core", "python"), "testdata/pip_choose.py")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("pip: %v\n%s", err, stderr.String())
	}
	var answers []map[string]*string
	if err := json.Unmarshal(raw, &answers); err != nil {
		t.Fatal(err)
	}
	var out []chosen
	for _, a := range answers {
		c := chosen{}
		for name, file := range a {
			if c[name] = ""; file != nil {
				c[name] = *file
			}
		}
		out = append(out, c)
	}
	return out
}

// uvArguments are those that make uv install for a target.
func uvArguments(t *testing.T, g target, into, file string) []string {
	return []string{tool(t, "core", "uv"), "pip", "install", "--python", tool(t, "core", "python"), "--target", into, "--python-version", g.full(), "--python-platform", g.uv(),
		"--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", file}
}

var (
	uvSelects = regexp.MustCompile(`Selecting: (\S+?)==\S+ \[\w+\] \((\S+\.whl)\)`)
	uvInstall = regexp.MustCompile(`(?m)^ \+ (\S+?)==(\S+)`)
	uvMissing = regexp.MustCompile(`([A-Za-z0-9._-]+)(?:\{[^}]*\})?==\S+ has no (?:usable|wheels)`)
)

// uvChooses asks uv what it would install for a target. Of what has no wheel uv
// names the first only: refused is then set, and named what it said.
func uvChooses(t *testing.T, g target, file string) (c chosen, refused string) {
	t.Helper()
	args := append(uvArguments(t, g, filepath.Join(t.TempDir(), "t"), file), "--dry-run", "-v")
	stdout, stderr, err := try(filepath.Dir(file), args...)
	if err != nil {
		m := uvMissing.FindSubmatch(stderr)
		if m == nil {
			t.Fatalf("uv for %s: %v\n%s%s", g, err, stdout, last(stderr, 20))
		}
		return nil, requirement.NormalizeName(string(m[1]))
	}
	files := map[string]string{} // name and version → wheel
	for _, m := range uvSelects.FindAllSubmatch(stderr, -1) {
		if n, err := wheel.ParseName(string(m[2])); err == nil {
			files[requirement.NormalizeName(string(m[1]))+" "+n.Version] = string(m[2])
		}
	}
	c = chosen{}
	for _, m := range uvInstall.FindAllSubmatch(stderr, -1) {
		name := requirement.NormalizeName(string(m[1]))
		c[name] = files[name+" "+string(m[2])]
		for k, f := range files { // versions may be spelled differently
			if n, v, _ := strings.Cut(k, " "); c[name] == "" && n == name && strings.Trim(v, "0.") == strings.Trim(string(m[2]), "0.") {
				c[name] = f
			}
		}
	}
	return c, ""
}

func last(b []byte, lines int) string {
	all := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// uvInstalls installs with uv into a folder.
func uvInstalls(t *testing.T, g target, dir, file, into string) {
	t.Helper()
	run(t, dir, append(uvArguments(t, g, into, file), "--link-mode", "copy")...)
}

// pipInstalls installs with pip into a folder.
func pipInstalls(t *testing.T, g target, dir, file, into string) {
	t.Helper()
	env, err := json.Marshal(g.environment())
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs("testdata/pip_install.py")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{tool(t, "core", "python"), script, string(env), "install", "--quiet", "--target", into, "--python-version", g.full(), "--implementation", "cp",
		"--only-binary", ":all:", "--no-deps", "--no-compile", "--require-hashes", "-r", file}
	for _, p := range g.pip() {
		args = append(args, "--platform", p)
	}
	run(t, dir, args...)
}
