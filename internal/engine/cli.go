package engine

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// ErrNameInUse says that a container of that name exists.
var ErrNameInUse = errors.New("a container of that name exists")

var nameTaken = regexp.MustCompile(`(?i)container name .* is already in use`)

// CLI drives podman or docker through its command-line client, which is their
// stable interface, and the only one that knows the user's contexts,
// connections and credentials.
type CLI struct {
	bin     string
	host    []string // arguments that select another machine
	version string
	podman  bool
	environ []string
}

var _ Engine = (*CLI)(nil)

// NewCLI tries the client: it must answer for a working engine within some
// seconds. host is "" for this machine or unix://SOCKET
// for an engine that listens there.
func NewCLI(ctx context.Context, bin, host string, environ []string) (*CLI, error) {
	base := filepath.Base(bin)
	c := &CLI{bin: bin, podman: strings.HasPrefix(base, "podman"), environ: environ}
	if host != "" {
		if !strings.HasPrefix(host, "unix://") {
			return nil, fmt.Errorf("host %q is not unix://SOCKET", host)
		}
		c.host = []string{"-H", host}
		if c.podman {
			c.host = []string{"--remote", "--url", host}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	format := "{{.Server.Version}}"
	if c.podman {
		format = "{{.Version.Version}}"
	}
	verb := "version"
	if c.podman {
		verb = "info"
	}
	out, err := c.output(ctx, nil, verb, "--format", format)
	if err != nil {
		return nil, err
	}
	c.version = strings.TrimSpace(out)
	if c.version == "" || strings.Contains(c.version, "<no value>") {
		return nil, fmt.Errorf("%s answers without an engine behind it", base)
	}
	return c, nil
}

// Name implements Engine.
func (c *CLI) Name() string { return filepath.Base(c.bin) + " " + c.version }

// commandError is a failed client command with the end of what it said.
type commandError struct {
	what string
	code int
	text string
}

func (e *commandError) Error() string {
	text := e.text
	if text == "" {
		text = fmt.Sprintf("exit code %d", e.code)
	}
	return e.what + ": " + text
}

func (c *CLI) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.bin, append(append([]string{}, c.host...), args...)...)
	cmd.Env = c.environ
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// output runs a short command and returns its stdout.
func (c *CLI) output(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	cmd := c.command(ctx, args...)
	var out, errb bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errb
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("%s %s: %w", filepath.Base(c.bin), args[0], ctx.Err())
		}
		code := -1
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if errb.Len() == 0 {
			errb.WriteString(err.Error())
		}
		return out.String(), &commandError{filepath.Base(c.bin) + " " + args[0], code, lastLines(errb.String(), 4)}
	}
	return out.String(), nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Pull implements Engine.
func (c *CLI) Pull(ctx context.Context, ref string) error {
	args := []string{"pull", "-q"}
	if c.podman && loopback(ref) {
		args = append(args, "--tls-verify=false")
	}
	_, err := c.output(ctx, nil, append(args, "--", ref)...)
	return err
}

// loopback says whether a reference's registry is this machine.
func loopback(ref string) bool {
	host, _, _ := strings.Cut(ref, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Load implements Engine: the image travels as a docker-archive on stdin.
func (c *CLI) Load(ctx context.Context, img v1.Image, repo string) (string, error) {
	d, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("loading an image: %w", err)
	}
	ref := repo + ":" + d.Hex[:16]
	tag, err := name.NewTag(ref)
	if err != nil {
		return "", fmt.Errorf("loading an image as %q: %w", ref, err)
	}
	// podman wants a file; a pipe works with docker only.
	f, err := os.CreateTemp("", "fairlead-load-*.tar")
	if err != nil {
		return "", fmt.Errorf("loading an image: %w", err)
	}
	defer os.Remove(f.Name())
	err = tarball.Write(tag, img, f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("loading an image: %w", err)
	}
	if _, err := c.output(ctx, nil, "load", "-q", "-i", f.Name()); err != nil {
		return "", err
	}
	return ref, nil
}

// RemoveImage implements Engine.
func (c *CLI) RemoveImage(ctx context.Context, ref string) error {
	// Not by force: that would take running containers of the image with it.
	_, err := c.output(ctx, nil, "rmi", "--", ref)
	if err != nil && strings.Contains(strings.ToLower(err.Error()), "no such image") || err != nil && strings.Contains(err.Error(), "not known") {
		return nil
	}
	return err
}

// spec turns a Spec into arguments. Values of variables go through a private
// file: arguments are visible to every user of the machine.
func (c *CLI) spec(s Spec) (args []string, cleanup func(), err error) {
	cleanup = func() {}
	add := func(a ...string) { args = append(args, a...) }
	if s.Name != "" {
		add("--name", s.Name)
	}
	if c.podman {
		// Else podman hands the caller's proxy variables, with the credentials
		// that may be in them, to the container.
		add("--http-proxy=false")
	}
	env, err := s.environment()
	if err != nil {
		return nil, cleanup, err
	}
	if len(env) > 0 {
		f, err := envFile(env)
		if err != nil {
			return nil, cleanup, err
		}
		cleanup = func() { _ = os.Remove(f) }
		add("--env-file", f)
	}
	keys := make([]string, 0, len(s.Labels))
	for k := range s.Labels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		add("--label", k+"="+s.Labels[k])
	}
	if s.Network != NetworkDefault {
		add("--network", string(s.Network))
	}
	for _, p := range s.Publish {
		host := ""
		if p.Host != 0 {
			host = strconv.Itoa(p.Host)
		}
		ip := p.HostIP
		if ip == "" {
			ip = "0.0.0.0"
		}
		add("--publish", fmt.Sprintf("%s:%s:%d", ip, host, p.Container))
	}
	if s.ReadOnly {
		add("--read-only", "--tmpfs", "/tmp:rw,mode=1777")
	}
	if s.User != "" {
		add("--user", s.User)
	}
	if s.WorkDir != "" {
		add("--workdir", s.WorkDir)
	}
	if s.Restart {
		add("--restart", "unless-stopped")
	}
	if s.Memory > 0 {
		add("--memory", strconv.FormatInt(s.Memory, 10))
	}
	if len(s.Command) > 0 {
		add("--entrypoint", entrypoint(s.Command, c.podman))
	}
	add(s.Image)
	if len(s.Command) > 0 && !c.podman {
		add(s.Command[1:]...)
	}
	return args, cleanup, nil
}

