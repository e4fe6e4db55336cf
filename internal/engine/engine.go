// Package engine runs OCI images on one machine: with podman, with docker, or,
// where neither works, with the kernel's own namespaces. Callers hold an Engine
// and never learn which.
//
// An Engine is the lowest common denominator that a deployment and a test run
// need: bring an image in, run it to the end, start it, look at it, stop it.
package engine

import (
	"context"
	"io"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Engine runs images. Implementations are safe for concurrent use. Errors name
// the engine's command and carry its last lines of output.
type Engine interface {
	// Name says what it is, for people: "podman 4.3.1", "namespaces (no engine)".
	Name() string
	// Pull makes REPOSITORY@sha256:… available. Registries on loopback are
	// reached without TLS.
	Pull(ctx context.Context, ref string) error
	// Load makes an image available that is in no registry and returns the
	// reference under which Run and Start know it; name is a repository name
	// such as "localhost/fairlead-test".
	Load(ctx context.Context, img v1.Image, name string) (ref string, err error)
	// RemoveImage forgets an image; an unknown one is not an error.
	RemoveImage(ctx context.Context, ref string) error
	// Run runs a container to its end, removes it and returns its exit code.
	// When ctx ends, the container is stopped and removed and ctx's error is
	// returned.
	Run(ctx context.Context, s Spec, stdout, stderr io.Writer) (code int, err error)
	// Start starts a container in the background. With a Name already in use by
	// a container it fails with ErrNameInUse.
	Start(ctx context.Context, s Spec) (Container, error)
	// List returns the containers, running or not, that carry all these labels,
	// newest first.
	List(ctx context.Context, labels map[string]string) ([]Container, error)
	// Exec runs a command inside a running container.
	Exec(ctx context.Context, id string, command []string, stdout, stderr io.Writer) (code int, err error)
	// Stop stops a container (SIGTERM, then SIGKILL after grace) and removes it.
	// An unknown id is not an error: Stop is safe to repeat.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Logs copies the last tail lines of a container's output to w.
	Logs(ctx context.Context, id string, tail int, w io.Writer) error
}

// Spec says what to run and how.
type Spec struct {
	Image   string            // as given to Pull or returned by Load
	Name    string            // container name; empty: the engine chooses
	Command []string          // replaces entrypoint and command; nil: the image's own
	Env     map[string]string // on top of the image's and EnvFile's
	EnvFile string            // KEY=VALUE lines (see readEnvFile), read on the engine's client side
	Labels  map[string]string
	Network Network
	Publish []Port
	// ReadOnly mounts the root file system read-only; /tmp stays writable.
	ReadOnly bool
	// User overrides the image's user ("65532:65532").
	User string
	// WorkDir overrides the image's working directory.
	WorkDir string
	// Restart asks the engine to start the container again after a crash or a
	// reboot, where it can.
	Restart bool
	// Memory limits the container's memory in bytes; 0: no limit.
	Memory int64
}

// Network says what a container can reach.
type Network string

// The networks. The zero value is the engine's ordinary one.
const (
	NetworkDefault Network = ""
	NetworkNone    Network = "none" // loopback only
	NetworkHost    Network = "host"
)

// NetworkOf is the network of a running container, to share it: its loopback,
// and whatever else it reaches.
func NetworkOf(id string) Network { return Network("container:" + id) }

// Port publishes a container's TCP port on the host.
type Port struct {
	HostIP    string // empty: all addresses
	Host      int    // 0: the engine chooses a free one
	Container int
}

// Container is what an engine knows about one container.
type Container struct {
	ID      string
	Name    string
	Image   string // the reference it was started from
	Running bool
	Status  string // for people: "running", "exited (3)"
	Labels  map[string]string
	// Addresses maps a published container port to its "host:port" on the
	// engine's machine.
	Addresses map[int]string
	Created   time.Time
}
