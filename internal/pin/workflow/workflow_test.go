package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const sha = "93cb6efe18208431cddfb8368fd83d5badbf9bfd"

func list(src []byte, f *File) []string {
	var out []string
	for _, u := range f.Uses {
		s := fmt.Sprintf("%s %s", u.Place, src[u.Span.Start:u.Span.End])
		if u.Comment != "" {
			s += " # " + u.Comment
		}
		if u.Foreign != "" {
			s += " from " + u.Foreign
		}
		out = append(out, s)
	}
	for _, i := range f.Images {
		s := fmt.Sprintf("%s %s", i.Place, src[i.Span.Start:i.Span.End])
		if i.Unknown {
			s += " (unknown)"
		}
		out = append(out, s)
	}
	return out
}

func TestReadWorkflow(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{"plain", "jobs:\n  a:\n    steps:\n      - uses: a/b@v1 # one\n      - run: |\n          uses: not/me@v1\n", []string{"step a/b@v1 # one"}},
		{"flow mapping", `jobs: {a: {steps: [{ "uses": "a/b@v4" }, {uses: c/d@v1}]}}`, []string{"step a/b@v4", "step c/d@v1"}},
		{"quotes and tags", "jobs:\n  a:\n    steps:\n      - 'uses': 'a/b@v1'\n      - uses: !!str \"c/d@v2\"  # two\n", []string{"step a/b@v1", "step c/d@v2 # two"}},
		{"block scalars", "jobs:\n  a:\n    steps:\n      - uses: >-\n          a/b@v1\n      - uses: |\n\n          c/d@v2\n", []string{"step a/b@v1", "step c/d@v2"}},
		{"CRLF and BOM", "\xef\xbb\xbfjobs:\r\n  a:\r\n    steps:\r\n      - uses: a/b@v1\r\n", []string{"step a/b@v1"}},
		{"BOM on the line", "\xef\xbb\xbfjobs: {a: {uses: o/r/.github/workflows/x.yml@v1}}", []string{"job o/r/.github/workflows/x.yml@v1"}},
		{"wide characters before it", "jobs: {日本: {steps: [{name: 'über', uses: a/b@v1}]}}", []string{"step a/b@v1"}},
		{"next line characters", "x: 'a\u0085b\u2028c'\njobs: {a: {uses: o/r/x.yml@v1}}", []string{"job o/r/x.yml@v1"}},
		{"anchors", "jobs:\n  a:\n    steps:\n      - &co\n        uses: &ref a/b@v1\n  b:\n    steps:\n      - *co\n      - uses: *ref\n", []string{"step a/b@v1"}},
		{"merge keys", "x: &x {uses: a/b@v1}\njobs: {a: {steps: [{<<: *x}]}}", []string{"step a/b@v1"}},
		{"duplicate keys", "jobs:\n  a:\n    steps:\n      - uses: a/b@v1\n        uses: c/d@v1\n", []string{"step a/b@v1", "step c/d@v1"}},
		{"parallel", "jobs:\n  a:\n    steps:\n      - parallel:\n          - uses: a/b@v1\n          - uses: c/d@v1\n", []string{"step a/b@v1", "step c/d@v1"}},
		{"first document only", "jobs: {a: {uses: o/r/x.yml@v1}}\n---\njobs: {a: {uses: o/r/y.yml@v1}}\n", []string{"job o/r/x.yml@v1"}},
		{"images", "jobs:\n  a:\n    container: python:3.12\n    services:\n      redis: {image: 'redis:7'}\n      db:\n        image: \"postgres@sha256:00\"\n", []string{"container python:3.12", "service redis:7", "service postgres@sha256:00"}},
		{"container map", "jobs:\n  a:\n    container:\n      image: node:20\n      env: {image: no}\n", []string{"container node:20"}},
		{"matrix", "jobs:\n  a:\n    strategy:\n      matrix:\n        img: ['', \"a:1\", b:2]\n        include:\n          - img: c:3\n          - other: x\n    container: ${{ matrix.img }}\n", []string{"container a:1", "container b:2", "container c:3"}},
		{"matrix or", "jobs:\n  a:\n    strategy: {matrix: {img: ['', a:1]}}\n    container: ${{ matrix.img || 'd:4' }}\n", []string{"container a:1", "container ${{ matrix.img || 'd:4' }}"}},
		{"matrix or nothing", "jobs:\n  a:\n    strategy: {matrix: {img: ['']}}\n    container: ${{ matrix.img || '' }}\n", nil},
		{"matrix in a tag", "jobs:\n  a:\n    strategy: {matrix: {v: [1, 2]}}\n    container: py:${{ matrix.v }}-slim\n", []string{"container py:${{ matrix.v }}-slim", "container py:${{ matrix.v }}-slim"}},
		{"matrix objects", "jobs:\n  a:\n    strategy: {matrix: {os: [{img: a:1}, {img: b:2}]}}\n    container: {image: \"${{ matrix.os.img }}\"}\n", []string{"container a:1", "container b:2"}},
		{"include only", "jobs:\n  a:\n    strategy:\n      matrix:\n        include: [{img: a:1}]\n    services: {x: {image: \"${{ matrix['img'] }}\"}}\n", []string{"service a:1"}},
		{"matrix from json", "jobs:\n  a:\n    strategy: {matrix: {img: \"${{ fromJson(needs.x.outputs.y) }}\"}}\n    container: ${{ matrix.img }}\n", []string{"container ${{ matrix.img }} (unknown)"}},
		{"input", "jobs: {a: {container: \"${{ inputs.image }}\"}}", []string{"container ${{ inputs.image }} (unknown)"}},
		{"empty container", "jobs: {a: {container: ''}}", nil},
		{"foreign checkout", "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - uses: ./own\n      - uses: actions/checkout@v4\n        with: {repository: o/r, path: ext}\n      - uses: ./ext/act\n      - uses: ./other\n", []string{
			"step actions/checkout@v4", "step ./own", "step actions/checkout@v4", "step ./ext/act from o/r", "step ./other"}},
		{"foreign root", "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@" + sha + "\n        with: {repository: o/r}\n      - uses: ./x\n", []string{"step actions/checkout@" + sha, "step ./x from o/r"}},
		{"self by name", "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n        with: {repository: \"${{ github.repository }}\"}\n      - uses: ./x\n", []string{"step actions/checkout@v4", "step ./x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := ReadWorkflow([]byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			if got := list([]byte(c.src), f); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestMatrixValuesInsideText(t *testing.T) {
	f, err := ReadWorkflow([]byte("jobs:\n  a:\n    strategy: {matrix: {v: [1, 2]}}\n    container: py:${{ matrix.v }}-slim\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Images) != 2 || f.Images[0].Ref != "py:1-slim" || f.Images[1].Ref != "py:2-slim" {
		t.Errorf("got %+v", f.Images)
	}
}

func TestReadAction(t *testing.T) {
	for src, want := range map[string][]string{
		"runs:\n  using: composite\n  steps:\n    - uses: a/b@v1\n": {"step a/b@v1"},
		"runs: {using: docker, image: 'docker://alpine:3'}":         {"runs.image docker://alpine:3"},
		"runs: {using: docker, image: Dockerfile}":                  {"runs.image Dockerfile"},
		"runs: {using: node24, main: index.js}":                     nil,
	} {
		f, err := ReadAction([]byte(src))
		if err != nil {
			t.Fatal(err)
		}
		if got := list([]byte(src), f); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", src, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		src string
		at  int
		msg string
	}{
		{"jobs: [\n", 8, "not YAML"},
		{"a: b\n c: d\n", 7, "not YAML"},
		{"jobs: \xff", 6, "UTF-8"},
		{"jobs: \x00", 6, "UTF-8"},
		{"\xff\xfej\x00", 0, "UTF-16"},
		{"- a", 0, "no mapping"},
		{"a: b", 0, "no jobs"},
		{"", 0, "no document"},
		{"jobs: *x", 6, "anchor"},
	} {
		_, err := ReadWorkflow([]byte(c.src))
		var p *Problem
		if !errors.As(err, &p) || p.Span.Start != c.at || !strings.Contains(p.Msg, c.msg) {
			t.Errorf("%q: %v at %+v, want %q at %d", c.src, err, p, c.msg, c.at)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"jobs:\n  a:\n    steps:\n      - &x {uses: *x}\n      - *x\n",
		"jobs: &j {a: *j}", "jobs: {a: {strategy: {matrix: &m {x: *m}}, container: '${{matrix.x.x.x}}'}}",
		"jobs: {a: {strategy: {matrix: {i: [a,b]}}, container: '${{matrix.i}}${{matrix.i}}'}}",
		"x: &x {<<: *x}\njobs: *x", "runs: {steps: [{uses: >\n a\n b}]}", "\xef\xbb\xbfjobs: {a: {uses: \"\\u0061\"}}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		for _, read := range []func([]byte) (*File, error){ReadWorkflow, ReadAction} {
			file, err := read([]byte(src))
			if err != nil {
				var p *Problem
				if !errors.As(err, &p) || p.Span.Start < 0 || p.Span.End > len(src) || p.Span.Start > p.Span.End {
					t.Errorf("%v is no problem with a place", err)
				}
				continue
			}
			list([]byte(src), file) // slices every span
		}
	})
}
