package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/promote"
)

const repository = "../.."

func TestGeneratedFilesAreCurrent(t *testing.T) {
	files, err := Generated(func(p string) ([]byte, error) { return os.ReadFile(filepath.Join(repository, p)) })
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(repository, path))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v): go generate ./...", path, err)
		}
	}
	// What no command stands behind any more must go.
	for _, pattern := range []string{"actions/*/action.yml", "bootstrap/*.js"} {
		found, _ := filepath.Glob(filepath.Join(repository, pattern))
		for _, f := range found {
			rel, _ := filepath.Rel(repository, f)
			if _, ok := files[filepath.ToSlash(rel)]; !ok && rel != filepath.Join("bootstrap", "run.js") {
				t.Errorf("%s belongs to no command", rel)
			}
		}
	}
}

// metadata is GitHub's action metadata, as far as ours may use it.
type metadata struct {
	Name, Description, Author string
	Branding                  struct{ Icon, Color string }
	Inputs                    map[string]struct {
		Description string
		Required    bool
	}
	Outputs map[string]struct{ Description string }
	Runs    struct{ Using, Main string }
}

var inputName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func TestActionMetadata(t *testing.T) {
	found, _ := filepath.Glob(filepath.Join(repository, "actions", "*", "action.yml"))
	if _, err := os.Stat(filepath.Join(repository, "action.yml")); err == nil {
		found = append(found, filepath.Join(repository, "action.yml"))
	}
	if len(found) < len(faces()) {
		t.Fatalf("%d action.yml files for %d faces", len(found), len(faces()))
	}
	titles := map[string]string{}
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var m metadata
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true) // a default, say, is not known
		if err := dec.Decode(&m); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		switch {
		case m.Name == "" || m.Description == "" || len(m.Description) > 125 || m.Author == "" || m.Branding.Icon == "" || m.Branding.Color == "":
			t.Errorf("%s: name, description (at most 125 characters on the Marketplace), author or branding: %+v", path, m)
		case m.Runs.Using != "node24":
			t.Errorf("%s: using %q", path, m.Runs.Using)
		case titles[m.Name] != "":
			t.Errorf("%s and %s have the same name", path, titles[m.Name])
		}
		if bytes.Contains(text, []byte("${{")) {
			t.Errorf("%s: expressions are not allowed in action metadata, not even in a description", path)
		}
		titles[m.Name] = path
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), m.Runs.Main)); err != nil {
			t.Errorf("%s: main: %v", path, err)
		}
		for name, in := range m.Inputs {
			if !inputName.MatchString(name) || strings.TrimSpace(in.Description) == "" {
				t.Errorf("%s: input %q: %q", path, name, in.Description)
			}
		}
		for name, out := range m.Outputs {
			if !inputName.MatchString(name) || out.Description == "" {
				t.Errorf("%s: output %q: %q", path, name, out.Description)
			}
		}
		if _, ok := m.Inputs["github-token"]; !ok {
			t.Errorf("%s: no github-token", path)
		}
	}
}

// A command sets exactly the outputs that its face declares: a missing one and
// an unknown one would be noticed by users first.
func TestOutputsAreDeclared(t *testing.T) {
	env := testSession(nil)
	env.Now = time.Now
	pins, err := (&pinCheckCmd{Path: []string{t.TempDir()}, FailOn: "error"}).run(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	checked, err := (&checkCmd{Path: t.TempDir(), FailOn: "error"}).run(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "r.xml")
	if err := os.WriteFile(report, []byte("<testsuite/>"), 0o644); err != nil {
		t.Fatal(err)
	}
	merged, err := (&junitCmd{Report: []string{report}}).run(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	promoted := promoteOutcome(&promote.Report{}, "")
	for tool, o := range map[string]*outcome{
		"junit": merged, "check": checked, "pin-check": pins, "build-image": (&buildImageCmd{}).outcome(&image.Result{}), "canary-gate": canaryOutcome(canary.Report{}),
		"promote": promoted, "rollback": promoted, "hold": promoted, "unhold": promoted,
	} {
		f, ok := faceOf(tool)
		if !ok {
			t.Errorf("%s has no face", tool)
		}
		var declared, set []string
		for _, d := range f.outputs {
			declared = append(declared, d.name)
		}
		for _, p := range o.outputs {
			set = append(set, p.name)
		}
		slices.Sort(declared)
		slices.Sort(set)
		if !slices.Equal(declared, set) {
			t.Errorf("%s sets %v and declares %v", tool, set, declared)
		}
	}
}
