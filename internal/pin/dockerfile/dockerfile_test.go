package dockerfile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const digest = "@sha256:9a1e5e4b3c2d1f00112233445566778899aabbccddeeff00112233445566aabb"

func list(src string, f *File) []string {
	var out []string
	for _, i := range f.Images {
		s := fmt.Sprintf("%s %s", i.Place, src[i.Span.Start:i.Span.End])
		if i.Ref != i.Raw {
			s += " = " + i.Ref
		}
		if i.Stage {
			s += " (stage)"
		}
		if i.Variable {
			s += " (variable)"
		}
		if len(i.Unset) > 0 {
			s += " unset " + strings.Join(i.Unset, ",")
		}
		out = append(out, s)
	}
	for _, d := range f.Downloads {
		s := "ADD " + src[d.Span.Start:d.Span.End]
		if d.URL != d.Raw {
			s += " = " + d.URL
		}
		if d.Checksum != "" {
			s += " sum " + d.Checksum
		}
		if d.Git {
			s += " git " + d.Commit()
		}
		out = append(out, s)
	}
	for _, p := range f.Problems {
		s := src[p.Span.Start:p.Span.End]
		out = append(out, "problem at "+s)
	}
	return out
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{"plain", "FROM python:3.12\n", []string{"FROM python:3.12"}},
		{"platform and name", "FROM --platform=$BUILDPLATFORM python:3.12 AS Build\nFROM build\n", []string{"FROM python:3.12", "FROM build (stage)"}},
		{"scratch", "from scratch", []string{"FROM scratch (stage)"}},
		{"argument", "ARG IMG=python" + digest + "\nFROM $IMG\nFROM ${IMG}\n", []string{"FROM $IMG = python" + digest, "FROM ${IMG} = python" + digest}},
		{"defaults", "ARG X=1\nFROM ${IMG:-python:3}\nFROM ${X:+a:2}\n", []string{"FROM ${IMG:-python:3} = python:3", "FROM ${X:+a:2} = a:2"}},
		{"argument without default", "ARG IMG\nFROM $IMG-x\nFROM python@sha256:${HASH}\n", []string{"FROM $IMG-x = -x unset IMG", "FROM python@sha256:${HASH} = python@sha256: unset HASH"}},
		{"argument of an argument", "ARG V=3\nARG IMG=python:$V\nFROM $IMG-slim\n", []string{"FROM $IMG-slim = python:3-slim"}},
		{"argument after the first FROM", "FROM a:1\nARG IMG=x:1\nFROM $IMG\n", []string{"FROM a:1", "FROM $IMG =  unset IMG"}},
		{"target platform", "FROM img-$TARGETARCH:1\n", []string{"FROM img-$TARGETARCH:1 = img-amd64:1"}},
		{"variable naming a stage", "ARG V=8\nFROM a:1 AS sdk-8\nFROM sdk-${V}\n", []string{"FROM a:1", "FROM sdk-${V} = sdk-8 (stage)"}},
		{"stage shadows an image", "FROM a:1 AS python\nFROM Python\n", []string{"FROM a:1", "FROM Python (stage)"}},
		{"a later stage is an image", "FROM b\nFROM a:1 AS b\n", []string{"FROM b", "FROM a:1"}},
		{"copy from", "FROM a:1 AS x\nFROM a:1\nCOPY --from=X /a /b\nCOPY --from=0 /a /b\nCOPY --link --from=ghcr.example/uv:latest --chown=1 /uv /\n", []string{
			"FROM a:1", "FROM a:1", "COPY --from X (stage)", "COPY --from 0 (stage)", "COPY --from ghcr.example/uv:latest"}},
		{"copy from nowhere", "FROM a:1\nCOPY --from=7 /a /b\n", []string{"FROM a:1", "COPY --from 7 (stage)", "problem at 7"}},
		{"copy from a variable", "ARG V=1\nFROM a:1\nCOPY --from=b:$V /a /b\n", []string{"FROM a:1", "COPY --from b:$V (variable)"}},
		{"mounts", "FROM a:1 AS x\nRUN --mount=type=bind,from=img:2,target=/x --mount=type=cache,target=/c --mount=from=x,target=/y true\n", []string{
			"FROM a:1", "RUN --mount img:2", "RUN --mount x (stage)"}},
		{"syntax", "# syntax=docker/dockerfile:1\nFROM a:1\n", []string{"syntax docker/dockerfile:1", "FROM a:1"}},
		{"syntax behind other directives", "# escape=`\n#syntax = docker/dockerfile:1 extra\nFROM a:1\n", []string{"syntax docker/dockerfile:1", "FROM a:1"}},
		{"no syntax behind comments", "# a comment\n# syntax=docker/dockerfile:1\nFROM a:1\n", []string{"FROM a:1"}},
		{"slashes", "// syntax=x/y:1\nFROM a:1\n", []string{"syntax x/y:1", "FROM a:1"}},
		{"add", "FROM a:1\nARG V=1\nENV B=https://h.example\nADD https://h.example/$V.tgz /x\nADD --checksum=sha256:00 $B/y local.txt [\"/z\"]\nADD local /x\n", []string{
			"FROM a:1", "ADD https://h.example/$V.tgz = https://h.example/1.tgz", "ADD $B/y = https://h.example/y sum sha256:00"}},
		{"add as JSON", "FROM a:1\nADD [\"https://h.example/a\", \"/x\"]\n", []string{"FROM a:1", "ADD https://h.example/a"}},
		{"add git", "FROM a:1\nADD https://h.example/o/r.git#main:sub /x\nADD git@h.example:o/r.git#v1 /y\nADD https://h.example/r.git?ref=z /z\n", []string{
			"FROM a:1", "ADD https://h.example/o/r.git#main:sub git main", "ADD git@h.example:o/r.git#v1 git v1", "ADD https://h.example/r.git?ref=z git z"}},
		{"onbuild", "FROM a:1\nONBUILD COPY --from=b:2 /a /b\nONBUILD ADD https://h.example/a /b\n", []string{"FROM a:1", "COPY --from b:2", "ADD https://h.example/a"}},
		{"continuations", "FROM \\\n# comment\n\n  python:3.12 \\\n  AS x\nCOPY --link \\\n  --from=b:2 \\\n  /a /b\n", []string{"FROM python:3.12", "COPY --from b:2"}},
		{"a word across lines", "FROM pyth\\\non:3.12\n", []string{"FROM pyth\\\non:3.12"}},
		{"backtick", "# escape=`\nFROM `\n  a:1\n", []string{"FROM a:1"}},
		{"CRLF and BOM", "\xef\xbb\xbfFROM a:1\r\nCOPY --from=b:2 \\\r\n /a /b\r\n", []string{"FROM a:1", "COPY --from b:2"}},
		{"heredoc", "FROM a:1\nRUN <<EOF\nFROM not:me\nCOPY --from=not:me a b\nEOF\nCOPY --from=b:2 <<X /a\nFROM no\nX\n", []string{"FROM a:1", "COPY --from b:2"}},
		{"quotes", "FROM \"a:1\"\n", []string{"FROM \"a:1\" = a:1"}},
		{"unparsable", "FROM a:1\nRUN <<EOF\nFROM no\nEOF\nENV broken\nCOPY --from=b:2 /a /b\n", []string{"FROM a:1", "COPY --from b:2", "problem at ENV broken"}},
		{"unterminated", "FROM a:1\nRUN <<EOF\necho\n", []string{"FROM a:1", "problem at RUN <<EOF"}},
		{"empty", "", []string{"problem at "}},
		{"no image", "FROM\n", []string{"problem at FROM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := list(c.src, Read([]byte(c.src)))
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"ARG A=$B\nARG B=${A:-x}\nFROM $A\n", "# syntax=a\n# escape=`\nFROM a`\n", "FROM a\nRUN <<-EOF <<B\n\tEOF\nB\nENV x\n",
		"ONBUILD ONBUILD ONBUILD COPY --from=a b c", "FROM\nADD [\"\"]\n", "\xef\xbb\xbf# x\nFROM ${a:?b} AS c\n", "RUN --mount=\"from=a\",\"\n",
		"FROM a\nENV A=$A$A$A\nENV A=$A$A\nADD https://$A /\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		list(src, Read([]byte(src))) // slices every span
	})
}
