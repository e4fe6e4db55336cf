//go:build conformance

package conform

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/fairlead-ci/fairlead/internal/python/index"
)

// cache is where tools, locks and wheels are kept between runs.
const cache = "../../../.cache/conformance"

// project is one of testdata/projects.toml.
type project struct {
	Name     string
	Format   string
	Requires []string
}

func projects(t *testing.T) []project {
	t.Helper()
	raw, err := os.ReadFile("testdata/projects.toml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Project []project }
	if err := toml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Project
}

// tool is a program of one of the virtual environments that
// scripts/conformance-tools makes.
func tool(t *testing.T, venv, name string) string {
	t.Helper()
	p, err := filepath.Abs(filepath.Join(cache, venv, "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p); err != nil {
		t.Skipf("no %s: run make conformance, which installs the tools", p)
	}
	return p
}

// run runs a program in dir and returns what it printed.
func run(t *testing.T, dir string, command ...string) []byte {
	t.Helper()
	out, stderr, err := try(dir, command...)
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, stderr)
	}
	return out
}

func try(dir string, command ...string) (stdout, stderr []byte, err error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	absolute, err := filepath.Abs(cache)
	if err != nil {
		return nil, nil, err
	}
	cmd.Env = append(os.Environ(), "UV_CACHE_DIR="+absolute+"/uv-cache", "PIP_CACHE_DIR="+absolute+"/pip-cache", "PIP_DISABLE_PIP_VERSION_CHECK=1",
		"PIPENV_VENV_IN_PROJECT=1", "PIPENV_NOSPIN=1", "POETRY_VIRTUALENVS_CREATE=false", "PDM_CHECK_UPDATE=0", "NO_COLOR=1")
	var a, b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &a, &b
	err = cmd.Run()
	return a.Bytes(), b.Bytes(), err
}

// lockFile is what each format's lock is called.
var lockFile = map[string]string{
	"requirements": "requirements.txt", "uv": "uv.lock", "poetry": "poetry.lock", "pdm": "pdm.lock", "pipenv": "Pipfile.lock", "pylock": "pylock.toml",
}

// pins is the file with the same lock for the peers, written by the lock's own tool.
const pins = "peers.txt"

// locked makes the project's folder with its lock, once: locks are kept, so that
// a second run compares the same and does not resolve anew.
func (p project) locked(t *testing.T) string {
	t.Helper()
	key := sha256.Sum256([]byte(fmt.Sprintf("2 %q", p)))
	dir, err := filepath.Abs(filepath.Join(cache, "locks", p.Name+"-"+hex.EncodeToString(key[:6])))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, pins)); err == nil {
		return dir
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("app.py", "app = 1\n")
	quoted := make([]string, len(p.Requires))
	for i, r := range p.Requires {
		quoted[i] = fmt.Sprintf("%q", r)
	}
	pyproject := fmt.Sprintf("[project]\nname = %q\nversion = \"1.0\"\nrequires-python = \">=3.10,<3.14\"\ndependencies = [%s]\n", p.Name, strings.Join(quoted, ", "))
	var exported []byte
	switch p.Format {
	case "requirements":
		uv := tool(t, "core", "uv")
		write("requirements.in", strings.Join(p.Requires, "\n")+"\n")
		run(t, dir, uv, "pip", "compile", "--universal", "--generate-hashes", "--python-version", "3.10", "-o", "requirements.txt", "requirements.in")
		if exported, err = os.ReadFile(filepath.Join(dir, "requirements.txt")); err != nil {
			t.Fatal(err)
		}
	case "uv", "pylock":
		uv := tool(t, "core", "uv")
		write("pyproject.toml", pyproject)
		run(t, dir, uv, "lock")
		exported = run(t, dir, uv, "export", "--frozen", "--no-dev", "--no-emit-project", "--format", "requirements.txt")
		if p.Format == "pylock" {
			run(t, dir, uv, "export", "--frozen", "--no-dev", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml")
			if err := os.Rename(filepath.Join(dir, "uv.lock"), filepath.Join(dir, "made-from.uv.lock")); err != nil {
				t.Fatal(err)
			}
		}
	case "poetry":
		poetry := tool(t, "poetry", "poetry")
		// A source of another name makes poetry use the simple API alone.
		url, err := index.DefaultURL()
		if err != nil {
			t.Fatal(err)
		}
		write("pyproject.toml", pyproject+fmt.Sprintf("[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = \"main\"\nurl = %q\npriority = \"primary\"\n", url+"/"))
		run(t, dir, poetry, "lock", "--no-interaction")
		exported = run(t, dir, poetry, "export", "--format", "requirements.txt", "--no-interaction")
	case "pdm":
		pdm := tool(t, "pdm", "pdm")
		write("pyproject.toml", pyproject+"[tool.pdm]\ndistribution = false\n")
		run(t, dir, pdm, "lock")
		exported = run(t, dir, pdm, "export", "--prod", "-f", "requirements")
	case "pipenv":
		pipenv := tool(t, "pipenv", "pipenv")
		var b strings.Builder
		b.WriteString("[packages]\n")
		for _, r := range p.Requires {
			name, extra, ok := strings.Cut(strings.TrimSuffix(r, "]"), "[")
			if ok {
				fmt.Fprintf(&b, "%q = {extras = [%q], version = \"*\"}\n", name, extra)
			} else {
				fmt.Fprintf(&b, "%q = \"*\"\n", name)
			}
		}
		write("Pipfile", b.String())
		run(t, dir, pipenv, "lock")
		exported = run(t, dir, pipenv, "requirements", "--hash")
		// The folder's virtual environment is of no further use.
		if err := os.RemoveAll(filepath.Join(dir, ".venv")); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("project %s: no format %q", p.Name, p.Format)
	}
	write(pins, string(exported))
	return dir
}
