package engine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/tunnel"
)

// Remote is podman or docker on another host: their own remote client here,
// their API socket there, and an ssh connection of ours in between, so that host
// keys are checked whatever the client's version does about them.
type Remote struct {
	*CLI
	Tunnel *tunnel.Tunnel
}

// Close ends the connection.
func (r *Remote) Close() error { return r.Tunnel.Close() }

func remote(ctx context.Context, w Wanted) (Engine, error) {
	if w.Engine == "none" {
		return nil, failure.New(failure.Usage, "podman or docker", "engine none works on this machine only, not on %s", w.Host)
	}
	tun, err := tunnel.Open(ctx, tunnel.Options{URL: w.Host, Key: w.SSHKey, KnownHosts: w.KnownHosts, Environ: w.Environ})
	if err != nil {
		return nil, err
	}
	var tried []string
	for _, bin := range []string{"podman", "docker"} {
		if w.Engine != "auto" && w.Engine != bin {
			continue
		}
		cli, err := through(ctx, tun, bin, w.Environ)
		if err == nil {
			return &Remote{cli, tun}, nil
		}
		if ctx.Err() != nil {
			break
		}
		tried = append(tried, fmt.Sprintf("%s: %v", bin, err))
	}
	_ = tun.Close()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, failure.New(failure.Service, "on the host: systemctl --user enable --now podman.socket (and loginctl enable-linger), or docker with this user in its group; here: the podman or docker client",
		"no container engine answers on %s:\n%s", w.Host, strings.Join(tried, "\n"))
}

// through connects the client here with the engine's socket there.
func through(ctx context.Context, tun *tunnel.Tunnel, bin string, environ []string) (*CLI, error) {
	path, err := exec.LookPath(bin)
	if err != nil {
		return nil, errors.New("its client is not on PATH here")
	}
	socket := tun.Path
	if socket == "" && bin == "docker" {
		socket = "/var/run/docker.sock"
	}
	if socket == "" {
		out, err := tun.Output(ctx, "podman", "info", "--format", "{{.Host.RemoteSocket.Path}}")
		if err != nil {
			return nil, err
		}
		socket = strings.TrimPrefix(strings.TrimSpace(out), "unix://")
	}
	if !strings.HasPrefix(socket, "/") {
		return nil, fmt.Errorf("the host names no socket, but %q", socket)
	}
	local, err := tun.Forward(ctx, socket)
	if err != nil {
		return nil, err
	}
	return NewCLI(ctx, path, "unix://"+local, environ)
}
