package pin_test

import (
	"context"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fairlead-ci/fairlead/internal/pin"
)

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
