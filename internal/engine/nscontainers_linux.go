package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"time"
)

// Start implements Engine.
func (n *Namespaces) Start(_ context.Context, s Spec) (Container, error) {
	s.Env = maps.Clone(s.Env)
	if s.Env == nil {
		s.Env = map[string]string{}
	}
	addresses := map[int]string{}
	for i, p := range s.Publish {
		if p.Host == 0 {
			free, err := freePort()
			if err != nil {
				return Container{}, err
			}
			p.Host = free
		}
		addresses[p.Container] = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Host))
		if i == 0 {
			s.Env["PORT"] = strconv.Itoa(p.Host)
		}
	}
	in, err := n.prepare(s)
	if err != nil {
		return Container{}, err
	}
	n.mu.Lock()
	n.next++
	id := fmt.Sprintf("ns%d", n.next)
	if s.Name == "" {
		s.Name = id
	}
	for _, p := range n.procs {
		if p.Name == s.Name {
			n.mu.Unlock()
			return Container{}, fmt.Errorf("%w: %q", ErrNameInUse, s.Name)
		}
	}
	p := &process{spec: s, log: filepath.Join(n.dir, id+".log"), done: make(chan struct{}),
		Container: Container{ID: id, Name: s.Name, Image: s.Image, Running: true, Status: "running", Labels: s.Labels, Addresses: addresses, Created: time.Now()}}
	n.procs[id] = p
	n.mu.Unlock()
	log, err := os.Create(p.log)
	if err == nil {
		var ended <-chan error
		p.cmd, ended, err = n.launch(in, s.Network, log, log)
		if err == nil {
			go func() {
				code, _ := exitCode(<-ended)
				_ = log.Close()
				n.mu.Lock()
				p.Running, p.code, p.Status = false, code, fmt.Sprintf("exited (%d)", code)
				n.mu.Unlock()
				close(p.done)
			}()
			return p.Container, nil
		}
		_ = log.Close()
	}
	n.mu.Lock()
	delete(n.procs, id)
	n.mu.Unlock()
	return Container{}, err
}

// List implements Engine.
func (n *Namespaces) List(_ context.Context, labels map[string]string) ([]Container, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []Container
next:
	for _, p := range n.procs {
		for k, v := range labels {
			if p.Labels[k] != v {
				continue next
			}
		}
		out = append(out, p.Container)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Created.After(out[j].Created) })
	return out, nil
}

func (n *Namespaces) process(id string) *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.procs[id]
}

// Exec implements Engine: the command runs in the same root file system and
// network, with name spaces of its own for the rest.
func (n *Namespaces) Exec(ctx context.Context, id string, command []string, stdout, stderr io.Writer) (int, error) {
	p := n.process(id)
	if p == nil {
		return -1, fmt.Errorf("no container %q", id)
	}
	s := p.spec
	s.Command = command
	return n.Run(ctx, s, stdout, stderr)
}

// Stop implements Engine.
func (n *Namespaces) Stop(ctx context.Context, id string, grace time.Duration) error {
	p := n.process(id)
	if p == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
	case <-ctx.Done():
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	n.mu.Lock()
	delete(n.procs, id)
	n.mu.Unlock()
	return os.Remove(p.log)
}

// Logs implements Engine.
func (n *Namespaces) Logs(_ context.Context, id string, tail int, w io.Writer) error {
	p := n.process(id)
	if p == nil {
		return fmt.Errorf("no container %q", id)
	}
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	lines := bytes.SplitAfter(bytes.TrimRight(data, "\n"), []byte("\n"))
	_, err = w.Write(append(bytes.Join(lines[max(0, len(lines)-tail):], nil), '\n'))
	return err
}
