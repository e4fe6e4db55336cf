// Package target holds the things that make an environment run a digest:
// containers here or on a host, the user's own command, or nothing but a tag.
package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/ledger"
	"github.com/fairlead-ci/fairlead/internal/promote"
)

// Labels that mark our containers; all state of this target is in them.
const (
	labelService = "dev.fairlead.service"
	labelEnv     = "dev.fairlead.environment"
	labelSeq     = "dev.fairlead.seq"
	labelDigest  = "dev.fairlead.digest"
	labelRole    = "dev.fairlead.role"
	roleRelease  = "release"
	roleCanary   = "canary"
	roleTrial    = "trial" // started to see whether it gets healthy
)

// Container runs releases as containers of an engine: podman or docker, on this
// machine or on another one through the engine's own remote connection.
//
// With a published address the new release is tried on a port of its own first;
// then the old one stops and the new one takes the address over: a gap of about
// a second. With a Switch command (which tells a proxy on the host) there is no
// gap: the new release stays on its own port, and the old one stops afterwards.
type Container struct {
	Engine  engine.Engine
	Remote  bool         // the engine is on another machine: health is asked inside the container
	Port    int          // that the application listens on
	Publish *engine.Port // stable address; nil: each release has a port of its own
	EnvFile string
	Env     map[string]string
	Health  string        // path, "/healthz"
	Timeout time.Duration // to get healthy
	Grace   time.Duration // to stop
	Drain   time.Duration // between switch and stop
	// Switch is told the upstream ("127.0.0.1:4711") of the release that is to
	// get the traffic; nil without such a command.
	Switch func(ctx context.Context, r promote.Release, upstream string) error
	HTTP   *http.Client
	Sleep  func(context.Context, time.Duration) error
}

var _ promote.Target = (*Container)(nil)

// Name implements promote.Target.
func (c *Container) Name() string { return "container (" + c.Engine.Name() + ")" }

type running struct {
	engine.Container
	seq    int
	digest string
	role   string
}

// list returns our containers of an environment, highest seq first.
func (c *Container) list(ctx context.Context, service, env string) ([]running, error) {
	all, err := c.Engine.List(ctx, map[string]string{labelService: service, labelEnv: env})
	if err != nil {
		return nil, fmt.Errorf("looking at the containers of %s: %w", env, err)
	}
	var out []running
	for _, k := range all {
		seq, _ := strconv.Atoi(k.Labels[labelSeq])
		out = append(out, running{k, seq, k.Labels[labelDigest], k.Labels[labelRole]})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].seq > out[j].seq })
	return out, nil
}

func (c *Container) url(k engine.Container) string {
	addr := k.Addresses[c.Port]
	if addr == "" {
		return ""
	}
	return "http://" + strings.Replace(addr, "0.0.0.0:", "127.0.0.1:", 1)
}

// Observe implements promote.Target.
func (c *Container) Observe(ctx context.Context, service, env string) (promote.Observation, error) {
	all, err := c.list(ctx, service, env)
	if err != nil {
		return promote.Observation{}, err
	}
	var o promote.Observation
	for _, k := range all {
		switch {
		case !k.Running:
		case k.role == roleRelease && o.Digest == "":
			o.Digest, o.URL = k.digest, c.url(k.Container)
		case k.role == roleCanary && o.Canary == "":
			o.Canary, o.CanaryURL = k.digest, c.url(k.Container)
		}
	}
	return o, nil
}

func ref(r promote.Release) string { return r.Image + "@" + r.Digest }

