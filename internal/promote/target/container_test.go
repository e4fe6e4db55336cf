package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
	"github.com/fairlead-ci/fairlead/internal/promote"
)

// machine is an engine whose containers are servers on loopback. Each of its
// calls can be made to fail, before or after it takes effect.
type machine struct {
	t      *testing.T
	list   []engine.Container
	server map[string]*httptest.Server
	sick   map[string]bool // images that never get healthy
	next   int

	calls, failAt int
	after         bool
	// alone is true while a stable address must not be taken twice.
	taken map[int]string
}

var errMachine = errors.New("the engine failed")

func (m *machine) call(do func() error) error {
	m.calls++
	if m.calls == m.failAt && !m.after {
		return errMachine
	}
	err := do()
	if m.calls == m.failAt {
		return errMachine
	}
	return err
}

func (m *machine) Name() string { return "fake" }

func (m *machine) Pull(context.Context, string) error { return m.call(func() error { return nil }) }

func (m *machine) Load(context.Context, v1.Image, string) (string, error) {
	return "", errors.ErrUnsupported
}

func (m *machine) RemoveImage(context.Context, string) error { return errors.ErrUnsupported }

func (m *machine) Run(context.Context, engine.Spec, io.Writer, io.Writer) (int, error) {
	return 0, errors.ErrUnsupported
}

func (m *machine) Exec(context.Context, string, []string, io.Writer, io.Writer) (int, error) {
	return 0, errors.ErrUnsupported
}

func (m *machine) Logs(_ context.Context, _ string, _ int, w io.Writer) error {
	return m.call(func() error {
		_, err := io.WriteString(w, "last words\n")
		return err
	})
}

