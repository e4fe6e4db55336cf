package base

import (
	"bytes"
	"context"
	_ "embed" // for the probe
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

//go:embed probe.py
var probeScript string

// probed is what probe.py prints.
type probed struct {
	Platform, Implementation, Version, Executable, Stdlib, Machine string
	Dynload                                                        []string
}

var ociArch = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

// probe runs the machine's interpreter; it is the only program that building an
// image ever runs, and only for --base host.
func probe(ctx context.Context, python string) (probed, error) {
	cmd := exec.CommandContext(ctx, python, "-I", "-S", "-c", probeScript)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return probed{}, failure.New(failure.Usage, "install CPython 3, or name a base image with --base",
			"asking this machine's %s where it lives: %w%s", python, err, lastLine(stderr.String()))
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil {
		return probed{}, fmt.Errorf("reading the answer of this machine's %s: %w", python, err)
	}
	if p.Platform != "linux" || p.Implementation != "cpython" || ociArch[p.Machine] == "" {
		return probed{}, failure.New(failure.Usage, "name a base image with --base",
			"base host needs CPython on Linux (x86_64 or aarch64); this is %s on %s, %s", p.Implementation, p.Platform, p.Machine)
	}
	return p, nil
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	return ": " + s[strings.LastIndexByte(s, '\n')+1:]
}
