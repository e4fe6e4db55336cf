package image_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// Whatever the registry or the index does to any single request of a build, cold,
// warm, or with large wheels that another build left: the right digest, or an error, and nothing half-pushed under a tag.
func TestMischief(t *testing.T) {
	_, r, reg := warmWorld(t, registry.Options{})
	// All the registries stand behind one address, because it is in the digest.
	front := &behind{}
	front.server = serve(t, front)
	front.addr = front.server.Listener.Addr().String()
	t.Cleanup(front.turn(reg))
	r.Base, r.Image = strings.Replace(r.Base, reg.Addr, front.addr, 1), strings.Replace(r.Image, reg.Addr, front.addr, 1)
	modes := registry.Mischiefs
	if os.Getenv("FAIRLEAD_FAULTS") == "" { // make faults does all
		modes = []registry.Mischief{registry.Cuts, registry.Lies}
		r.Platforms = []string{"linux/amd64"}
	}
	worlds := []string{"cold", "warm", "wheels", "wheels elsewhere"}
	if os.Getenv("FAIRLEAD_FAULTS") == "" {
		worlds = worlds[:3]
	}
	off := r
	off.Cache, off.Push = image.CacheOff, false
	want := build(t, off, deps()).Digest
	for _, before := range worlds {
		for _, kind := range modes {
			n := 0
			for mischief(t, front, r, want, before, kind, n) != "" {
				n++
			}
			t.Logf("%s, %s: %d requests", before, kind, n)
		}
	}
}

// behind is an address of registries that take turns.
type behind struct {
	server *httptest.Server
	addr   string
	mu     sync.Mutex
	now    *registry.Registry
	done   chan struct{}
}

// turn lets a registry answer. What still hangs when its turn ends is let go: a
// server does not see that nobody waits for an answer any more before it has read
// the request.
func (b *behind) turn(r *registry.Registry) (end func()) {
	done := make(chan struct{})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now, b.done = r, done
	return func() {
		close(done)
		b.server.CloseClientConnections()
	}
}

func (b *behind) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	b.mu.Lock()
	now, done := b.now, b.done
	b.mu.Unlock()
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	go func() {
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	now.ServeHTTP(rw, req.WithContext(ctx))
}

func mischief(t *testing.T, front *behind, r image.Request, want, before string, kind registry.Mischief, n int) string {
	t.Helper()
	reg, err := registry.Start(t.Context(), registry.Options{Strict: true, NoSingle: n%2 == 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reg.Close() }()
	defer front.turn(reg)()
	d := deps()
	base, _, _ := strings.Cut(r.Base, "@")
	if err := d.Registry.Push(t.Context(), base, baseIndex(t), nil); err != nil {
		t.Fatal(err)
	}
	cacheRepo := "acme/shop"
	if before == "wheels elsewhere" {
		cacheRepo = "shared/cache"
		r.CacheRepo = front.addr + "/" + cacheRepo
	}
	if before != "cold" {
		first := r
		first.Tags = []string{"v0"}
		build(t, first, deps())
	}
	if strings.HasPrefix(before, "wheels") {
		reg.Untag(cacheRepo, cache.Prefix)
		reg.Untag(cacheRepo, cache.LastPrefix)
	}
	d.Registry = oci.New(oci.Options{Keychain: anonymous{}, RetryDelay: time.Millisecond, Tries: 2, Patience: 300 * time.Millisecond})
	reg.Trouble.Make(n, kind)
	res, err := image.Build(t.Context(), r, d)
	_, hit := reg.Trouble.Seen()
	at := fmt.Sprintf("%s: request %d (%s) %s", before, n, hit, kind)
	tags := reg.Tags("acme/shop")
	switch {
	case err == nil && (res.Digest != want || tags["v1"] != want):
		t.Errorf("%s: no error; digest %s, tag %q; want %s", at, res.Digest, tags["v1"], want)
	case err != nil && (kind == registry.Fails || kind == registry.Cuts || kind == registry.Throttles || kind == registry.Breaks || kind == registry.Hangs):
		t.Errorf("%s: another try should have mended it: %v", at, err)
	case err != nil && failure.HintOf(err) == "" && failure.CodeOf(err) != failure.Answer:
		t.Errorf("%s: no hint: %v", at, err)
	}
	for _, repo := range []string{"acme/shop", cacheRepo} {
		for tag := range reg.Tags(repo) {
			if lack := reg.Complete(repo, tag); lack != "" {
				t.Errorf("%s: tag %s of %s lacks %s", at, tag, repo, lack)
			}
		}
	}
	return hit
}

// The index misbehaves, request by request.
func TestIndexMischief(t *testing.T) {
	w, r, _ := warmWorld(t, registry.Options{})
	off := r
	off.Cache, off.Push = image.CacheOff, false
	if os.Getenv("FAIRLEAD_FAULTS") == "" { // make faults does both platforms
		off.Platforms = []string{"linux/amd64"}
	}
	want := build(t, off, deps()).Digest
	tr, cfg := w.index()
	cfg.HTTP.Timeout = 250 * time.Millisecond // what hangs costs this much
	for _, kind := range registry.Mischiefs {
		for n := 0; ; n++ {
			one := off
			one.Index = cfg
			tr.Make(n, kind)
			res, err := image.Build(t.Context(), one, deps())
			_, hit := tr.Seen()
			if err == nil && res.Digest != want {
				t.Errorf("request %d (%s) %s: digest %s; want %s", n, hit, kind, res.Digest, want)
			}
			if err != nil && slices.Contains([]registry.Mischief{registry.Fails, registry.Throttles, registry.Breaks, registry.Cuts, registry.Hangs}, kind) {
				t.Errorf("request %d (%s) %s: another try should have mended it: %v", n, hit, kind, err)
			}
			if hit == "" {
				break
			}
		}
	}
}

// Ctrl-C in the middle of a push: an error, and no tag.
func TestCancelledPush(t *testing.T) {
	_, r, reg := warmWorld(t, registry.Options{})
	reg.Fail(registry.Fault{Method: "POST", Wait: time.Hour})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := image.Build(ctx, r, deps())
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	if tags := reg.Tags("acme/shop"); len(tags) > 0 {
		t.Errorf("tags %v", tags)
	}
}

// A full disk, or none: an error, and no tag.
func TestNoRoom(t *testing.T) {
	_, r, reg := warmWorld(t, registry.Options{})
	d := deps()
	d.WorkDir = "/dev/null/no room"
	if _, err := image.Build(t.Context(), r, d); err == nil {
		t.Error("built without a folder to work in")
	}
	if tags := reg.Tags("acme/shop"); len(tags) > 0 {
		t.Errorf("tags %v", tags)
	}
}
