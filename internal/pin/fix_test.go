package pin_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/pin"
)

const (
	shaOld = "1111111111111111111111111111111111111111"
	shaNew = "2222222222222222222222222222222222222222"
	hexA   = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	hexB   = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	hexC   = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

// known is what the tests' source knows.
func known() *pin.Resolution {
	return &pin.Resolution{
		Schema: 1,
		Actions: map[string]pin.ResolvedRepository{
			"acme/tool": {Refs: pin.Refs{Default: "main", Branches: map[string]string{"main": shaNew, "dev": shaOld},
				Tags: map[string]string{"v1": shaOld, "v1.4": shaOld, "v1.4.2": shaOld, "nightly": shaOld, "v2": shaNew}}},
		},
		Images: map[string]string{"python:3.13-slim": "sha256:" + hexA, "redis:latest": "sha256:" + hexB, "localhost:5000/a/b:1": "sha256:" + hexC, "docker/dockerfile:1": "sha256:" + hexA},
		Packages: map[string][]pin.Release{
			"flask":    {{Version: "3.0.0", Hashes: []string{"sha256:" + hexA}}, {Version: "3.1.0", Hashes: []string{"sha256:" + hexC, "sha256:" + hexB}}, {Version: "3.2.0rc1"}, {Version: "4.0", Yanked: true}},
			"django":   {{Version: "5.1", Hashes: []string{"sha256:" + hexA}, Requires: []string{"asgiref>=3.7", "tzdata; sys_platform == 'win32'"}}},
			"asgiref":  {{Version: "3.8", Hashes: []string{"sha256:" + hexB}, Requires: []string{"typing-extensions>=4; python_version < '3.11'"}}},
			"zope-foo": {{Version: "5.0a1", Hashes: []string{"sha256:" + hexA}}},
		},
	}
}

func wfText(steps string) string { return "jobs:\n  a:\n    steps:\n" + steps }

// fixes are files before and after; after "" means that nothing can be fixed.
var fixes = []struct{ name, path, before, after string }{
	{"tag", "ci", wfText("      - uses: acme/tool@v1\n"), wfText("      - uses: acme/tool@" + shaOld + " # v1.4.2\n")},
	{"branch without a version", "ci", wfText("      - uses: acme/tool@dev # wip\n"), wfText("      - uses: acme/tool@" + shaOld + " # v1.4.2 # wip\n")},
	{"sub-path, quotes", "ci", wfText("      - uses: \"acme/tool/sub/dir@v2\"\n"), wfText("      - uses: \"acme/tool/sub/dir@" + shaNew + "\" # v2\n")},
	{"an old version in the comment", "ci", wfText("      - uses: acme/tool@v1 # tag=v0.9 keep this\n"), wfText("      - uses: acme/tool@" + shaOld + " # tag=v1.4.2 keep this\n")},
	{"another tool's comment", "ci", wfText("      - uses: acme/tool@v1 # zizmor: ignore[x]\n"), wfText("      - uses: acme/tool@" + shaOld + " # v1.4.2 # zizmor: ignore[x]\n")},
	{"flow mapping", "ci", wfText("      - { uses: acme/tool@v1, with: { a: b } }\n"), wfText("      - { uses: acme/tool@" + shaOld + ", with: { a: b } } # v1.4.2\n")},
	{"flow mapping over lines", "ci", wfText("      - { uses: acme/tool@v1, name: a\n          b }\n"), wfText("      - { uses: acme/tool@" + shaOld + ", name: a\n          b }\n")},
	{"folded scalar", "ci", wfText("      - uses: >-\n          acme/tool@v1\n"), wfText("      - uses: >-\n          acme/tool@" + shaOld + "\n")},
	{"CRLF and spaces", "ci", "jobs:\r\n  a:\r\n    steps:\r\n      - uses: acme/tool@v1  \r\n", "jobs:\r\n  a:\r\n    steps:\r\n      - uses: acme/tool@" + shaOld + " # v1.4.2\r\n"},
	{"anchor", "ci", wfText("      - &x\n        uses: acme/tool@v1\n      - *x\n"), wfText("      - &x\n        uses: acme/tool@" + shaOld + " # v1.4.2\n      - *x\n")},
	{"letter case", "ci", wfText("      - uses: Acme/Tool@v1\n"), wfText("      - uses: Acme/Tool@" + shaOld + " # v1.4.2\n")},
	{"last line without an end", "ci", wfText("      - uses: acme/tool@v1"), wfText("      - uses: acme/tool@" + shaOld + " # v1.4.2")},
	{"unknown tag", "ci", wfText("      - uses: acme/tool@v7\n"), ""},
	{"unknown repository", "ci", wfText("      - uses: acme/other@v7\n"), ""},
	{"excepted", "ci", wfText("      - uses: acme/tool@v1 # fairlead: ignore[action/not-pinned] we own it\n"), ""},
	{"reusable workflow", "ci", "jobs:\n  a:\n    uses: acme/tool/.github/workflows/x.yml@v2\n", "jobs:\n  a:\n    uses: acme/tool/.github/workflows/x.yml@" + shaNew + " # v2\n"},
	{"composite", "action.yml", "runs:\n  using: composite\n  steps:\n    - uses: acme/tool@v1\n", "runs:\n  using: composite\n  steps:\n    - uses: acme/tool@" + shaOld + " # v1.4.2\n"},
	{"images of a job", "ci", "jobs:\n  a:\n    container: python:3.13-slim # py\n    services:\n      r: { image: redis }\n    steps:\n      - uses: docker://python:3.13-slim\n",
		"jobs:\n  a:\n    container: python:3.13-slim@sha256:" + hexA + " # py\n    services:\n      r: { image: redis:latest@sha256:" + hexB + " }\n    steps:\n      - uses: docker://python:3.13-slim@sha256:" + hexA + "\n"},
	{"matrix", "ci", "jobs:\n  a:\n    strategy:\n      matrix:\n        img: [python:3.13-slim, redis]\n    container: ${{ matrix.img }}\n    steps:\n      - run: \"true\"\n",
		"jobs:\n  a:\n    strategy:\n      matrix:\n        img: [python:3.13-slim@sha256:" + hexA + ", redis:latest@sha256:" + hexB + "]\n    container: ${{ matrix.img }}\n    steps:\n      - run: \"true\"\n"},
	{"FROM and others", "Dockerfile", "# syntax=docker/dockerfile:1\nFROM --platform=linux/amd64 python:3.13-slim AS base\nCOPY --from=localhost:5000/a/b:1 /x /x\nRUN --mount=type=bind,from=redis,target=/r true\n",
		"# syntax=docker/dockerfile:1@sha256:" + hexA + "\nFROM --platform=linux/amd64 python:3.13-slim@sha256:" + hexA + " AS base\nCOPY --from=localhost:5000/a/b:1@sha256:" + hexC + " /x /x\nRUN --mount=type=bind,from=redis:latest@sha256:" + hexB + ",target=/r true\n"},
	{"a variable's default", "Dockerfile", "ARG BASE=python:3.13-slim\nFROM ${BASE}\n", "ARG BASE=python:3.13-slim@sha256:" + hexA + "\nFROM ${BASE}\n"},
	{"a variable in the middle", "Dockerfile", "ARG V=3.13\nFROM python:${V}-slim\n", ""},
	{"compose", "compose.yaml", "services:\n  a:\n    image: \"${IMG:-python:3.13-slim}\"\n", "services:\n  a:\n    image: \"${IMG:-python:3.13-slim@sha256:" + hexA + "}\"\n"},
	{"range", "requirements.txt", "flask>=2,<4  # web\n", "flask==3.1.0 \\\n    --hash=sha256:" + hexB + " \\\n    --hash=sha256:" + hexC + "  # web\n"},
	{"no version, marker, extras", "requirements.txt", "Flask [async] ; python_version > '3.8'\n", "Flask [async]==3.1.0; python_version > '3.8' \\\n    --hash=sha256:" + hexB + " \\\n    --hash=sha256:" + hexC + "\n"},
	{"a pre-release where there is nothing else", "requirements.txt", "zope.foo\n", "zope.foo==5.0a1 \\\n    --hash=sha256:" + hexA + "\n"},
	{"a yanked release that is named", "requirements.txt", "flask==4.0\n", ""},
	{"hashes are wanted where others have them", "requirements.txt", "flask~=3.0\nzope.foo==5.0a1 --hash=sha256:" + hexA + "\n", "flask==3.1.0 \\\n    --hash=sha256:" + hexB + " \\\n    --hash=sha256:" + hexC + "\nzope.foo==5.0a1 --hash=sha256:" + hexA + "\n"},
	{"hashes decide the version", "requirements.txt", "flask==3.* --hash=sha256:" + hexA + "\n", "flask==3.0.0 --hash=sha256:" + hexA + "\n"},
	{"all bare ones together, CRLF", "requirements.txt", "flask==3.0.0\r\nzope.foo==5.0a1\r\n", "flask==3.0.0 \\\r\n    --hash=sha256:" + hexA + "\r\nzope.foo==5.0a1 \\\r\n    --hash=sha256:" + hexA + "\r\n"},
	{"no hashes where a dependency is not listed", "requirements.txt", "django>=5\n", "django==5.1\n"},
	{"hashes where all are listed", "requirements.txt", "django==5.1\nasgiref\n", "django==5.1 \\\n    --hash=sha256:" + hexA + "\nasgiref==3.8 \\\n    --hash=sha256:" + hexB + "\n"},
	{"a hash that is none", "requirements.txt", "flask>=3 --hash=sha256:abc\n", ""},
	{"on several lines", "requirements.txt", "flask \\\n  >=3\n", ""},
	{"commands", "ci", wfText("      - run: |\n          pip install flask 'flask<3.1'\n          uvx flask --version; uvx --from flask x\n"),
		wfText("      - run: |\n          pip install flask==3.1.0 'flask==3.0.0'\n          uvx flask@3.1.0 --version; uvx --from flask==3.1.0 x\n")},
	{"options of uvx, joined and not", "ci", wfText("      - run: |\n          uvx --from=flask flask run; uvx -w flask --with=flask flask run; uv tool install --with flask flask\n"),
		wfText("      - run: |\n          uvx --from=flask==3.1.0 flask run; uvx -w flask==3.1.0 --with=flask==3.1.0 flask@3.1.0 run; uv tool install --with flask==3.1.0 flask==3.1.0\n")},
	{"scripts within scripts", "ci", wfText("      - run: |\n          bash -c 'pip install \"flask\"' && poetry run pip install flask\n          sh <<EOF\n          pip install flask\n          EOF\n"),
		wfText("      - run: |\n          bash -c 'pip install \"flask==3.1.0\"' && poetry run pip install flask==3.1.0\n          sh <<EOF\n          pip install flask==3.1.0\n          EOF\n")},
	{"RUN", "Dockerfile", "FROM scratch\nRUN pip install --no-cache-dir \\\n    flask\n", "FROM scratch\nRUN pip install --no-cache-dir \\\n    flask==3.1.0\n"},
}

// fixOnce applies all fixes to a tree and returns what the files are then.
func fixOnce(t *testing.T, fsys fstest.MapFS) (fstest.MapFS, pin.Report) {
	t.Helper()
	rep, err := pin.Check(context.Background(), fsys, pin.Config{Source: known(), Fix: true})
	if err != nil {
		t.Fatal(err)
	}
	edits := map[string][]finding.Edit{}
	for _, f := range rep.Findings {
		if f.Fix != nil {
			for _, e := range f.Fix.Edits {
				edits[e.Path] = append(edits[e.Path], e)
			}
		}
	}
	out := fstest.MapFS{}
	for name, f := range fsys {
		data, err := finding.Apply(f.Data, edits[name])
		if err != nil {
			t.Fatal(err)
		}
		out[name] = &fstest.MapFile{Data: data}
	}
	return out, rep
}

func TestFix(t *testing.T) {
	for _, tc := range fixes {
		t.Run(tc.name, func(t *testing.T) {
			path := tc.path
			if path == "ci" {
				path = ".github/workflows/ci.yml"
			}
			after, rep := fixOnce(t, fstest.MapFS{path: {Data: []byte(tc.before)}})
			got := string(after[path].Data)
			want := tc.after
			if want == "" {
				want = tc.before
				if len(rep.Findings) > 0 && !strings.Contains(tc.name, "none") && !slices.ContainsFunc(rep.Findings, func(f finding.Finding) bool { return strings.Contains(strings.Join(f.Context, "\n"), "not fixed: ") }) {
					t.Errorf("it does not say why nothing is fixed: %+v", rep.Findings)
				}
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if again, _ := fixOnce(t, after); string(again[path].Data) != got {
				t.Errorf("fixing again changes it to:\n%s", again[path].Data)
			}
			if tc.after == "" {
				return
			}
			rep, err := pin.Check(context.Background(), after, pin.Config{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range rep.Findings {
				if strings.HasPrefix(f.Rule, "action/") || strings.HasPrefix(f.Rule, "image/") || f.Rule == "python/not-pinned" || f.Rule == "command/not-pinned" {
					t.Errorf("left after the fix: %s %s", f.Rule, f.Message)
				}
			}
		})
	}
}

// FuzzFix checks that fixes can be applied, change only what they are about, and
// come to an end.
func FuzzFix(f *testing.F) {
	for _, tc := range fixes {
		f.Add(tc.path, tc.before)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		if !slices.Contains([]string{"action.yml", "Dockerfile", "compose.yaml", "requirements.txt"}, name) {
			name = ".github/workflows/ci.yml"
		}
		if len(text) > 4<<10 {
			return
		}
		tree := fstest.MapFS{name: {Data: []byte(text)}}
		for range 4 {
			next, _ := fixOnce(t, tree)
			if string(next[name].Data) == string(tree[name].Data) {
				return
			}
			tree = next
		}
		t.Errorf("fixing does not come to an end:\n%q\nbecomes\n%q", text, tree[name].Data)
	})
}