// start starts a release in a role and waits until it is healthy. One that does
// not get there is removed, and its last words are in the error.
func (c *Container) start(ctx context.Context, r promote.Release, role string, publish engine.Port) (engine.Container, error) {
	name := fmt.Sprintf("%s-%s-%d", r.Service, r.Environment, r.Seq)
	if role != roleRelease {
		name += "-" + role
	}
	publish.Container = c.Port
	k, err := c.Engine.Start(ctx, engine.Spec{
		Image: ref(r), Name: name, Env: c.Env, EnvFile: c.EnvFile, Publish: []engine.Port{publish}, ReadOnly: true, Restart: role == roleRelease,
		Labels: map[string]string{labelService: r.Service, labelEnv: r.Environment, labelSeq: strconv.Itoa(r.Seq), labelDigest: r.Digest, labelRole: role},
	})
	if err != nil {
		return k, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := c.healthy(ctx, &k); err != nil {
		var logs bytes.Buffer
		_ = c.Engine.Logs(context.WithoutCancel(ctx), k.ID, 8, &logs)
		_ = c.Engine.Stop(context.WithoutCancel(ctx), k.ID, time.Second)
		if text := strings.TrimSpace(logs.String()); text != "" {
			err = fmt.Errorf("%w; its last lines:\n%s", err, text)
		}
		return k, err
	}
	return k, nil
}

// healthy waits until the release answers its health path with 200.
func (c *Container) healthy(ctx context.Context, k *engine.Container) error {
	deadline := time.Now().Add(c.Timeout)
	for wait := 50 * time.Millisecond; ; wait = min(wait*3/2, time.Second) {
		last := c.probe(ctx, k)
		if last == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not healthy after %s: %w", k.Name, c.Timeout, last)
		}
		if gone, status := c.gone(ctx, k); gone {
			return fmt.Errorf("%s stopped while starting: %s", k.Name, status)
		}
		if err := c.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *Container) gone(ctx context.Context, k *engine.Container) (bool, string) {
	all, err := c.Engine.List(ctx, map[string]string{labelService: k.Labels[labelService], labelEnv: k.Labels[labelEnv]})
	if err != nil {
		return false, ""
	}
	for _, o := range all {
		if o.ID == k.ID {
			return !o.Running, o.Status
		}
	}
	return true, "removed"
}

// inside asks for the health page in the container, where a Python always is.
const inside = `import sys,urllib.request as u
try: sys.exit(0 if u.urlopen(sys.argv[1],timeout=3).status==200 else 1)
except Exception as e: print(e); sys.exit(1)`

func (c *Container) probe(ctx context.Context, k *engine.Container) error {
	if c.Remote {
		var out bytes.Buffer
		code, err := c.Engine.Exec(ctx, k.ID, []string{"/app/.venv/bin/python", "-c", inside, fmt.Sprintf("http://127.0.0.1:%d%s", c.Port, c.Health)}, &out, &out)
		if err == nil && code != 0 {
			err = errors.New(strings.TrimSpace(out.String()))
		}
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(*k)+c.Health, nil)
	if err != nil {
		return err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", c.Health, resp.Status)
	}
	return nil
}

// own is a free port on loopback, for a release that has no stable address yet.
func own() engine.Port { return engine.Port{HostIP: "127.0.0.1"} }

// Canary implements promote.Target.
func (c *Container) Canary(ctx context.Context, r promote.Release) (string, error) {
	all, err := c.list(ctx, r.Service, r.Environment)
	if err != nil {
		return "", err
	}
	for _, k := range all {
		if k.role == roleCanary && k.Running && k.digest == r.Digest && k.seq == r.Seq && c.probe(ctx, &k.Container) == nil {
			return "already runs at " + c.url(k.Container), nil
		}
	}
	if err := c.fenced(all, r); err != nil {
		return "", err
	}
	if err := c.stop(ctx, all, func(k running) bool { return k.role != roleRelease }); err != nil {
		return "", err
	}
	if err := c.Engine.Pull(ctx, ref(r)); err != nil {
		return "", fmt.Errorf("pulling %s: %w", ref(r), err)
	}
	begin := time.Now()
	k, err := c.start(ctx, r, roleCanary, own())
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("healthy after %.1f s at %s, beside %s", time.Since(begin).Seconds(), c.url(k), ledger.Short(r.Previous)), nil
}

// fenced refuses to work for a run that a newer one has overtaken.
func (c *Container) fenced(all []running, r promote.Release) error {
	for _, k := range all {
		if k.seq > r.Seq {
			return fmt.Errorf("%s already runs #%d; #%d is older and changes nothing", r.Environment, k.seq, r.Seq)
		}
	}
	return nil
}

// stop stops the containers that match.
func (c *Container) stop(ctx context.Context, all []running, match func(running) bool) error {
	var errs []error
	for _, k := range all {
		if match(k) {
			if err := c.Engine.Stop(ctx, k.ID, c.Grace); err != nil {
				errs = append(errs, fmt.Errorf("stopping %s: %w", k.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}
