package house

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

type workflow struct {
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Uses        string            `yaml:"uses"`
		Permissions map[string]string `yaml:"permissions"`
		Steps       []struct {
			Uses string         `yaml:"uses"`
			With map[string]any `yaml:"with"`
			Run  string         `yaml:"run"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

func readWorkflow(t *testing.T, path string) workflow {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return w
}

// union is what a caller must allow: the most that any job asks for.
func union(w workflow) map[string]string {
	out := map[string]string{}
	for _, j := range w.Jobs {
		for scope, level := range j.Permissions {
			if out[scope] != "write" {
				out[scope] = level
			}
		}
	}
	return out
}

var (
	pinnedUse = regexp.MustCompile(`^(\$/|\./)|@[0-9a-f]{40}$`)
	block     = regexp.MustCompile(`permissions: \{ ([a-z: ,-]+) \}`)
)

// A caller's permissions are exactly what the called workflow's jobs need: one
// more would be a gift, one less a failure on the first run.
func TestCallersAllowWhatIsNeeded(t *testing.T) {
	need := map[string]map[string]string{}
	for _, name := range []string{"pipeline", "operate"} {
		need[name] = union(readWorkflow(t, filepath.Join(root(t), ".github", "workflows", name+".yml")))
	}
	callers, _ := filepath.Glob(filepath.Join(root(t), "examples", "workflows", "*.yml"))
	seen := 0
	for _, path := range callers {
		for id, j := range readWorkflow(t, path).Jobs {
			for name, want := range need {
				if strings.Contains(j.Uses, "/"+name+".yml@") {
					seen++
					if !maps.Equal(j.Permissions, want) {
						t.Errorf("%s: job %s allows %v, %s needs %v", filepath.Base(path), id, j.Permissions, name, want)
					}
				}
			}
		}
	}
	if seen < 6 {
		t.Errorf("only %d callers found", seen)
	}
	for _, page := range []string{"README.md", "docs/pipeline.md"} {
		text, err := os.ReadFile(filepath.Join(root(t), page))
		if err != nil {
			t.Fatal(err)
		}
		found := block.FindAllStringSubmatch(string(text), -1)
		ok := false
		for _, m := range found {
			got := map[string]string{}
			for _, kv := range strings.Split(m[1], ", ") {
				k, v, _ := strings.Cut(kv, ": ")
				got[k] = v
			}
			ok = ok || maps.Equal(got, need["pipeline"])
		}
		if !ok {
			t.Errorf("%s shows no caller with the permissions %v", page, need["pipeline"])
		}
	}
}

// Everything is pinned, nothing has rights by default, and no expression reaches
// a shell.
func TestWorkflowsAreSafe(t *testing.T) {
	var all []string
	for _, pattern := range []string{".github/workflows/*.yml", "examples/workflows/*.yml"} {
		found, _ := filepath.Glob(filepath.Join(root(t), pattern))
		all = append(all, found...)
	}
	if len(all) < 8 {
		t.Fatalf("only %d workflows", len(all))
	}
	for _, path := range all {
		w := readWorkflow(t, path)
		if w.Permissions == nil || len(w.Permissions) > 0 {
			t.Errorf("%s: permissions are not {} at the top", path)
		}
		for id, j := range w.Jobs {
			if j.Uses != "" && !pinnedUse.MatchString(j.Uses) {
				t.Errorf("%s: %s: %s is not pinned", path, id, j.Uses)
			}
			for _, s := range j.Steps {
				if s.Uses != "" && !pinnedUse.MatchString(s.Uses) {
					t.Errorf("%s: %s: %s is not pinned", path, id, s.Uses)
				}
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: %s: an expression reaches the shell: %s", path, id, s.Run)
				}
			}
		}
	}
}

// What an example gives one of the actions is an input of it.
func TestExamplesNameInputs(t *testing.T) {
	ours := regexp.MustCompile(`^fairlead-ci/fairlead/(actions/[a-z-]+)@`)
	examples, _ := filepath.Glob(filepath.Join(root(t), "examples", "workflows", "*.yml"))
	seen := 0
	for _, path := range examples {
		for id, j := range readWorkflow(t, path).Jobs {
			for _, s := range j.Steps {
				m := ours.FindStringSubmatch(s.Uses)
				if m == nil {
					continue
				}
				text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(m[1]), "action.yml"))
				if err != nil {
					t.Fatal(err)
				}
				var action struct {
					Inputs map[string]any `yaml:"inputs"`
				}
				if err := yaml.Unmarshal(text, &action); err != nil {
					t.Fatal(err)
				}
				for name := range s.With {
					seen++
					if _, ok := action.Inputs[name]; !ok {
						t.Errorf("%s: job %s: %s has no input %q", filepath.Base(path), id, m[1], name)
					}
				}
			}
		}
	}
	if seen == 0 {
		t.Error("no example uses an action")
	}
}
