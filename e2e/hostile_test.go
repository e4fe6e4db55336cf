//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hostile is a value as a stranger would write it: delimiters of other tools and
// a guess at ours, commands, escapes, line breaks of all kinds, and a secret.
const hostile = "a\n_GitHubActionsFileCommandDelimeter_\nimage=evil\nfairlead_0123456789abcdef0123456789abcdef\nEOF\nverdict<<X\npass\nX\n" +
	"::error::forged\n::set-output name=verdict::forged\n::add-mask::a\n::stop-commands::x\n%0A::warning::forged%0D\nthe secret is hunter2-e2e-secret\nend"

// TestHostileOutput: whatever a value holds, it is one output, and no command.
func TestHostileOutput(t *testing.T) {
	p := newPlatform(t)
	said := filepath.Join(p.dir, "said")
	workflow := `name: hostile
on: push
jobs:
  hold:
    runs-on: ubuntu-latest
    steps:
      - name: Hold
        id: hold
        uses: fairlead-ci/fairlead/actions/hold@` + actionSHA + `
        with:
          env: staging
          reason: ${{ secrets.HOSTILE }}
          run: ${{ secrets.HOSTILE }}
          service: shop
          ledger: ` + p.hub + `
      - name: Read it
        env:
          VALUE: ${{ steps.hold.outputs.run }}
          ALL: ${{ toJSON(steps.hold.outputs) }}
          SAID: ` + said + `
        run: |
          printf '%s' "$VALUE" > "$SAID"
          printf '%s' "$ALL" > "$SAID.json"
`
	p.secrets["HOSTILE"], p.secrets["PASSWORD"] = hostile, "hunter2-e2e-secret"
	out := p.push(t, p.release(t, 1, map[string]string{".github/workflows/deploy.yml": workflow}))
	if out.code != 0 {
		t.Fatalf("exit code %d\n%s", out.code, out.log)
	}
	got, err := os.ReadFile(said)
	if err != nil || strings.ReplaceAll(string(got), "\r\n", "\n") != hostile {
		t.Errorf("the next step got %q, %v\nwant %q", got, err, hostile)
	}
	text, err := os.ReadFile(said + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var outputs map[string]string
	if err := json.Unmarshal(text, &outputs); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	names := slices.Sorted(maps.Keys(outputs))
	if want := []string{"baseline-url", "canary-url", "digest", "first", "host", "previous", "run", "seq", "url", "verdict"}; !slices.Equal(names, want) {
		t.Errorf("outputs %v, want %v", names, want)
	}
	if outputs["verdict"] != "pass" {
		t.Errorf("verdict %q", outputs["verdict"])
	}
	for _, e := range out.events {
		if (e.Command == "error" || e.Command == "warning" || e.Command == "notice") && e.Step == "Hold" {
			t.Errorf("an annotation: %s %q", e.Command, e.Msg)
		}
	}
	if strings.Contains(out.log, "hunter2-e2e-secret") {
		t.Error("the log holds the secret")
	}
}
