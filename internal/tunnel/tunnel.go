// Package tunnel reaches a host over ssh with the OpenSSH client, which alone
// knows a user's configuration, agent, certificates and jump hosts. One
// connection is opened, checked against the known host keys, and then carries
// commands and forwarded sockets until it is closed.
package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Options say whom to reach, and as whom.
type Options struct {
	// URL is ssh://[USER@]HOST[:PORT][/SOCKET]; the path is for the caller.
	URL string
	// Key is a private key's text; "" for the user's own keys and agent.
	Key string
	// KnownHosts are lines as of known_hosts(5); with them, no other key of a
	// host is accepted. "" for the user's own files.
	KnownHosts string
	Environ    []string
	// Timeout bounds the connection's start; zero means 20 seconds.
	Timeout time.Duration
}

// Tunnel is an open connection. It is safe for concurrent use.
type Tunnel struct {
	o    Options
	dest string
	port string
	// Path is the URL's path: the engine's socket on the host, or "".
	Path string
	dir  string
	cmd  *exec.Cmd
	gone chan struct{}
	said *bytes.Buffer

	mu    sync.Mutex
	local map[string]string // forwarded address: local socket
}

// destination is what may stand in for a host: no option, no shell, no space.
var destination = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*@)?([A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9a-fA-F:]+\])$`)

// Parse takes a host's address apart.
func Parse(raw string) (dest, port, path string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "ssh" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", "", "", failure.New(failure.Usage, "", "host %q is not ssh://USER@HOST", raw)
	}
	if _, has := u.User.Password(); has {
		return "", "", "", failure.New(failure.Usage, "give a key: ssh-key", "host %q holds a password, which ssh takes from nobody", u.Redacted())
	}
	dest = u.Hostname()
	if strings.Contains(dest, ":") {
		dest = "[" + dest + "]"
	}
	if name := u.User.Username(); name != "" {
		dest = name + "@" + dest
	}
	if !destination.MatchString(dest) {
		return "", "", "", failure.New(failure.Usage, "", "host %q is not ssh://USER@HOST", raw)
	}
	return strings.NewReplacer("[", "", "]", "").Replace(dest), u.Port(), u.Path, nil
}

// Open connects. Its errors say which of the usual things is wrong.
func Open(ctx context.Context, o Options) (*Tunnel, error) {
	t := &Tunnel{o: o, gone: make(chan struct{}), said: &bytes.Buffer{}, local: map[string]string{}}
	var err error
	if t.dest, t.port, t.Path, err = Parse(o.URL); err != nil {
		return nil, err
	}
	// Short, because a socket's path may have 100 characters only; 0700.
	if t.dir, err = os.MkdirTemp("", "fl-"); err != nil {
		return nil, fmt.Errorf("making a folder for ssh: %w", err)
	}
	if err := t.connect(ctx); err != nil {
		_ = t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tunnel) socket() string { return filepath.Join(t.dir, "c") }

// base are the arguments of every call.
func (t *Tunnel) base() []string {
	args := []string{"-S", t.socket(), "-o", "BatchMode=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "PermitLocalCommand=no"}
	if t.port != "" {
		args = append(args, "-p", t.port)
	}
	return args
}

func (t *Tunnel) connect(ctx context.Context) error {
	args := append(t.base(), "-M", "-N", "-o", "ControlPersist=no", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4",
		"-o", "ExitOnForwardFailure=yes", "-o", "StreamLocalBindUnlink=yes", "-o", "LogLevel=ERROR")
	if t.o.Key != "" {
		key := filepath.Join(t.dir, "k")
		// A key without its last line break is refused by ssh, and inputs lose it.
		if err := os.WriteFile(key, []byte(strings.TrimSpace(strings.ReplaceAll(t.o.Key, "\r\n", "\n"))+"\n"), 0o600); err != nil {
			return fmt.Errorf("writing the ssh key: %w", err)
		}
		args = append(args, "-i", key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none")
	}
	if t.o.KnownHosts != "" {
		known := filepath.Join(t.dir, "h")
		if err := os.WriteFile(known, []byte(strings.TrimSpace(t.o.KnownHosts)+"\n"), 0o600); err != nil {
			return fmt.Errorf("writing the host keys: %w", err)
		}
		args = append(args, "-o", "UserKnownHostsFile="+known, "-o", "GlobalKnownHostsFile=none", "-o", "UpdateHostKeys=no")
	}
	args = append(args, "-o", "StrictHostKeyChecking=yes", "--", t.dest)
	t.cmd = exec.Command("ssh", args...)
	t.cmd.Env, t.cmd.Stderr = t.o.Environ, t.said
	t.cmd.WaitDelay = time.Second
	if err := t.cmd.Start(); err != nil {
		t.cmd = nil
		return failure.New(failure.Service, "apt-get install openssh-client", "reaching %s: %w", t.dest, err)
	}
	go func() { _ = t.cmd.Wait(); close(t.gone) }()
	limit := t.o.Timeout
	if limit == 0 {
		limit = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for wait := 5 * time.Millisecond; ; wait = min(wait*2, 200*time.Millisecond) {
		if err := exec.CommandContext(ctx, "ssh", append(t.base(), "-O", "check", "--", t.dest)...).Run(); err == nil {
			return nil
		}
		select {
		case <-t.gone:
			return t.explain(t.said.String())
		case <-ctx.Done():
			return failure.New(failure.Service, "is the host up, and does a firewall drop the packets?", "reaching %s: no connection after %s", t.dest, limit)
		case <-time.After(wait):
		}
	}
}

// explain turns what ssh says into what to do.
func (t *Tunnel) explain(said string) error {
	said = strings.TrimSpace(said)
	hint := ""
	switch {
	case strings.Contains(said, "REMOTE HOST IDENTIFICATION HAS CHANGED"), strings.Contains(said, "Host key verification failed"):
		hint = "its host key is not among the known ones. If the host was replaced, put the new line of `ssh-keyscan HOST` into ssh-known-hosts, after comparing it; else somebody stands in between"
	case strings.Contains(said, "invalid format"), strings.Contains(said, "error in libcrypto"), strings.Contains(said, "incorrect passphrase"):
		hint = "ssh-key must be a whole private key without a passphrase, its first and last line included"
	case strings.Contains(said, "Permission denied"):
		hint = "the host does not take this key for this user: is its public half in ~/.ssh/authorized_keys there?"
	case strings.Contains(said, "Could not resolve"), strings.Contains(said, "refused"), strings.Contains(said, "timed out"), strings.Contains(said, "No route"):
		hint = "is the name right, is the host up, and does it listen on this port?"
	}
	if lines := strings.Split(said, "\n"); len(lines) > 3 {
		said = strings.Join(lines[len(lines)-3:], "\n")
	}
	return failure.New(failure.Service, hint, "reaching %s over ssh: %s", t.dest, said)
}

// ErrClosed says that the connection has ended.
var ErrClosed = errors.New("the ssh connection has ended")

// Output runs a command on the host and returns what it prints. The words are
// quoted for the host's shell.
func (t *Tunnel) Output(ctx context.Context, words ...string) (string, error) {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
	}
	cmd := exec.CommandContext(ctx, "ssh", append(t.base(), "-T", "--", t.dest, strings.Join(quoted, " "))...)
	var out, errb bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errb, t.o.Environ
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%s on %s: %w: %s", words[0], t.dest, err, strings.TrimSpace(errb.String()))
	}
	return out.String(), nil
}

// Forward makes an address of the host ("/run/podman/podman.sock" or
// "127.0.0.1:8000") reachable through a socket of this machine, and returns its path.
func (t *Tunnel) Forward(ctx context.Context, remote string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p, ok := t.local[remote]; ok {
		return p, nil
	}
	local := filepath.Join(t.dir, fmt.Sprintf("f%d", len(t.local)))
	out, err := exec.CommandContext(ctx, "ssh", append(t.base(), "-O", "forward", "-L", local+":"+remote, "--", t.dest)...).CombinedOutput()
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", failure.New(failure.Service, "", "forwarding %s of %s: %w: %s", remote, t.dest, err, strings.TrimSpace(string(out)))
	}
	t.local[remote] = local
	return local, nil
}

// DialContext connects to a TCP address as seen from the host; for http.Transport.
func (t *Tunnel) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	local, err := t.Forward(ctx, addr)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", local)
}

// Close ends the connection and removes keys and sockets.
func (t *Tunnel) Close() error {
	if t.cmd != nil && t.cmd.Process != nil {
		_ = exec.Command("ssh", append(t.base(), "-O", "exit", "--", t.dest)...).Run()
		select {
		case <-t.gone:
		case <-time.After(3 * time.Second):
			_ = t.cmd.Process.Kill()
			<-t.gone
		}
	}
	return os.RemoveAll(t.dir)
}
