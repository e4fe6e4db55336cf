package compose

import (
	"fmt"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	f, err := Read([]byte(`x-base: &base
  image: python:3.13
services:
  a: { <<: *base }
  b:
    <<: *base
    image: "redis:${REDIS:-7}"
  c:
    build:
      dockerfile_inline: |
        FROM alpine
        RUN true
    image: acme/c
  d: {image: $IMG}
  e: {image: ''}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range f.Images {
		got = append(got, fmt.Sprintf("%s %s %d:%d-%d %v", i.Service, i.Ref, i.Line, i.Column, i.EndColumn, i.Unset))
	}
	want := "a python:3.13 2:10-21 []; b redis:7 7:13-30 []; d $IMG 14:14-18 [IMG]"
	if strings.Join(got, "; ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, "; "), want)
	}
	if len(f.Inline) != 1 || f.Inline[0].Line != 11 {
		t.Errorf("inline %+v", f.Inline)
	}
	for _, bad := range []string{"services: [", "services: 3"} {
		if _, err := Read([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestExpand(t *testing.T) {
	for in, want := range map[string]string{
		"${A:-x:1}": "x:1 []", "${A-x}": "x []", "${A:+x}y": "y []", "a:${V}": "a:${V} [V]", "$$A": "$A []", "${A:?no}": "${A:?no} [A]", "${A:-${B:-z}}": "z []", "plain": "plain []",
	} {
		text, unset := Expand(in)
		if got := fmt.Sprint(text, " ", unset); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("services: {a: {image: \"x:${V:-1}\"}}"))
	f.Add([]byte("a: &a {<<: *a}\nservices: *a\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = Read(data) })
}

func TestFiles(t *testing.T) {
	f, err := Read([]byte(`include:
  - common.yml
  - path: [a.yml, ../b.yml]
  - path: "${X}/c.yml"
services:
  a: { build: . }
  b: { build: { context: ../svc, dockerfile: docker/prod.df } }
  c: { build: "https://g.example/r.git" }
  d: { build: { dockerfile_inline: "FROM scratch" } }
  e: { extends: { file: base.yml, service: e } }
  f: { extends: e }
`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(f.Dockerfiles, " "), "Dockerfile ../svc/docker/prod.df"; got != want {
		t.Errorf("Dockerfiles %s, want %s", got, want)
	}
	if got, want := strings.Join(f.Files, " "), "common.yml a.yml ../b.yml base.yml"; got != want {
		t.Errorf("files %s, want %s", got, want)
	}
}
