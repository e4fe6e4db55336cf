//go:build conformance

package fresh

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/fairlead-ci/fairlead/internal/python/index"
)

// venv is a virtual environment that scripts/conformance-tools made.
func venv(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs("../../../.cache/conformance/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + "/bin/python"); err != nil {
		t.Skipf("no %s: run make conformance, which installs the tools", name)
	}
	return dir
}

// mutants are copies of a document with one key after another removed, changed
// or added to.
func mutants(doc map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	var walk func(at []string, v any)
	edit := func(name string, at []string, change func(parent map[string]any, key string)) {
		c := clone(doc).(map[string]any)
		parent := c
		for _, k := range at[:len(at)-1] {
			parent, _ = parent[k].(map[string]any)
		}
		if parent == nil {
			return
		}
		change(parent, at[len(at)-1])
		out[strings.Join(at, ".")+": "+name] = c
	}
	walk = func(at []string, v any) {
		if len(at) > 0 {
			edit("removed", at, func(p map[string]any, k string) { delete(p, k) })
		}
		switch t := v.(type) {
		case map[string]any:
			for k, x := range t {
				walk(append(slices.Clone(at), k), x)
			}
			if len(at) > 0 {
				edit("unknown key", at, func(p map[string]any, k string) { p[k].(map[string]any)["added-key"] = "x" })
			}
		case string:
			for i, s := range changed(t) {
				edit(fmt.Sprintf("changed %d", i), at, func(p map[string]any, k string) { p[k] = s })
			}
		case bool:
			edit("flipped", at, func(p map[string]any, k string) { p[k] = !t })
		case int64:
			edit("plus one", at, func(p map[string]any, k string) { p[k] = t + 1 })
		case []any:
			edit("emptied", at, func(p map[string]any, k string) { p[k] = []any{} })
			if len(t) > 1 {
				edit("reversed", at, func(p map[string]any, k string) { l := p[k].([]any); slices.Reverse(l) })
			}
			if len(t) > 0 {
				edit("first removed", at, func(p map[string]any, k string) { p[k] = p[k].([]any)[1:] })
				if s, ok := t[0].(string); ok {
					edit("one added", at, func(p map[string]any, k string) { p[k] = append(p[k].([]any), "six>=1.16") })
					for i, c := range changed(s) {
						edit(fmt.Sprintf("first changed %d", i), at, func(p map[string]any, k string) { p[k].([]any)[0] = c })
					}
				}
			}
		}
	}
	walk(nil, doc)
	return out
}

// changed are other spellings and other meanings of a string.
func changed(s string) []string {
	out := []string{s + " "}
	if strings.Contains(s, ">=") {
		out = append(out, strings.Replace(s, ">=", " >= ", 1), strings.Replace(s, ">=", ">", 1), strings.Replace(s, ">=", "~=", 1), s+",!=0.0.1")
	}
	if strings.Contains(s, "python_version") {
		out = append(out, strings.Replace(s, "python_version", "python_full_version", 1), strings.Replace(s, "3.11", "3.12", 1), strings.Replace(s, "<", "<=", 1))
	} else if strings.ContainsAny(s, "<>=") {
		out = append(out, s+"; sys_platform == 'linux'", s+"; python_version >= '3.8'")
	}
	if s != strings.ToUpper(s) {
		out = append(out, strings.ToUpper(s[:1])+s[1:])
	}
	if s != "" && strings.Trim(s, "0123456789.") == "" {
		out = append(out, s+".0", "9.9")
	}
	return append(out, strings.ReplaceAll(s, "-", "_"))
}

func clone(v any) any {
	switch t := v.(type) {
	case map[string]any:
		c := map[string]any{}
		for k, x := range t {
			c[k] = clone(x)
		}
		return c
	case []any:
		c := make([]any, len(t))
		for i, x := range t {
			c[i] = clone(x)
		}
		return c
	}
	return v
}

type subject struct {
	name     string
	manifest string // file name
	lock     string
	text     string // of the manifest
	locked   []byte
	others   map[string]string // further files of the project
}

// write puts the project into a folder.
func (s subject) write(t *testing.T, dir, text string) {
	t.Helper()
	files := map[string]string{s.manifest: text}
	if s.locked != nil {
		files[s.lock] = string(s.locked)
	}
	for name, data := range s.others {
		files[name] = data
	}
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// cases writes every mutant of a manifest beside the unchanged lock.
func cases(t *testing.T, s subject) (names, dirs []string) {
	var doc map[string]any
	if err := toml.Unmarshal([]byte(s.text), &doc); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"unchanged": s.text, "a comment": "# c\n" + s.text, "spaces": strings.ReplaceAll(s.text, " = ", "   =  ")}
	for name, m := range mutants(doc) {
		data, err := toml.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(data)
	}
	for _, name := range sortedKeys(texts) {
		dir := t.TempDir()
		s.write(t, dir, texts[name])
		names, dirs = append(names, name), append(dirs, dir)
	}
	return names, dirs
}