// entrypoint replaces entrypoint and command: podman takes a JSON list, docker
// only the program, with its arguments behind the image.
func entrypoint(cmd []string, podman bool) string {
	if !podman {
		return cmd[0]
	}
	b, _ := json.Marshal(cmd) // strings always marshal
	return string(b)
}

// envFile writes variables for --env-file, which knows no line breaks.
func envFile(env map[string]string) (string, error) {
	var b strings.Builder
	for k, v := range env {
		if strings.ContainsAny(v, "\n\r") {
			return "", fmt.Errorf("passing variable %q: its value has line breaks, which podman and docker cannot take from a file", k)
		}
		fmt.Fprintf(&b, "%s=%s\n", k, v)
	}
	f, err := os.CreateTemp("", "fairlead-env-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(b.String())
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return f.Name(), err
}

func randomName() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "fairlead-" + hex.EncodeToString(b[:])
}

// Run implements Engine.
func (c *CLI) Run(ctx context.Context, s Spec, stdout, stderr io.Writer) (int, error) {
	if s.Name == "" {
		s.Name = randomName() // so that it can be removed when the context ends
	}
	args, cleanup, err := c.spec(s)
	defer cleanup()
	if err != nil {
		return -1, err
	}
	cmd := c.command(context.WithoutCancel(ctx), append([]string{"run", "--rm"}, args...)...)
	var tail tailWriter
	cmd.Stdout, cmd.Stderr = stdout, io.MultiWriter(stderr, &tail)
	// Not in our process group: Ctrl-C is ours to handle.
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return -1, fmt.Errorf("%s run: %w", filepath.Base(c.bin), err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err = <-done:
	case <-ctx.Done():
		_, _ = c.output(context.WithoutCancel(ctx), nil, "rm", "-f", "--", s.Name)
		<-done
		return -1, ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		// 125 is the client's own code; 126 and 127 are too when the client itself
		// says that the runtime could not start the container.
		code, said := exit.ExitCode(), s.hide(lastLines(tail.String(), 4))
		if code == 125 || (code == 126 || code == 127) && strings.Contains(said, "OCI ") {
			return -1, failure.New(failure.Service, "does `"+filepath.Base(c.bin)+" run` work on this machine at all? --engine none does without it",
				"%w", &commandError{filepath.Base(c.bin) + " run", code, said})
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}

// Start implements Engine.
func (c *CLI) Start(ctx context.Context, s Spec) (Container, error) {
	if s.Name == "" {
		s.Name = randomName()
	}
	args, cleanup, err := c.spec(s)
	defer cleanup()
	if err != nil {
		return Container{}, err
	}
	out, err := c.output(ctx, nil, append([]string{"run", "-d"}, args...)...)
	if err != nil {
		// "address already in use" is another matter.
		if nameTaken.MatchString(err.Error()) {
			return Container{}, fmt.Errorf("%w: %q", ErrNameInUse, s.Name)
		}
		// A container that was created and could not start must not stay.
		_, _ = c.output(context.WithoutCancel(ctx), nil, "rm", "-f", "--", s.Name)
		var failed *commandError
		if errors.As(err, &failed) {
			failed.text = s.hide(failed.text)
		}
		return Container{}, err
	}
	id := lastLines(out, 1)
	k, err := c.inspect(ctx, id)
	if err != nil {
		_, _ = c.output(context.WithoutCancel(ctx), nil, "rm", "-f", "--", id)
	}
	return k, err
}
