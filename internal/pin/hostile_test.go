package pin_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-ci/fairlead/internal/pin"
)

// TestHostileFiles: whatever stands in a file of any kind, something is said of it
// with its place, and the rest of the tree is checked.
func TestHostileFiles(t *testing.T) {
	const flow = ".github/workflows/x.yml"
	kinds := []string{flow, "action.yml", "Dockerfile", "requirements.txt", "requirements.in", "compose.yaml", ".devcontainer.json", "poetry.lock", "uv.lock", "Pipfile.lock", "pdm.lock", "pylock.toml", "pyproject.toml", ".github/workflows/actions.lock"}
	nothing := map[string]bool{"requirements.txt": true, "requirements.in": true, "pyproject.toml": true, "compose.yaml": true} // an empty one says nothing, and is allowed to
	wide := func(s string) string {
		out := "\xff\xfe"
		for _, c := range []byte(s) {
			out += string([]byte{c, 0})
		}
		return out
	}
	for _, c := range []struct {
		name, data string
		whole      bool // a finding about the whole file, without a line
	}{
		{"binary", "\x00\x01\x02ELF\xff", true},
		{"too large", strings.Repeat("# x\n", 1<<20+1), true},
		{"junk", "{{{{ [[[[ ::::\n\t- &a [*a, *b\n\"", false},
		{"not UTF-8", "\"\xff\xfe\xfa\": [\n", false},
		{"UTF-16", wide("x: {\n"), false},
		{"deep", strings.Repeat("[", 1<<20), false},
		{"control", "a: \x1b[31mred\x07 {\n", false},
		{"empty", "", false},
	} {
		for _, kind := range kinds {
			if c.name == "empty" && nothing[kind] {
				continue
			}
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				fsys := fstest.MapFS{kind: {Data: []byte(c.data)}, "z/Dockerfile": {Data: []byte("FROM a:1\n")}}
				start := time.Now()
				r, err := pin.Check(context.Background(), fsys, pin.Config{})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("took %s", took)
				}
				said, rest := false, false
				for _, f := range r.Findings {
					rest = rest || f.Path == "z/Dockerfile"
					if f.Path != kind {
						continue
					}
					said = said || c.whole == (f.Line == 0) || c.whole && strings.HasPrefix(f.Rule, "action/lock")
					if f.Line > 1+strings.Count(c.data, "\n") || strings.ContainsAny(f.Message+f.Hint, "\x00\x1b\x07") || len(f.Message) > 2000 {
						t.Errorf("%s:%d:%d %s: %.3000q", f.Path, f.Line, f.Column, f.Rule, f.Message)
					}
				}
				if !said || !rest {
					t.Errorf("said of it: %t, of the rest: %t; %+.500v", said, rest, r.Findings)
				}
			})
		}
	}
}

// TestHostileSizes: a large file takes no more than seconds, whatever is in it.
func TestHostileSizes(t *testing.T) {
	if testing.Short() {
		t.Skip("large inputs")
	}
	const size = 512 << 10
	fill := func(before, s, after string) string {
		return before + strings.Repeat(s, size/len(s)) + after
	}
	const flow = ".github/workflows/x.yml"
	for _, c := range []struct{ name, path, data string }{
		{"garbage lines", "Dockerfile", fill("", "ENV x\n", "")},
		{"many stages", "Dockerfile", fill("", "FROM a AS b\n", "")},
		{"many copies", "Dockerfile", fill("FROM a\n", "COPY --from=b c d\n", "")},
		{"one long line", "Dockerfile", fill("FROM ", "$A", "")},
		{"continued", "Dockerfile", fill("", "a\\\n", "")},
		{"growing variables", "Dockerfile", fill("ARG A=aaaaaaaa\n", "ARG A=$A$A\n", "")},
		{"bad hashes", "requirements.txt", fill("", "a==1 --hash=x\n", "")},
		{"conflicts", "requirements.txt", fill("", "a==1\na==2\n", "")},
		{"many steps", flow, fill("jobs: {a: {steps: [", "{uses: a/b@v1},", "]}}")},
		{"deep", flow, fill("jobs: ", "[", "")},
		{"expressions", flow, fill("jobs: {a: {strategy: {matrix: {x: [1,2]}}, container: '", "${{matrix.x}}", "'}}")},
		{"matrix values", flow, fill("jobs: {a: {container: '${{matrix.x}}', strategy: {matrix: {x: [", "a,", "]}}}}")},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			if _, err := pin.Check(context.Background(), fstest.MapFS{c.path: {Data: []byte(c.data)}}, pin.Config{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
