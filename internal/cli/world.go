package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/version"
)

// registry is the client of all registries; keychain is nil for the user's own
// credentials.
func (s *session) registry(insecure []string, keychain authn.Keychain) *oci.Client {
	return oci.New(oci.Options{Insecure: insecure, Keychain: keychain, UserAgent: "fairlead/" + version.Version})
}

// indexConfig is what the user's pip or uv is configured for, with a command's
// own flags on top.
func (s *session) indexConfig(url string, extra, findLinks []string) (index.Config, error) {
	home, _ := os.UserHomeDir()
	c := index.FromEnvironment(s.Getenv, home, os.ReadFile)
	if url != "" {
		c.IndexURL = url
	}
	c.ExtraIndexURLs = append(c.ExtraIndexURLs, extra...)
	for _, dir := range findLinks {
		if !isDir(dir) && !strings.HasPrefix(dir, "https://") && !strings.HasPrefix(dir, "http://") {
			return c, failure.New(failure.Usage, "", "--find-links %s: not a folder, nor the address of a page", dir)
		}
	}
	// What the environment names may be meant for another machine.
	c.FindLinks = append(findLinks, existing(c.FindLinks)...)
	if c.IndexURL == "" && !c.NoIndex {
		u, err := index.DefaultURL()
		if err != nil {
			return c, err
		}
		c.IndexURL, c.Default = u, true
	}
	c.Warnf = func(format string, args ...any) { s.logf("warning: "+format, args...) }
	return c, nil
}

func existing(dirs []string) []string {
	var out []string
	for _, d := range dirs {
		if isDir(strings.TrimPrefix(d, "file://")) || strings.Contains(d, "://") {
			out = append(out, d)
		}
	}
	return out
}

// engines makes and remembers the container engine of a command.
type engines struct {
	s     *session
	want  string // auto, podman, docker or none
	host  string
	ssh   sshFlags
	ports bool // containers must be reachable from this machine
	reg   *oci.Client
	dir   string
	found engine.Engine
}

// get returns the engine, whichever works unless one is named.
func (e *engines) get(ctx context.Context, name string) (engine.Engine, error) {
	if e.found != nil && (name == "" || strings.HasPrefix(e.found.Name(), name)) {
		return e.found, nil
	}
	if name == "" {
		name = e.want
	}
	if e.dir == "" {
		dir, err := os.MkdirTemp("", "fairlead-engine-")
		if err != nil {
			return nil, err
		}
		e.dir = dir
	}
	found, err := engine.Detect(ctx, engine.Wanted{
		Engine: name, Host: e.host, SSHKey: e.ssh.SSHKey, KnownHosts: e.ssh.SSHKnownHosts, Ports: e.ports, Environ: os.Environ(), Dir: filepath.Join(e.dir, "containers"),
		Pull: func(ctx context.Context, ref string) (v1.Image, error) { return e.reg.Image(ctx, ref, "") },
	})
	if err == nil && e.found == nil {
		e.found = found
	}
	return found, err
}

// close stops and removes what the engine keeps for this process.
func (e *engines) close() error {
	var err error
	if c, ok := e.found.(interface{ Close() error }); ok {
		err = c.Close()
	}
	if e.dir != "" {
		err = errors.Join(err, os.RemoveAll(e.dir))
	}
	return err
}

// splitRef takes REPOSITORY@sha256:… apart.
func splitRef(ref string) (repo, digest string, err error) {
	repo, digest, ok := strings.Cut(ref, "@")
	if !ok || repo == "" || digest == "" {
		return "", "", failure.New(failure.Usage, "build-image prints it as `digest`; a tag can move and is never promoted",
			"image %q is not REPOSITORY@sha256:…", ref)
	}
	return repo, digest, nil
}

// megabytes is a size for people.
func megabytes(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.0f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}
