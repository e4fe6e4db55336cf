// Package house holds the tests that keep the architecture of the repository:
// who may import whom, how long files may get, what may never be written down.
package house

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/fairlead-ci/fairlead/"

// level orders the packages: imports point to a lower level only, or stay
// within one tool. A package that is not listed fails the test.
var level = []struct {
	prefix string
	level  int
}{
	{"cmd/", 5},
	{"internal/cli", 4},
	{"internal/demo", 3}, // the whole chain: above the tools, used by cli alone
	{"internal/pin", 2},
	{"internal/contract", 2},
	{"internal/image", 2},
	{"internal/promote", 2},
	{"internal/canary", 2},
	{"internal/python", 1},
	{"internal/oci", 1},
	{"internal/ledger", 1},
	{"internal/attest", 1},
	{"internal/seqtest", 1},
	{"internal/sbom", 1},
	{"internal/engine", 1},
	{"internal/gha", 1},
	{"internal/github", 1},
	{"internal/config", 1},
	{"internal/junit", 0},
	{"internal/tunnel", 0}, // used by engine and by tools
	{"internal/fake", 1},
	{"examples", 1},
	{"internal/disk", 0},
	{"internal/finding", 0},
	{"internal/failure", 0},
	{"internal/clock", 0},
	{"internal/version", 0},
}

// only names the single importer of a library.
var only = map[string]string{
	"github.com/sethvargo/go-githubactions":                "internal/gha",
	"github.com/google/go-github/":                         "internal/github",
	"github.com/google/go-containerregistry/pkg/v1/remote": "internal/oci",
	"github.com/google/osv-scalibr/":                       "internal/python/index",
	"github.com/alecthomas/kong":                           "internal/cli",
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("only %d packages found", len(all))
	}
	return all
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func find(path string) (string, int, bool) {
	for _, l := range level {
		if path == strings.TrimSuffix(l.prefix, "/") || strings.HasPrefix(path, strings.TrimSuffix(l.prefix, "/")+"/") {
			return l.prefix, l.level, true
		}
	}
	return "", 0, false
}

func TestImportsPointDownwards(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		if from == "internal/house" || strings.HasPrefix(from, "bench") || strings.HasPrefix(from, "e2e") || strings.HasPrefix(from, "scripts") {
			continue
		}
		tool, lvl, ok := find(from)
		if !ok {
			t.Errorf("%s has no place in the house: add it to the levels of this test", from)
			continue
		}
		for _, imp := range p.Imports {
			for lib, owner := range only {
				if strings.HasPrefix(imp, lib) && from != owner && !strings.HasPrefix(from, owner+"/") {
					t.Errorf("%s imports %s, which is %s's alone", from, imp, owner)
				}
			}
			to, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			other, l, ok := find(to)
			if !ok {
				continue // reported when its own turn comes
			}
			if other != tool && (l > lvl || l == lvl && lvl == 2) {
				t.Errorf("%s (level %d) imports %s (level %d): imports point downwards and tools do not import one another", from, lvl, to, l)
			}
		}
	}
}

// tracked lists the repository's files: git's, or the tree's where there is no git.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root(t)
	if out, err := cmd.Output(); err == nil {
		return strings.Split(strings.TrimRight(string(out), "\x00"), "\x00")
	}
	var files []string
	err := filepath.WalkDir(root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == ".cache") {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			rel, _ := filepath.Rel(root(t), path)
			files = append(files, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFilesStayShort(t *testing.T) {
	for _, f := range tracked(t) {
		if !strings.HasSuffix(f, ".go") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root(t), f))
		if err != nil || bytes.Contains(data, []byte("// Code generated")) {
			continue
		}
		if n := bytes.Count(data, []byte("\n")); n > 500 {
			t.Errorf("%s has %d lines; divide it, or move its tables to testdata", f, n)
		}
	}
}

// forbidden is what must stand in no file: package registries' hosts, which a
// user's configuration decides, and paths of somebody's machine. The brackets
// keep this file from matching itself.
var forbidden = regexp.MustCompile(`(^|[^a-z0-9.-])(py[p]i[.]org|files[.]python[h]osted|registry[.]np[m]js|(proxy|sum)[.]go[l]ang|(deb|security|snapshot)[.]de[b]ian|(static|index)[.]cra[t]es|repo1?[.]ma[v]en)|(^|[^a-z])/(wor[k]/main|roo[t]/)`)

func TestNothingForbiddenIsWrittenDown(t *testing.T) {
	for _, f := range tracked(t) {
		data, err := os.ReadFile(filepath.Join(root(t), f))
		if err != nil || bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0 {
			continue
		}
		sc := bufio.NewScanner(bytes.NewReader(data))
		sc.Buffer(nil, 16<<20)
		for n := 1; sc.Scan(); n++ {
			if m := forbidden.FindString(sc.Text()); m != "" {
				t.Errorf("%s", fmt.Sprintf("%s:%d: holds %q", f, n, strings.TrimSpace(m)))
			}
		}
	}
}
