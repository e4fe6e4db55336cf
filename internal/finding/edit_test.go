package finding

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDiffAgainstGit applies diffs of random edits with git: the result is what
// Apply makes.
func TestDiffAgainstGit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 60 {
		var lines []string
		for range rng.IntN(30) {
			lines = append(lines, strings.Repeat(string(rune('a'+rng.IntN(26))), rng.IntN(5)))
		}
		text := strings.Join(lines, "\n")
		if rng.IntN(2) == 0 {
			text += "\n"
		}
		var edits []Edit
		for at := 0; at < len(text) && len(edits) < 5; {
			start := at + rng.IntN(len(text)-at)
			end := min(len(text), start+rng.IntN(4))
			edits = append(edits, Edit{Path: "f", Start: start, End: end, Text: []string{"", "X", "new\nlines\n", "\n"}[rng.IntN(4)]})
			at = end + 1
		}
		rng.Shuffle(len(edits), func(i, j int) { edits[i], edits[j] = edits[j], edits[i] })
		want, err := Apply([]byte(text), edits)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Diff("f", []byte(text), edits)
		if err != nil {
			t.Fatal(err)
		}
		if d == "" {
			if string(want) != text {
				t.Fatalf("case %d: no diff of %q and %q", n, text, want)
			}
			continue
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "f")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", "apply", "--unidiff-zero", "-")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(d)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("case %d: git apply: %v: %s\n%s\nof %q with %+v", n, err, out, d, text, edits)
		}
		got, err := os.ReadFile(file)
		if err != nil && len(want) > 0 {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("case %d: git makes %q, Apply %q, of\n%s", n, got, want, d)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	for _, edits := range [][]Edit{{{Start: 0, End: 3}, {Start: 2, End: 4}}, {{Start: 3, End: 9}}, {{Start: 3, End: 2}}} {
		if _, err := Apply([]byte("abcdef"), edits); err == nil {
			t.Errorf("%v is accepted", edits)
		}
	}
}
