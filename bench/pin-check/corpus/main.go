// Command corpus writes a tree of workflows, actions, Dockerfiles and Python
// manifests for benchmarks: seeded, so that it is the same everywhere.
//
//	corpus FOLDER [SEED]
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// How much of each; real repositories of an organisation have about this mix.
const (
	workflows   = 750
	actions     = 180
	dockerfiles = 370
	manifests   = 720
)

type corpus struct {
	dir string
	rnd *rand.Rand
	err error
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: corpus FOLDER [SEED]")
		os.Exit(2)
	}
	seed := uint64(1)
	if len(os.Args) > 2 {
		n, err := strconv.ParseUint(os.Args[2], 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, "corpus:", err)
			os.Exit(2)
		}
		seed = n
	}
	c := &corpus{dir: os.Args[1], rnd: rand.New(rand.NewPCG(seed, 20261121))}
	c.all()
	if c.err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", c.err)
		os.Exit(1)
	}
	fmt.Printf("%d workflows, %d actions, %d Dockerfiles, %d Python manifests\n", workflows, actions, dockerfiles, manifests)
}

func (c *corpus) write(name, text string) {
	if c.err != nil {
		return
	}
	path := filepath.Join(c.dir, name)
	if c.err = os.MkdirAll(filepath.Dir(path), 0o755); c.err == nil {
		c.err = os.WriteFile(path, []byte(text), 0o644)
	}
}

func (c *corpus) hex(n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[c.rnd.IntN(16)]
	}
	return string(b)
}

func (c *corpus) pick(of ...string) string { return of[c.rnd.IntN(len(of))] }

func (c *corpus) uses() string {
	name := c.pick("actions/checkout", "actions/setup-python", "actions/cache", "docker/build-push-action", "acme/deploy", "github/codeql-action/init")
	if c.rnd.IntN(3) == 0 {
		return name + "@v" + strconv.Itoa(1+c.rnd.IntN(7))
	}
	return name + "@" + c.hex(40) + " # v" + strconv.Itoa(1+c.rnd.IntN(7)) + ".0.0"
}

func (c *corpus) steps(n int, indent string) string {
	var b strings.Builder
	for range n {
		switch c.rnd.IntN(4) {
		case 0:
			fmt.Fprintf(&b, "%s- run: |\n%s    set -e\n%s    pip install -r requirements.txt\n%s    pytest -q tests\n", indent, indent, indent, indent)
		case 1:
			fmt.Fprintf(&b, "%s- name: step\n%s  run: make test\n%s  env:\n%s    CI: true\n", indent, indent, indent, indent)
		default:
			fmt.Fprintf(&b, "%s- uses: %s\n%s  with:\n%s    key: ${{ runner.os }}-%s\n", indent, c.uses(), indent, indent, c.hex(6))
		}
	}
	return b.String()
}

func (c *corpus) all() {
	for i := range workflows {
		var b strings.Builder
		fmt.Fprintf(&b, "name: w%d\non:\n  push:\n    branches: [main]\n  pull_request:\npermissions: {}\njobs:\n", i)
		for j := range 1 + c.rnd.IntN(4) {
			fmt.Fprintf(&b, "  job%d:\n    runs-on: ubuntu-latest\n    strategy:\n      matrix:\n        python: ['3.11', '3.12', '3.13']\n    services:\n      db:\n        image: postgres:%d@sha256:%s\n    steps:\n%s", j, 13+c.rnd.IntN(4), c.hex(64), c.steps(3+c.rnd.IntN(8), "      "))
		}
		c.write(fmt.Sprintf("repo%03d/.github/workflows/w%d.yml", i/5, i), b.String())
	}
	for i := range actions {
		c.write(fmt.Sprintf("repo%03d/actions/a%d/action.yml", i, i), "name: a\ndescription: a\nruns:\n  using: composite\n  steps:\n"+c.steps(2+c.rnd.IntN(6), "    "))
	}
	for i := range dockerfiles {
		var b strings.Builder
		fmt.Fprintf(&b, "# syntax=docker/dockerfile:1@sha256:%s\nARG TAG=3.13\nFROM python:${TAG}@sha256:%s AS build\nRUN apt-get update && \\\n    apt-get install -y build-essential && \\\n    pip install --require-hashes -r requirements.txt\nCOPY . /src\n", c.hex(64), c.hex(64))
		if c.rnd.IntN(2) == 0 {
			b.WriteString("COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/uv\n")
		}
		fmt.Fprintf(&b, "FROM %s\nCOPY --from=build /src /app\nUSER 65532\nCMD [\"gunicorn\", \"app:app\"]\n", c.pick("python:3.13-slim", "debian:12", "gcr.io/distroless/python3@sha256:"+c.hex(64)))
		c.write(fmt.Sprintf("repo%03d/service%d/Dockerfile", i%150, i), b.String())
	}
	for i := range manifests {
		var b strings.Builder
		for k := range 10 + c.rnd.IntN(50) {
			name := fmt.Sprintf("package-%s-%d", c.hex(4), k)
			if c.rnd.IntN(8) == 0 {
				fmt.Fprintf(&b, "%s>=%d.%d,<%d\n", name, c.rnd.IntN(5), c.rnd.IntN(9), 6+c.rnd.IntN(3))
				continue
			}
			fmt.Fprintf(&b, "%s==%d.%d.%d ; python_version >= \"3.%d\" \\\n    --hash=sha256:%s \\\n    --hash=sha256:%s\n", name, c.rnd.IntN(9), c.rnd.IntN(9), c.rnd.IntN(9), 8+c.rnd.IntN(5), c.hex(64), c.hex(64))
		}
		c.write(fmt.Sprintf("repo%03d/service%d/requirements.txt", i%150, i), b.String())
	}
}
