package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Namespaces runs images with the kernel alone: the image's root file system,
// in name spaces of its own, as the image's user. It works as root and, where
// the system allows user name spaces, as an ordinary user.
//
// It is meant for a first look and for tests on machines without an engine, not
// for production: containers live as long as this process, the ordinary network
// is the host's (the application is told its port by PORT), and a container that
// is not ReadOnly writes into its image's unpacked files.
type Namespaces struct {
	dir  string
	pull func(ctx context.Context, ref string) (v1.Image, error)
	root bool

	mu     sync.Mutex
	images map[string]*unpacked
	procs  map[string]*process
	next   int
}

var _ Engine = (*Namespaces)(nil)

// unpacked is an image on disk.
type unpacked struct {
	rootfs string
	config v1.Config
}

// process is one container.
type process struct {
	Container
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed at its end
	code int
	spec Spec
}

// NewNamespaces makes the engine and tries it. dir is a folder of its own, which
// Close empties; pull fetches an image from a registry.
func NewNamespaces(ctx context.Context, dir string, pull func(context.Context, string) (v1.Image, error)) (*Namespaces, error) {
	n := &Namespaces{dir: dir, pull: pull, root: os.Geteuid() == 0, images: map[string]*unpacked{}, procs: map[string]*process{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// Try the hard part, with an empty root.
	empty := filepath.Join(dir, "probe")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return nil, err
	}
	defer os.RemoveAll(empty)
	var out bytes.Buffer
	code, err := n.wait(ctx, initSpec{Root: empty, ReadOnly: true, Probe: true}, NetworkNone, &out, &out)
	if err == nil && code != 0 {
		err = errors.New(strings.TrimSpace(out.String()))
	}
	if err != nil {
		return nil, fmt.Errorf("name spaces are not available: %w (as an ordinary user they need kernel.unprivileged_userns_clone=1, "+
			"and on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0; or install podman)", err)
	}
	return n, nil
}

// Name implements Engine.
func (n *Namespaces) Name() string {
	if n.root {
		return "name spaces (no container engine)"
	}
	return "user name spaces (no container engine)"
}

// Close stops every container and removes what was unpacked.
func (n *Namespaces) Close() error {
	n.mu.Lock()
	ids := slices.Collect(maps.Keys(n.procs))
	n.mu.Unlock()
	for _, id := range ids {
		_ = n.Stop(context.Background(), id, 2*time.Second)
	}
	return os.RemoveAll(n.dir)
}

// Pull implements Engine.
func (n *Namespaces) Pull(ctx context.Context, ref string) error {
	n.mu.Lock()
	_, have := n.images[ref]
	n.mu.Unlock()
	if have {
		return nil
	}
	img, err := n.pull(ctx, ref)
	if err != nil {
		return err
	}
	return n.unpack(img, ref)
}

// Load implements Engine.
func (n *Namespaces) Load(_ context.Context, img v1.Image, name string) (string, error) {
	d, err := img.Digest()
	if err != nil {
		return "", err
	}
	ref := name + ":" + d.Hex[:16]
	return ref, n.unpack(img, ref)
}

func (n *Namespaces) unpack(img v1.Image, ref string) error {
	cf, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", ref, err)
	}
	if cf.Architecture != runtime.GOARCH {
		return fmt.Errorf("unpacking %s: it is for %s, this machine is %s", ref, cf.Architecture, runtime.GOARCH)
	}
	dir, err := os.MkdirTemp(n.dir, "image-")
	if err != nil {
		return err
	}
	rootfs := filepath.Join(dir, "rootfs")
	if err := os.Mkdir(rootfs, 0o755); err != nil {
		return err
	}
	if err := extract(img, rootfs); err != nil {
		_ = os.RemoveAll(dir)
		return fmt.Errorf("unpacking %s: %w", ref, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.images[ref] = &unpacked{rootfs, cf.Config}
	return nil
}

// RemoveImage implements Engine.
func (n *Namespaces) RemoveImage(_ context.Context, ref string) error {
	n.mu.Lock()
	img := n.images[ref]
	delete(n.images, ref)
	n.mu.Unlock()
	if img == nil {
		return nil
	}
	return os.RemoveAll(filepath.Dir(img.rootfs))
}

// prepare turns a Spec into what the init process needs.
func (n *Namespaces) prepare(s Spec) (initSpec, error) {
	n.mu.Lock()
	img := n.images[s.Image]
	n.mu.Unlock()
	if img == nil {
		return initSpec{}, fmt.Errorf("image %s was not pulled", s.Image)
	}
	in := initSpec{Root: img.rootfs, ReadOnly: s.ReadOnly, Dir: img.config.WorkingDir, Args: s.Command}
	if len(in.Args) == 0 {
		in.Args = append(slices.Clone(img.config.Entrypoint), img.config.Cmd...)
	}
	if len(in.Args) == 0 {
		return initSpec{}, fmt.Errorf("image %s names no command", s.Image)
	}
	if s.WorkDir != "" {
		in.Dir = s.WorkDir
	}
	user := img.config.User
	if s.User != "" {
		user = s.User
	}
	uid, gid, err := lookup(img.rootfs, user)
	if err != nil {
		return initSpec{}, err
	}
	in.UID, in.GID = uid, gid
	env := map[string]string{"HOME": "/tmp"}
	for _, kv := range img.config.Env {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	own, err := s.environment()
	if err != nil {
		return initSpec{}, err
	}
	maps.Copy(env, own)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		in.Env = append(in.Env, k+"="+env[k])
	}
	return in, nil
}

// lookup finds a user's numbers: "65532", "65532:65532", or a name of the
// image's own /etc/passwd.
func lookup(rootfs, user string) (uid, gid int, err error) {
	if user == "" {
		return 0, 0, nil
	}
	u, g, _ := strings.Cut(user, ":")
	if uid, err = strconv.Atoi(u); err == nil {
		gid = uid
		if g != "" {
			gid, err = strconv.Atoi(g)
		}
		return uid, gid, err
	}
	data, err := os.ReadFile(filepath.Join(rootfs, "etc/passwd"))
	if err != nil {
		return 0, 0, fmt.Errorf("user %q: %w", user, err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		f := strings.Split(line, ":")
		if len(f) >= 4 && f[0] == u {
			uid, err1 := strconv.Atoi(f[2])
			gid, err2 := strconv.Atoi(f[3])
			return uid, gid, errors.Join(err1, err2)
		}
	}
	return 0, 0, fmt.Errorf("user %q is not in the image", user)
}

// launch starts the init process. It stays on one thread for the container's
// life, because the kernel's parent-death signal belongs to the thread.
func (n *Namespaces) launch(in initSpec, network Network, stdout, stderr io.Writer) (*exec.Cmd, <-chan error, error) {
	data, err := json.Marshal(in)
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := &exec.Cmd{Path: exe, Args: []string{initName}, Env: []string{}, Stdout: stdout, Stderr: stderr, ExtraFiles: []*os.File{r}, WaitDelay: 5 * time.Second}
	flags := syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS
	if network == NetworkNone {
		flags |= syscall.CLONE_NEWNET
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if !n.root {
		flags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	cmd.SysProcAttr.Cloneflags = uintptr(flags)
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = r.Close()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		_ = w.Close()
		return nil, nil, fmt.Errorf("making name spaces: %w", err)
	}
	_, err = w.Write(data)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = cmd.Process.Kill()
		<-ended
		return nil, nil, err
	}
	return cmd, ended, nil
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit):
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return 128 + int(s.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return -1, err
}

// wait runs a container to its end.
func (n *Namespaces) wait(ctx context.Context, in initSpec, network Network, stdout, stderr io.Writer) (int, error) {
	cmd, ended, err := n.launch(in, network, stdout, stderr)
	if err != nil {
		return -1, err
	}
	select {
	case err := <-ended:
		return exitCode(err)
	case <-ctx.Done():
		_ = cmd.Process.Kill() // process 1 of the pid name space: all of it goes
		<-ended
		return -1, ctx.Err()
	}
}

// Run implements Engine.
func (n *Namespaces) Run(ctx context.Context, s Spec, stdout, stderr io.Writer) (int, error) {
	in, err := n.prepare(s)
	if err != nil {
		return -1, err
	}
	return n.wait(ctx, in, s.Network, stdout, stderr)
}

// freePort asks the kernel for a port that nobody uses at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
