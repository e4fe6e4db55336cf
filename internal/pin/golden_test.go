package pin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/finding/sariftest"
	"github.com/fairlead-ci/fairlead/internal/pin"
)

var update = flag.Bool("update", false, "write the golden files")

func open(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for _, f := range a.Files {
		fsys[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return fsys
}

func render(t *testing.T, fsys fs.FS, r pin.Report) string {
	t.Helper()
	var b bytes.Buffer
	source := func(name string) []byte {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil
		}
		return data
	}
	if err := (finding.Text{Source: source}).Write(&b, r.Findings); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n" + finding.Totals(r.Findings, r.Scope()) + "\n")
	return b.String()
}

// sarif is pin-check's rendering of findings in a tree.
func sarif(fsys fs.FS) finding.SARIF {
	out := finding.SARIF{Tool: "fairlead pin-check", Version: "1.0.0", Docs: "https://docs.example/rules/", Source: func(name string) []byte {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil
		}
		return data
	}}
	for _, r := range pin.Rules() {
		out.Rules = append(out.Rules, finding.RuleInfo{ID: r.ID, Severity: r.Severity, Title: r.Title})
	}
	return out
}

func TestGolden(t *testing.T) {
	for _, dir := range []string{"ok", "err"} {
		names, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no cases in %s: %v", dir, err)
		}
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				fsys := open(t, name)
				r, err := pin.Check(context.Background(), fsys, pin.Config{})
				if err != nil {
					t.Fatal(err)
				}
				got := render(t, fsys, r)
				if dir == "ok" {
					if r.Verdict != finding.Pass || len(r.Findings) > 0 {
						t.Errorf("findings in a tree without fault:\n%s", got)
					}
					return
				}
				var log bytes.Buffer
				if err := sarif(fsys).Write(&log, r.Findings); err != nil {
					t.Fatal(err)
				}
				sariftest.Validate(t, log.Bytes())
				var b bytes.Buffer
				if err := finding.WriteJSON(&b, r); err != nil {
					t.Fatal(err)
				}
				for ext, text := range map[string]string{".out": got, ".json": b.String()} {
					path := strings.TrimSuffix(name, ".txtar") + ext
					if *update {
						if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
							t.Fatal(err)
						}
					}
					want, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					if text != string(want) {
						t.Errorf("%s differs (go test -update writes it); got:\n%s", path, text)
					}
				}
			})
		}
	}
}

// TestReportJSON: subjects and findings write what their structs' tags say.
func TestReportJSON(t *testing.T) {
	r := pin.Report{Schema: 1, Subjects: []pin.Subject{{}, {Kind: pin.Image, Path: "a\"b", Line: 1, Column: 2, Name: "ü", Ref: "r\n", State: pin.Pinned, By: "digest"}}, Findings: []finding.Finding{{Rule: "x"}}}
	var got, want bytes.Buffer
	if err := finding.WriteJSON(&got, r); err != nil {
		t.Fatal(err)
	}
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		t.Fatal(err)
	}
	if got.String() != want.String() {
		t.Errorf("got %s\nwant %s", got.String(), want.String())
	}
}