// lockWith lets the tool write the lock of a manifest.
func lockWith(t *testing.T, s *subject, env []string, command ...string) {
	t.Helper()
	dir := t.TempDir()
	s.write(t, dir, s.text)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", s.name, err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, s.lock))
	if err != nil {
		t.Fatal(err)
	}
	s.locked = data
}

func oracle(t *testing.T, python, tool string, dirs []string) []string {
	t.Helper()
	in, err := json.Marshal(dirs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/oracle.py", tool)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var answers []string
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

// compare counts agreement; explained maps a case's name to why we differ.
func compare(t *testing.T, s subject, names, dirs, answers []string, explained func(name, theirs string, ours Result) string) {
	t.Helper()
	same, refused, unknown := 0, 0, 0
	why := map[string]int{}
	for i, dir := range dirs {
		ours, err := Check(os.DirFS(dir), s.lock, Options{DefaultIndex: index.DefaultURL})
		theirs := answers[i]
		switch {
		case strings.HasPrefix(theirs, "error"):
			refused++
		case err == nil && string(ours.Verdict) == theirs:
			same++
		case err != nil && (strings.HasSuffix(err.Error(), "is not a list") || strings.HasSuffix(err.Error(), "is not a list of strings")):
			why["a manifest that PEP 621 or 735 forbids: refused here, hashed by the tool"]++
		case explained != nil && explained(names[i], theirs, ours) != "":
			why[explained(names[i], theirs, ours)]++
		case err == nil && ours.Verdict == Unknown:
			unknown++
			t.Errorf("%s: %s: unknown (%v), the tool says %s", s.name, names[i], ours.Reasons, theirs)
		default:
			text, _ := os.ReadFile(filepath.Join(dir, s.manifest))
			t.Errorf("%s: %s: %s (%v, %v), the tool says %s\n%s", s.name, names[i], ours.Verdict, ours.Reasons, err, theirs, text)
		}
	}
	t.Logf("%s: %d manifests: %d same verdict, %d refused by the tool, %d unknown, explained %v", s.name, len(dirs), same, refused, unknown, why)
}

const projectTable = `[project]
name = "shop"
version = "1.0"
description = "d"
requires-python = ">=3.10,<4"
dependencies = ["iniconfig>=2", "mccabe>=0.6; python_version < '3.11'"]

[project.optional-dependencies]
more = ["pluggy>=1"]

[dependency-groups]
test = ["six>=1.16", "iniconfig>=1"]
lint = ["mccabe"]
`

const poetryTable = `[tool.poetry]
name = "shop"
version = "1.0"
description = "d"
authors = []
package-mode = false

[tool.poetry.dependencies]
python = ">=3.10,<4"
iniconfig = "^2.0"
mccabe = {version = ">=0.6", optional = true, python = "<3.12"}

[tool.poetry.extras]
more = ["mccabe"]

[tool.poetry.group.test]
optional = true

[tool.poetry.group.test.dependencies]
six = ">=1.16"

[tool.poetry.dev-dependencies]
pluggy = "*"
`

func TestConformancePoetry(t *testing.T) {
	for _, version := range []string{"poetry18", "poetry21", "poetry"} {
		dir := venv(t, version)
		for name, text := range map[string]string{"tool.poetry": poetryTable, "project": projectTable + "\n[tool.poetry]\npackage-mode = false\n", "both": projectTable + "\n[tool.poetry]\npackage-mode = false\n[tool.poetry.group.doc.dependencies]\npluggy = \">=1\"\n"} {
			if version == "poetry18" && name != "tool.poetry" {
				continue
			}
			// A source of another name makes poetry use the simple API alone.
			url, err := index.DefaultURL()
			if err != nil {
				t.Fatal(err)
			}
			text += fmt.Sprintf("\n[[tool.poetry.source]]\nname = \"main\"\nurl = %q\npriority = \"primary\"\n", url+"/")
			s := subject{name: version + " " + name, manifest: "pyproject.toml", lock: "poetry.lock", text: text}
			lockWith(t, &s, []string{"POETRY_VIRTUALENVS_CREATE=false"}, dir+"/bin/poetry", "-n", "lock")
			names, dirs := cases(t, s)
			compare(t, s, names, dirs, oracle(t, dir+"/bin/python", "poetry", dirs), nil)
			if version != "poetry" {
				// The newest poetry's answer about an old lock.
				s.name += ", judged by the latest"
				compare(t, s, names, dirs, oracle(t, venv(t, "poetry")+"/bin/python", "poetry", dirs), func(_, theirs string, ours Result) string {
					if version == "poetry18" && theirs == "stale" && ours.Verdict == Fresh && len(ours.Reasons) > 0 {
						return "fresh for the poetry 1 that wrote it, said so"
					}
					return ""
				})
			}
		}
	}
}

func TestConformancePDM(t *testing.T) {
	for _, version := range []string{"pdm", "pdmold"} {
		dir := venv(t, version)
		for name, extra := range map[string]string{
			"project":      "",
			"dev":          "\n[tool.pdm.dev-dependencies]\ndoc = [\"pluggy>=1\"]\n",
			"resolution":   "\n[tool.pdm.resolution]\nrespect-source-order = true\n[tool.pdm.resolution.overrides]\nsix = \"1.16.0\"\n",
			"other tables": "\n[tool.pdm.build]\nincludes = []\n[tool.other]\na = 1\n",
		} {
			s := subject{name: version + " " + name, manifest: "pyproject.toml", lock: "pdm.lock", text: projectTable + extra}
			lockWith(t, &s, []string{"PDM_CHECK_UPDATE=0"}, dir+"/bin/pdm", "lock", "-G", ":all")
			names, dirs := cases(t, s)
			compare(t, s, names, dirs, oracle(t, dir+"/bin/python", "pdm", dirs), func(name, theirs string, ours Result) string {
				switch {
				case ours.Verdict == Unknown && strings.HasPrefix(name, "project: removed"):
					return "no [project]: unknown"
				}
				return ""
			})
		}
	}
}

func TestConformancePipenv(t *testing.T) {
	dir := venv(t, "pipenv")
	url, err := index.DefaultURL()
	if err != nil {
		t.Fatal(err)
	}
	base := `[packages]
iniconfig = ">=2"
Six_x = {version = "*", markers = "python_version < '3'"}
pluggy = {version = ">=1", extras = []}

[dev-packages]
mccabe = "*"

[docs]
Foo_Bar = "*"

[requires]
python_version = "3.11"

[scripts]
a = "b"

[pipenv]
allow_prereleases = true
`
	for name, text := range map[string]string{"default source": base, "own source": fmt.Sprintf("[[source]]\nname = \"main\"\nurl = %q\nverify_ssl = true\n\n", url) + base} {
		s := subject{name: "pipenv " + name, manifest: "Pipfile", lock: "Pipfile.lock", text: text}
		// The lock's hash is what matters: it is the tool's own of this Pipfile.
		s.locked = []byte(fmt.Sprintf(`{"_meta":{"hash":{"sha256":%q},"pipfile-spec":6,"requires":{},"sources":[{"name":"pypi","url":%q,"verify_ssl":true}]},"default":{},"develop":{}}`, pipfileHash(t, dir, text), url))
		names, dirs := cases(t, s)
		compare(t, s, names, dirs, oracle(t, dir+"/bin/python", "pipenv", dirs), nil)
	}
}

func pipfileHash(t *testing.T, dir, text string) string {
	t.Helper()
	work := t.TempDir()
	if err := os.WriteFile(work+"/Pipfile", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(dir+"/bin/python", "-c", "from pipenv.project import Project; print(Project().pipfile.calculate_hash())")
	cmd.Dir, cmd.Env = work, append(os.Environ(), "PIPENV_PIPFILE="+work+"/Pipfile")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

const uvTables = `
[tool.uv]
constraint-dependencies = ["packaging<99"]
override-dependencies = ["six>=1.10"]
environments = ["sys_platform == 'linux'", "sys_platform == 'darwin'"]
conflicts = [[{extra = "more"}, {group = "lint"}]]
resolution = "highest"
prerelease = "disallow"
default-groups = ["test"]
`

const uvWorkspace = `
[tool.uv.sources]
lib = { workspace = true }

[tool.uv.workspace]
members = ["libs/*"]
`

func TestConformanceUV(t *testing.T) {
	dir := venv(t, "core")
	for name, text := range map[string]string{"project": projectTable, "settings": projectTable + uvTables, "workspace": strings.Replace(projectTable, "\"iniconfig>=2\"", "\"iniconfig>=2\", \"lib\"", 1) + uvWorkspace} {
		s := subject{name: "uv " + name, manifest: "pyproject.toml", lock: "uv.lock", text: text}
		if name == "workspace" {
			s.others = map[string]string{"libs/lib/pyproject.toml": "[project]\nname = \"lib\"\nversion = \"2\"\nrequires-python = \">=3.9\"\ndependencies = [\"pluggy\"]\n[dependency-groups]\ndev = [\"six\"]\n"}
		}
		lockWith(t, &s, nil, dir+"/bin/uv", "lock", "-q")
		names, dirs := cases(t, s)
		answers := make([]string, len(dirs))
		for i, d := range dirs {
			cmd := exec.Command(dir+"/bin/uv", "lock", "--check", "-q")
			cmd.Dir = d
			out, err := cmd.CombinedOutput()
			answers[i] = "fresh"
			if err != nil {
				answers[i] = "stale"
				var exit *exec.ExitError
				// uv leaves with 1 for a stale lock and 2 for what it cannot read or solve.
				if errorsAs(err, &exit) && exit.ExitCode() != 1 || bytes.Contains(out, []byte("No solution")) {
					answers[i] = "error: " + strings.TrimSpace(string(out))
				}
			}
		}
		compare(t, s, names, dirs, answers, func(name, theirs string, ours Result) string {
			if name == "tool.uv: unknown key" {
				return "uv ignores all settings of [tool.uv] beside a key that it does not know; other releases know others"
			}
			return ""
		})
	}
}

func errorsAs(err error, target **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*target = e
	return ok
}
