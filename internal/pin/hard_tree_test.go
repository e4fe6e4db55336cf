package pin_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/fairlead-ci/fairlead/internal/pin"
)

// hardTrees runs the hard cases that need more than one file: testdata/hard holds
// one each, named after its number, with what is wanted at its end. A
// resolution.json in it is what a source answers.
func hardTrees(t *testing.T) {
	names, err := filepath.Glob("testdata/hard/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		number, title, _ := strings.Cut(strings.TrimSuffix(filepath.Base(name), ".txtar"), "-")
		t.Run(number+"/"+title, func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			fsys := fstest.MapFS{}
			cfg := pin.Config{}
			want := ""
			for _, f := range a.Files {
				switch f.Name {
				case "want":
					want = string(f.Data)
				case "resolution.json":
					res, err := pin.ReadResolution(f.Name, f.Data)
					if err != nil {
						t.Fatal(err)
					}
					cfg.Source, cfg.Verify = res, true
				default:
					fsys[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			r, err := pin.Check(context.Background(), fsys, cfg)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, s := range r.Subjects {
				fmt.Fprintf(&b, "%s:%d: %s\n", s.Path, s.Line, strings.Join(strings.Fields(string(s.State)+" "+by(s)+" "+string(s.Kind)+" "+s.Ref), " "))
			}
			for _, f := range r.Findings {
				fmt.Fprintf(&b, "%s:%d:%d: %s %s: %s\n", f.Path, f.Line, f.Column, f.Severity, f.Rule, f.Message)
			}
			if b.Len() == 0 {
				b.WriteString("nothing to say\n")
			}
			t.Logf("case %s: %s%s", number, a.Comment, b.String())
			if *update {
				a.Files[len(a.Files)-1].Data = []byte(b.String())
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if b.String() != want {
				t.Errorf("got\n%swant\n%s", b.String(), want)
			}
		})
	}
}

func by(s pin.Subject) string {
	if s.By == "" {
		return ""
	}
	return "by " + s.By
}
