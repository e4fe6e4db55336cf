package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Wanted says which engine to use.
type Wanted struct {
	// Engine is auto, podman, docker or none (name spaces).
	Engine string
	Host   string // ssh://USER@HOST[:PORT][/SOCKET]; "" for this machine
	// SSHKey and KnownHosts are for Host; "" for the user's own.
	SSHKey, KnownHosts string
	Environ            []string
	// Ports asks for an engine that can publish ports on this machine.
	Ports bool
	// Dir and Pull are for the name spaces.
	Dir  string
	Pull func(context.Context, string) (v1.Image, error)
}

// Detect returns the first engine that works: podman, docker, the kernel. The
// error names everything that was tried and why it did not do.
func Detect(ctx context.Context, w Wanted) (Engine, error) {
	if w.Host != "" {
		return remote(ctx, w)
	}
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
		c, err := NewCLI(ctx, path, "", w.Environ)
		if err == nil && w.Ports && bin == "podman" {
			err = rootlessNetwork(os.Geteuid(), tunDevice)
		}
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		tried = append(tried, fmt.Sprintf("%s: %v", bin, err))
	}
	if (w.Engine == "auto" || w.Engine == "none") && w.Pull != nil {
		n, err := NewNamespaces(ctx, w.Dir, w.Pull)
		if err == nil {
			return n, nil
		}
		tried = append(tried, err.Error())
	}
	return nil, failure.New(failure.Service, "install podman (apt-get install podman) or start docker", "no container engine works:\n%s", strings.Join(tried, "\n"))
}

// tunDevice is what slirp4netns and pasta make a container's network from.
const tunDevice = "/dev/net/tun"

// rootlessNetwork says why a plain user's podman could start containers but
// publish no port of theirs, which it would only find out half-way.
func rootlessNetwork(uid int, device string) error {
	if uid == 0 {
		return nil
	}
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("containers of a plain user need %s for their network: %w", device, err)
	}
	return f.Close()
}
