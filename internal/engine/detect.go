package engine

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Wanted says which engine to use.
type Wanted struct {
	// Engine is auto, podman, docker or none (name spaces).
	Engine  string
	Host    string // ssh://USER@HOST; "" for this machine
	Environ []string
	// Dir and Pull are for the name spaces.
	Dir  string
	Pull func(context.Context, string) (v1.Image, error)
}

// Detect returns the first engine that works: podman, docker, the kernel. The
// error names everything that was tried and why it did not do.
func Detect(ctx context.Context, w Wanted) (Engine, error) {
	var tried []string
	for _, bin := range []string{"podman", "docker"} {
		if w.Engine != "auto" && w.Engine != bin {
			continue
		}
		path, err := exec.LookPath(bin)
		if err != nil {
			tried = append(tried, bin+": not on PATH")
			continue
		}
		c, err := NewCLI(ctx, path, w.Host, w.Environ)
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		tried = append(tried, fmt.Sprintf("%s: %v", bin, err))
	}
	if (w.Engine == "auto" || w.Engine == "none") && w.Host == "" && w.Pull != nil {
		n, err := NewNamespaces(ctx, w.Dir, w.Pull)
		if err == nil {
			return n, nil
		}
		tried = append(tried, err.Error())
	}
	return nil, failure.New(failure.Service, "install podman (apt-get install podman) or start docker", "no container engine works:\n%s", strings.Join(tried, "\n"))
}
