//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGoldenEvents: what the runner is told, outputs, annotations and summary,
// for findings of every severity and more of them than a step may annotate.
// UPDATE=1 writes the golden file.
func TestGoldenEvents(t *testing.T) {
	p := newPlatform(t)
	var many strings.Builder
	for i := range 14 {
		fmt.Fprintf(&many, "package%d>=1\n", i)
	}
	workflow := `name: pins
on: push
jobs:
  pins:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
      - name: Pins
        uses: fairlead-ci/fairlead/actions/pin-check@` + actionSHA + `
        with:
          path: bad
          fail-on: never
          sarif: pins.sarif
`
	out := p.push(t, p.release(t, 1, map[string]string{
		".github/workflows/deploy.yml": workflow, "bad/requirements.txt": "django==4.2.16\nflask===3.0.0 --hash=sha256:" + strings.Repeat("a", 64) + "\n", "bad/more/requirements.txt": many.String(),
		"bad/Dockerfile": "FROM python:3.13 # ::error::forged\nRUN pip install x\n"}))
	if out.code != 0 {
		t.Fatalf("exit code %d\n%s", out.code, out.log)
	}
	var got strings.Builder
	var outputs []string // act tells them in any order
	seen := map[string]bool{}
	for _, e := range out.events {
		if e.Step != "Pins" || e.Command == "" || e.Command == "stop-commands" {
			continue
		}
		var text string
		switch e.Command {
		case "set-output":
			outputs = append(outputs, "output "+e.Name+"="+e.Arg+"\n")
			continue
		case "summary":
			text = "summary\n" + e.Content
		case "error", "warning", "notice":
			text = e.Command
			for _, k := range slices.Sorted(maps.Keys(e.KV)) {
				text += " " + k + "=" + e.KV[k]
			}
			text += " | " + e.Arg
		default:
			continue // the random end of stop-commands
		}
		if !seen[text] {
			seen[text] = true
			got.WriteString(strings.TrimRight(text, "\n") + "\n")
		}
	}
	slices.Sort(outputs)
	got.WriteString(strings.Join(slices.Compact(outputs), ""))
	golden := filepath.Join("testdata", "events.golden")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != got.String() {
		t.Errorf("%v\ngot\n%s\nwant\n%s", err, got.String(), want)
	}
}
