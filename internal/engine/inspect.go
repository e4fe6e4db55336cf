package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// inspected is what both clients' inspect prints, as far as it is used.
type inspected struct {
	ID      string    `json:"Id"`
	Name    string    `json:"Name"`
	Created time.Time `json:"Created"`
	State   struct {
		Status   string `json:"Status"`
		Running  bool   `json:"Running"`
		ExitCode int    `json:"ExitCode"`
	} `json:"State"`
	ImageName string `json:"ImageName"` // podman
	Config    struct {
		Image  string            `json:"Image"`
		Labels map[string]string `json:"Labels"`
	} `json:"Config"`
	NetworkSettings struct {
		Ports map[string][]struct{ HostIP, HostPort string } `json:"Ports"`
	} `json:"NetworkSettings"`
}

func (c *CLI) inspect(ctx context.Context, ids ...string) (Container, error) {
	all, err := c.inspectAll(ctx, ids)
	if err != nil {
		return Container{}, err
	}
	if len(all) != 1 {
		return Container{}, fmt.Errorf("%s inspect: %d containers, not one", filepath.Base(c.bin), len(all))
	}
	return all[0], nil
}

func (c *CLI) inspectAll(ctx context.Context, ids []string) ([]Container, error) {
	out, err := c.output(ctx, nil, append([]string{"container", "inspect", "--"}, ids...)...)
	if err != nil && strings.TrimSpace(out) == "" {
		return nil, err
	}
	// With one of several gone, the clients print the others and fail.
	var all []inspected
	if jerr := json.Unmarshal([]byte(out), &all); jerr != nil {
		return nil, errors.Join(err, fmt.Errorf("%s inspect: reading its answer: %w", filepath.Base(c.bin), jerr))
	}
	var list []Container
	for _, i := range all {
		k := Container{ID: i.ID, Name: strings.TrimPrefix(i.Name, "/"), Image: i.Config.Image, Running: i.State.Running, Status: i.State.Status,
			Labels: i.Config.Labels, Created: i.Created, Addresses: map[int]string{}}
		if i.ImageName != "" {
			k.Image = i.ImageName
		}
		if !i.State.Running {
			k.Status = fmt.Sprintf("%s (%d)", i.State.Status, i.State.ExitCode)
		}
		for port, hosts := range i.NetworkSettings.Ports {
			n, _ := strconv.Atoi(strings.TrimSuffix(port, "/tcp"))
			if len(hosts) == 0 || n == 0 {
				continue
			}
			ip := hosts[0].HostIP
			if ip == "" {
				ip = "0.0.0.0"
			}
			k.Addresses[n] = net.JoinHostPort(ip, hosts[0].HostPort)
		}
		list = append(list, k)
	}
	sort.SliceStable(list, func(a, b int) bool { return list[a].Created.After(list[b].Created) })
	return list, nil
}

// List implements Engine.
func (c *CLI) List(ctx context.Context, labels map[string]string) ([]Container, error) {
	args := []string{"ps", "-a", "-q", "--no-trunc"}
	for k, v := range labels {
		args = append(args, "--filter", "label="+k+"="+v)
	}
	out, err := c.output(ctx, nil, args...)
	if err != nil {
		return nil, err
	}
	ids := strings.Fields(out)
	if len(ids) == 0 {
		return nil, nil
	}
	return c.inspectAll(ctx, ids)
}

// Exec implements Engine.
func (c *CLI) Exec(ctx context.Context, id string, command []string, stdout, stderr io.Writer) (int, error) {
	if k, err := c.inspect(ctx, id); err != nil || !k.Running {
		return -1, errors.Join(fmt.Errorf("running a command in container %q: it does not run", id), err)
	}
	cmd := c.command(ctx, append([]string{"exec", id}, command...)...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return exit.ExitCode(), nil
	}
	if ctx.Err() != nil {
		return -1, ctx.Err()
	}
	return 0, err
}

// Stop implements Engine.
func (c *CLI) Stop(ctx context.Context, id string, grace time.Duration) error {
	_, err := c.output(ctx, nil, "stop", "-t", strconv.Itoa(int(grace.Seconds())), "--", id)
	if unknown(err) {
		return nil
	}
	if _, rmErr := c.output(ctx, nil, "rm", "-f", "--", id); rmErr != nil && !unknown(rmErr) {
		return errors.Join(err, rmErr)
	}
	return nil
}

func unknown(err error) bool {
	if err == nil {
		return false
	}
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "no such container") || strings.Contains(text, "no container with")
}

// Logs implements Engine.
func (c *CLI) Logs(ctx context.Context, id string, tail int, w io.Writer) error {
	cmd := c.command(ctx, "logs", "--tail", strconv.Itoa(tail), id)
	cmd.Stdout, cmd.Stderr = w, w
	return cmd.Run()
}

// tailWriter keeps the last kilobytes of what is written to it.
type tailWriter struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 8192 {
		t.buf = append([]byte(nil), t.buf[len(t.buf)-4096:]...)
	}
	return len(p), nil
}

func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
