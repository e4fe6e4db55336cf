//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

type demoDocument struct {
	Schema   int    `json:"schema"`
	Tool     string `json:"tool"`
	Verdict  string `json:"verdict"`
	Releases []struct {
		Digest  string `json:"digest"`
		Outcome string `json:"outcome"`
	} `json:"releases"`
	Environments struct {
		Staging    struct{ Digest string } `json:"staging"`
		Production struct{ Digest string } `json:"production"`
	} `json:"environments"`
	Canary []struct{ Verdict string } `json:"canary"`
	Ledger []struct {
		Env, Kind, Phase, Digest string
	} `json:"ledger"`
	Parts struct{ Containers string } `json:"parts"`
}

func checkDemo(t *testing.T, text string) demoDocument {
	t.Helper()
	d := decode[demoDocument](t, text)
	if d.Schema != 1 || d.Tool != "demo" || d.Verdict != "pass" || len(d.Releases) != 3 || len(d.Canary) != 2 {
		t.Fatalf("document: %s", text)
	}
	if d.Canary[0].Verdict != "pass" || d.Canary[1].Verdict != "fail" {
		t.Errorf("canaries: %+v", d.Canary)
	}
	if d.Environments.Production.Digest != d.Releases[1].Digest || d.Environments.Staging.Digest != d.Releases[2].Digest {
		t.Errorf("environments: %+v, releases %+v", d.Environments, d.Releases)
	}
	if len(d.Ledger) < 6 {
		t.Errorf("ledger of %d entries", len(d.Ledger))
	}
	return d
}

func TestDemoWithPodman(t *testing.T) {
	podmanPorts(t)
	r := must(t, t.TempDir(), nil, bin(t), "demo", "--engine", "podman", "--format", "json")
	if d := checkDemo(t, r.stdout); !strings.HasPrefix(d.Parts.Containers, "podman") {
		t.Errorf("containers by %q", d.Parts.Containers)
	}
	if left := must(t, "", nil, "podman", "ps", "-aq", "--filter", "label=dev.fairlead.service=hello").stdout; left != "" {
		t.Errorf("containers left behind: %s", left)
	}
}

// withoutEngine is a PATH with git and Python and nothing else of note.
func withoutEngine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range []string{"git", "python3", "ldconfig", "sh"} {
		path, err := exec.LookPath(p)
		if err != nil {
			path, err = exec.LookPath("/sbin/" + p)
		}
		if err != nil {
			continue
		}
		if p == "python3" {
			// A version manager's shim needs its own PATH; the interpreter does not.
			if out, err := exec.Command(path, "-c", "import sys; print(sys.executable)").Output(); err == nil {
				path = strings.TrimSpace(string(out))
			}
		}
		if err := os.Symlink(path, filepath.Join(dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDemoWithoutEngine(t *testing.T) {
	r := run(t, t.TempDir(), []string{"PATH=" + withoutEngine(t)}, bin(t), "demo", "--format", "json")
	if r.code == 4 && strings.Contains(r.stderr, "name spaces are not available") {
		t.Skipf("NOT TESTED: %s", r.stderr)
	}
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	if d := checkDemo(t, r.stdout); !strings.Contains(d.Parts.Containers, "name spaces") {
		t.Errorf("containers by %q", d.Parts.Containers)
	}
}
