package pin_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/pin"
)

// TestCommands: what RUN lines and run steps fetch is found at its place, and a
// requirements file is checked because a command reads it.
func TestCommands(t *testing.T) {
	fsys := fstest.MapFS{
		"Dockerfile":               {Data: []byte("FROM python@sha256:" + strings.Repeat("a", 64) + "\nCOPY deps/web.lst /tmp/\nRUN apt-get update && \\\n    # tools\n    pip install --no-cache-dir \\\n      wheel \\\n      -r /tmp/deps/web.lst\nRUN <<EOF\npip install heredoc\nEOF\nSHELL [\"powershell\"]\nRUN pip install skipped\n")},
		"deps/web.lst":             {Data: []byte("django>=4\n")},
		".github/workflows/ci.yml": {Data: []byte("on: push\njobs:\n  a:\n    runs-on: x\n    defaults: { run: { working-directory: tools } }\n    steps:\n      - run: pip install black\n      - run: |\n          docker run --rm alpine:3 true\n          pip install -r list.txt\n      - shell: pwsh\n        run: pip install skipped\n      - run: >-\n          pip install\n          folded\n      - uses: actions/checkout@" + strings.Repeat("b", 40) + " # v1.0.0\n        with: { x: pip install no }\n")},
		"tools/list.txt":           {Data: []byte("flask==3.0.0\n")},
	}
	rep, err := pin.Check(context.Background(), fsys, pin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range rep.Findings {
		got = append(got, fmt.Sprintf("%s:%d:%d-%d:%d %s", f.Path, f.Line, f.Column, f.EndLine, f.EndColumn, f.Rule))
	}
	want := []string{
		".github/workflows/ci.yml:7:26-7:31 command/not-pinned",
		".github/workflows/ci.yml:9:27-9:35 image/not-pinned",
		".github/workflows/ci.yml:14:11-14:22 command/not-pinned", // folded: the step's text
		"Dockerfile:6:7-6:12 command/not-pinned",
		"Dockerfile:9:13-9:20 command/not-pinned",
		"deps/web.lst:1:1-1:10 python/not-pinned",
		"tools/list.txt:1:1-1:13 python/no-hash",
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	for _, f := range rep.Findings {
		if f.Path == "deps/web.lst" && !strings.Contains(strings.Join(f.Context, "\n"), "read by: Dockerfile:7  pip … /tmp/deps/web.lst") {
			t.Errorf("context of %s: %q", f.Path, f.Context)
		}
	}
}

// TestCompose: the services' images and inline Dockerfiles, at their places.
func TestCompose(t *testing.T) {
	fsys := fstest.MapFS{"deploy/docker-compose.prod.yml": {Data: []byte("services:\n  db:\n    image: postgres:${PG:-16}\n  cache:\n    image: redis@sha256:" + strings.Repeat("c", 64) + "\n  any:\n    image: ${IMG}\n  web:\n    image: acme/web\n    build:\n      dockerfile_inline: |\n        FROM scratch\n        COPY --from=busybox:1 /bin/sh /\n")}}
	rep, err := pin.Check(context.Background(), fsys, pin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range rep.Findings {
		got = append(got, fmt.Sprintf("%d:%d-%d %s", f.Line, f.Column, f.EndColumn, f.Rule))
	}
	want := "3:12-30 image/not-pinned; 7:12-18 image/build-arg; 13:21-30 image/not-pinned"
	if strings.Join(got, "; ") != want || len(rep.Subjects) != 4 {
		t.Errorf("got %s, %d subjects", strings.Join(got, "; "), len(rep.Subjects))
	}
}