func (m *machine) Start(_ context.Context, s engine.Spec) (k engine.Container, err error) {
	err = m.call(func() error {
		for _, o := range m.list {
			if o.Name == s.Name {
				return engine.ErrNameInUse
			}
		}
		port := s.Publish[0]
		if port.Host != 0 && m.taken[port.Host] != "" {
			return fmt.Errorf("address already in use by %s", m.taken[port.Host])
		}
		m.next++
		id := fmt.Sprint("c", m.next)
		status := http.StatusOK
		if m.sick[s.Image] {
			status = http.StatusServiceUnavailable
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		m.server[id] = srv
		if port.Host != 0 {
			m.taken[port.Host] = id
		}
		k = engine.Container{ID: id, Name: s.Name, Image: s.Image, Running: true, Status: "running", Labels: maps.Clone(s.Labels),
			Addresses: map[int]string{port.Container: strings.TrimPrefix(srv.URL, "http://")}}
		m.list = append([]engine.Container{k}, m.list...)
		return nil
	})
	return k, err
}

func (m *machine) List(_ context.Context, labels map[string]string) (out []engine.Container, err error) {
	err = m.call(func() error {
	next:
		for _, k := range m.list {
			for l, v := range labels {
				if k.Labels[l] != v {
					continue next
				}
			}
			out = append(out, k)
		}
		return nil
	})
	return out, err
}

func (m *machine) Stop(_ context.Context, id string, _ time.Duration) error {
	return m.call(func() error {
		var left []engine.Container
		for _, k := range m.list {
			if k.ID != id {
				left = append(left, k)
				continue
			}
			m.server[id].Close()
			for port, by := range m.taken {
				if by == id {
					delete(m.taken, port)
				}
			}
		}
		m.list = left
		return nil
	})
}

// runs is what a visitor would see: role and release of each container.
func (m *machine) runs() string {
	var out []string
	for _, k := range m.list {
		out = append(out, k.Labels[labelRole]+" "+strings.TrimLeft(strings.TrimPrefix(k.Labels[labelDigest], "sha256:"), "0"))
	}
	return strings.Join(out, ", ")
}

// place is an environment on a machine, with a ledger.
type place struct {
	ledger.Memory
	*machine
	target   *Container
	upstream string // what the switch was told last
	badSwap  bool
}

func newPlace(t *testing.T, publish, swap bool) *place {
	p := &place{machine: &machine{t: t, server: map[string]*httptest.Server{}, sick: map[string]bool{}, taken: map[int]string{}}}
	p.target = &Container{Engine: p.machine, Port: 8000, Health: "/healthz", Timeout: 120 * time.Millisecond, HTTP: http.DefaultClient,
		Sleep: func(context.Context, time.Duration) error { time.Sleep(10 * time.Millisecond); return nil }}
	if publish {
		p.target.Publish = &engine.Port{HostIP: "127.0.0.1", Host: 80}
	}
	if swap {
		p.target.Switch = func(_ context.Context, _ promote.Release, upstream string) error {
			if p.badSwap {
				return errors.New("the proxy does not answer")
			}
			p.upstream = upstream
			return nil
		}
	}
	t.Cleanup(func() {
		for _, s := range p.server {
			s.Close()
		}
	})
	return p
}

func release(n int) string { return fmt.Sprintf("sha256:%064d", n) }

func (p *place) do(a promote.Action, n int, run string) (*promote.Report, error) {
	req := promote.Request{Action: a, Service: "web", Environment: "production", Image: "registry.example/web", Run: run, Actor: "ann", Reason: "test"}
	if n > 0 {
		req.Digest = release(n)
	}
	return promote.Run(context.Background(), req, promote.Deps{Ledger: &p.Memory, Target: p.target, Now: time.Now})
}

func (p *place) must(a promote.Action, n int, run string) {
	p.t.Helper()
	rep, err := p.do(a, n, run)
	if err != nil || rep.Verdict != finding.Pass {
		p.t.Fatalf("%s %d: %v, %+v", a, n, err, rep)
	}
}

func (p *place) is(want string) {
	p.t.Helper()
	if got := p.runs(); got != want {
		p.t.Errorf("runs %q, want %q", got, want)
	}
}

// kinds are the three ways in which a release gets its address.
func kinds(t *testing.T, test func(t *testing.T, p func(*testing.T) *place)) {
	for name, k := range map[string]struct{ publish, swap bool }{"own ports": {false, false}, "published": {true, false}, "switched": {false, true}} {
		t.Run(name, func(t *testing.T) {
			test(t, func(t *testing.T) *place { return newPlace(t, k.publish, k.swap) })
		})
	}
}

func TestContainerStory(t *testing.T) {
	kinds(t, func(t *testing.T, make func(*testing.T) *place) {
		p := make(t)
		p.must(promote.ActionPromote, 1, "r1")
		p.is("release 1")
		p.must(promote.ActionCanary, 2, "r2")
		p.is("canary 2, release 1")
		p.must(promote.ActionAbort, 2, "r2")
		p.is("release 1")
		p.must(promote.ActionCanary, 3, "r3")
		p.must(promote.ActionPromote, 3, "r3")
		p.is("release 3")
		p.must(promote.ActionPromote, 3, "r4") // again: nothing happens
		p.is("release 3")
		p.sick["registry.example/web@"+release(4)] = true
		if rep, err := p.do(promote.ActionPromote, 4, "r5"); err == nil || !strings.Contains(err.Error(), "not healthy") || !strings.Contains(err.Error(), "last words") {
			t.Errorf("a sick release: %v %+v", err, rep)
		}
		p.is("release 3")
		p.must(promote.ActionRollback, 0, "r6")
		p.is("release 1")
		if rep, _ := p.do(promote.ActionPromote, 5, "r7"); rep.Verdict != finding.Fail || !strings.Contains(rep.Refused, "held") {
			t.Errorf("after a rollback: %+v", rep)
		}
		p.must(promote.ActionUnhold, 0, "r8")
		p.must(promote.ActionPromote, 5, "r9")
		p.is("release 5")
		if p.target.Switch != nil && p.upstream != p.list[0].Addresses[8000] {
			t.Errorf("traffic goes to %s, not to %s", p.upstream, p.list[0].Addresses[8000])
		}
		if p.target.Publish != nil && p.taken[80] != p.list[0].ID {
			t.Errorf("the address belongs to %q", p.taken[80])
		}
	})
}

// TestContainerKillPoints fails every call to the engine in turn, before and
// after its effect, and runs the story again: the end is the same, and a release
// serves at every stop in between.
func TestContainerKillPoints(t *testing.T) {
	kinds(t, func(t *testing.T, make func(*testing.T) *place) {
		story := func(p *place) error {
			for _, a := range []promote.Action{promote.ActionCanary, promote.ActionPromote} {
				rep, err := p.do(a, 2, "r2")
				if err != nil {
					return err
				}
				if rep.Verdict != finding.Pass {
					return errors.New(rep.Refused)
				}
			}
			return nil
		}
		p := make(t)
		p.must(promote.ActionPromote, 1, "r1")
		p.calls = 0
		if err := story(p); err != nil {
			t.Fatal(err)
		}
		calls := p.calls
		for at := 1; at <= calls; at++ {
			for _, after := range []bool{false, true} {
				p := make(t)
				p.must(promote.ActionPromote, 1, "r1")
				p.calls, p.failAt, p.after = 0, at, after
				first := story(p)
				if !strings.Contains(p.runs(), "release") {
					t.Errorf("call %d (after %v): nothing serves: %q, after %v", at, after, p.runs(), first)
				}
				p.failAt = 0
				if err := story(p); err != nil {
					t.Errorf("call %d (after %v) failed with %v; again: %v", at, after, first, err)
					continue
				}
				if got := p.runs(); got != "release 2" {
					t.Errorf("call %d (after %v): runs %q after %v", at, after, got, first)
				}
				for _, s := range p.server {
					s.Close()
				}
			}
		}
	})
}

// TestContainerFence: a run that was overtaken changes nothing.
func TestContainerFence(t *testing.T) {
	p := newPlace(t, false, false)
	p.must(promote.ActionPromote, 1, "r1")
	p.must(promote.ActionPromote, 2, "r2")
	old := promote.Release{Service: "web", Environment: "production", Image: "registry.example/web", Digest: release(1), Seq: 1}
	if _, err := p.target.Apply(t.Context(), old); err == nil || !strings.Contains(err.Error(), "older and changes nothing") {
		t.Errorf("an old promotion: %v", err)
	}
	if _, err := p.target.Canary(t.Context(), old); err == nil {
		t.Error("an old canary starts")
	}
	if detail, err := p.target.Abort(t.Context(), old); err != nil || !strings.Contains(detail, "nothing was touched") {
		t.Errorf("an old abort: %q, %v", detail, err)
	}
	p.is("release 2")
}

// TestContainerBadSwitch: a proxy that does not take the new release leaves the
// old one serving.
func TestContainerBadSwitch(t *testing.T) {
	p := newPlace(t, false, true)
	p.must(promote.ActionPromote, 1, "r1")
	was := p.upstream
	p.badSwap = true
	if _, err := p.do(promote.ActionPromote, 2, "r2"); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("with a broken proxy: %v", err)
	}
	if p.upstream != was || !strings.Contains(p.runs(), "release 1") {
		t.Errorf("traffic goes to %s, runs %s", p.upstream, p.runs())
	}
}
