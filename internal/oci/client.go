package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Options says how to talk to registries. The zero value is useful.
type Options struct {
	// Keychain finds credentials; nil means the user's: docker's config.json,
	// else podman's auth.json, with their credential helpers.
	Keychain authn.Keychain
	// Insecure lists further hosts ("registry.lan:5000") that may be reached
	// without TLS. Loopback always may.
	Insecure []string
	// UserAgent names the program to the registry.
	UserAgent string
	// Transport carries the requests; nil means one of our own with timeouts.
	Transport http.RoundTripper
	// RetryDelay is the wait before the second try; it triples with each of the
	// Tries. Zero means half a second and 4 tries.
	RetryDelay time.Duration
	Tries      int
	// Jobs is the number of parallel transfers; zero means 6.
	Jobs int
	// Patience is how long an answer may take, besides the time that its bytes
	// need; zero means one minute.
	Patience time.Duration
}

// Client talks to registries. It is safe for concurrent use. Its errors carry
// an exit code and a hint (package failure).
type Client struct {
	options  []remote.Option
	insecure map[string]bool
	meter    *meter
	// transport counts what goes through it, and goes on where answers break.
	transport http.RoundTripper

	keychain  authn.Keychain
	userAgent string
	delay     time.Duration
	tries     int
	jobs      int
	patience  time.Duration
	sessions  sessions
	intents   sync.Map
	ability   ability
}

// New returns a client. It sends nothing.
func New(o Options) *Client {
	insecure := map[string]bool{}
	for _, h := range o.Insecure {
		insecure[h] = true
	}
	next := o.Transport
	if next == nil {
		next = defaultTransport(o.Patience)
	}
	m := &meter{next: &guard{next: next, insecure: insecure}, existing: map[string]bool{}}
	firm := &steady{next: m, tries: cmp.Or(o.Tries, 4), delay: cmp.Or(o.RetryDelay, 500*time.Millisecond), sleep: clock.Sleep}
	keychain := o.Keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	c := &Client{
		insecure: insecure, meter: m, transport: firm, keychain: keychain, userAgent: cmp.Or(o.UserAgent, "fairlead"),
		delay: cmp.Or(o.RetryDelay, 500*time.Millisecond), tries: cmp.Or(o.Tries, 4), jobs: cmp.Or(o.Jobs, 6), patience: cmp.Or(o.Patience, time.Minute),
		sessions: sessions{all: map[string]func() (*session, error){}}, ability: ability{not: map[string]bool{}},
	}
	c.options = []remote.Option{
		remote.WithAuthFromKeychain(keychain),
		remote.WithTransport(firm),
		remote.WithUserAgent(c.userAgent),
		remote.WithJobs(c.jobs),
		remote.WithRetryBackoff(remote.Backoff{Duration: c.delay, Factor: 3, Jitter: 0.1, Steps: c.tries}),
	}
	return c
}

// Stats returns what went over the wire so far.
func (c *Client) Stats() Stats { return c.meter.stats() }

// Existed says whether a registry answered that it has this blob or manifest
// ("sha256:…") already, so that it was not sent.
func (c *Client) Existed(digest string) bool { return c.meter.existed(digest) }

// Known notes that a registry has a blob or manifest, as Existed says.
func (c *Client) Known(digest string) { c.meter.mark(digest) }

func (c *Client) with(ctx context.Context, more ...remote.Option) []remote.Option {
	return append(append([]remote.Option{remote.WithContext(ctx)}, c.options...), more...)
}

// reference parses "repo:tag" or "repo@sha256:…".
func (c *Client) reference(ref string) (name.Reference, error) {
	r, err := name.ParseReference(ref)
	if err == nil && c.insecure[r.Context().RegistryStr()] {
		r, err = name.ParseReference(ref, name.Insecure)
	}
	if err != nil {
		return nil, failure.New(failure.Usage, "write it as registry/repository:tag or registry/repository@sha256:…", "reading image reference %q: %w", ref, err)
	}
	return r, nil
}

func (c *Client) repository(repo string) (name.Repository, error) {
	r, err := name.NewRepository(repo)
	if err == nil && c.insecure[r.RegistryStr()] {
		r, err = name.NewRepository(repo, name.Insecure)
	}
	if err != nil {
		return name.Repository{}, failure.New(failure.Usage, "write it as registry/repository, without tag or digest", "reading image repository %q: %w", repo, err)
	}
	return r, nil
}

// Digest asks the registry for the digest ("sha256:…") behind a reference. A
// reference that is not there gives an error that Is ErrNotFound.
func (c *Client) Digest(ctx context.Context, ref string) (string, error) {
	r, err := c.reference(ref)
	if err != nil {
		return "", err
	}
	d, err := remote.Head(r, c.with(ctx)...)
	if missing(err) {
		// Some registries answer HEAD with 404 or 405 for what GET delivers.
		var got *remote.Descriptor
		if got, err = remote.Get(r, c.with(ctx)...); err == nil {
			return got.Digest.String(), nil
		}
	}
	if err != nil {
		return "", explain("resolving", ref, r.Context(), err)
	}
	return d.Digest.String(), nil
}

// Resolve returns the digest of a reference; one that carries a digest already
// is answered without asking anybody.
func (c *Client) Resolve(ctx context.Context, ref string) (string, error) {
	r, err := c.reference(ref)
	if err != nil {
		return "", err
	}
	if d, ok := r.(name.Digest); ok {
		return d.DigestStr(), nil
	}
	return c.Digest(ctx, ref)
}

// Exists says whether the registry has "repo@sha256:…" (or "repo:tag").
func (c *Client) Exists(ctx context.Context, ref string) (bool, error) {
	_, err := c.Digest(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Image returns the image behind a reference; of an index, the one for the
// platform ("linux/arm64"). Layers are fetched when they are read, and verified
// against their digests.
func (c *Client) Image(ctx context.Context, ref, platform string) (v1.Image, error) {
	r, err := c.reference(ref)
	if err != nil {
		return nil, err
	}
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return nil, failure.New(failure.Usage, "for example linux/amd64", "reading platform %q: %w", platform, err)
	}
	d, err := remote.Get(r, c.with(ctx, remote.WithPlatform(*p))...)
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	if d.MediaType.IsIndex() {
		idx, err := d.ImageIndex()
		if err != nil {
			return nil, explain("pulling", ref, r.Context(), err)
		}
		img, err := pick(idx, *p, fmt.Sprintf("%q", ref))
		if err != nil {
			return nil, explain("pulling", ref, r.Context(), err)
		}
		return img, nil
	}
	img, err := d.Image()
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	return img, nil
}

// Index returns the image index behind a reference, or an error that Is
// ErrNotIndex when a single image is there.
func (c *Client) Index(ctx context.Context, ref string) (v1.ImageIndex, error) {
	r, err := c.reference(ref)
	if err != nil {
		return nil, err
	}
	d, err := remote.Get(r, c.with(ctx)...)
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	if !d.MediaType.IsIndex() {
		return nil, fmt.Errorf("pulling %q: %w", ref, ErrNotIndex)
	}
	idx, err := d.ImageIndex()
	if err != nil {
		return nil, explain("pulling", ref, r.Context(), err)
	}
	return idx, nil
}
