// Package registry is an OCI registry on loopback for tests and the demo:
// go-containerregistry's own, with a password and with faults on request.
package registry

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
)

// Options configures a registry. The zero value is open to everybody, keeps
// blobs in memory and behaves.
type Options struct {
	// Dir keeps blobs on disk; empty means in memory. Manifests are in memory.
	Dir string
	// User and Password, when set, are asked for with HTTP basic authentication.
	User, Password string
	// Referrers offers the referrers API of OCI 1.1.
	Referrers bool
	// Strict keeps the rules that go-containerregistry's registry lets pass; Dir
	// and Referrers do not apply. NoSingle, with it, answers an upload in one
	// request as most registries do: with an upload to go on with.
	Strict, NoSingle bool
}

// Fault makes matching requests fail.
type Fault struct {
	Method string        // empty: any
	Path   string        // a part of the path; empty: any
	Status int           // answer with this status; 0: only wait, then answer
	Times  int           // how often; 0: always
	Wait   time.Duration // wait before answering
}

// Registry is a running registry.
type Registry struct {
	// Addr is "127.0.0.1:port".
	Addr string

	// Trouble does mischief to single requests, after authentication.
	Trouble *Trouble

	inner   http.Handler
	strict  *strict
	options Options
	server  *http.Server

	mu     sync.Mutex
	faults []Fault
	seen   []string
}

// Start runs a registry on a free port until ctx ends or Close is called.
func Start(ctx context.Context, o Options) (*Registry, error) {
	listener, err := listen(ctx)
	if err != nil {
		return nil, fmt.Errorf("starting the registry on loopback: %w", err)
	}
	opts := []ggcr.Option{ggcr.Logger(log.New(io.Discard, "", 0)), ggcr.WithReferrersSupport(o.Referrers)}
	if o.Dir != "" {
		opts = append(opts, ggcr.WithBlobHandler(ggcr.NewDiskBlobHandler(o.Dir)))
	}
	r := &Registry{Addr: listener.Addr().String(), options: o}
	if o.Strict {
		r.strict = newStrict(o.NoSingle)
		r.inner = r.strict
	} else {
		r.inner = ggcr.New(opts...)
	}
	r.Trouble = &Trouble{Next: r.inner}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = r.server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = r.server.Close() })
	return r, nil
}

// listen finds a free port that answers. On some machines a few do not, whoever
// listens: tests that start a thousand registries meet them.
func listen(ctx context.Context) (net.Listener, error) {
	for tries := 0; ; tries++ {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		if err == nil {
			return l, c.Close()
		}
		_ = l.Close()
		if tries == 3 {
			return nil, err
		}
	}
}

// Close stops the registry. It is safe to repeat.
func (r *Registry) Close() error { return r.server.Close() }

// Fail adds a fault; the first matching one decides.
func (r *Registry) Fail(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, f)
}

// Requests lists what was asked so far, as "METHOD /path".
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.seen...)
}

// Writes lists the requests so far that change something.
func (r *Registry) Writes() []string {
	return slices.DeleteFunc(r.Requests(), func(q string) bool { return strings.HasPrefix(q, "GET ") || strings.HasPrefix(q, "HEAD ") })
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	fault, found := r.next(req)
	if found {
		select {
		case <-time.After(fault.Wait):
		case <-req.Context().Done():
			return
		}
		if fault.Status != 0 {
			http.Error(w, `{"errors":[{"code":"UNAVAILABLE","message":"a fault was asked for"}]}`, fault.Status)
			return
		}
	}
	if r.options.User != "" {
		user, password, _ := req.BasicAuth()
		if user != r.options.User || password != r.options.Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
	}
	r.Trouble.ServeHTTP(w, req)
}

// next records a request and takes the fault that applies to it.
func (r *Registry) next(req *http.Request) (Fault, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, req.Method+" "+req.URL.Path)
	for i, f := range r.faults {
		if (f.Method != "" && f.Method != req.Method) || !strings.Contains(req.URL.Path, f.Path) {
			continue
		}
		if f.Times == 1 {
			r.faults = append(r.faults[:i:i], r.faults[i+1:]...)
		} else if f.Times > 1 {
			r.faults[i].Times--
		}
		return f, true
	}
	return Fault{}, false
}
