package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// session is an authenticated connection to one repository: requests of its own
// making, for what go-containerregistry's remote does in more of them.
type session struct {
	c    *Client
	repo name.Repository
	rt   http.RoundTripper
}

// sessions keeps one session a repository and scope.
type sessions struct {
	mu  sync.Mutex
	all map[string]func() (*session, error)
}

// session opens a connection to a repository, to push to it or only to read,
// and with the right to read others of the same registry. The registry is asked
// once how it wants to be talked to; later calls share the answer.
func (c *Client) session(ctx context.Context, repo name.Repository, push bool, also ...name.Repository) (*session, error) {
	scopes := []string{repo.Scope(transport.PullScope)}
	if push {
		scopes = []string{repo.Scope(transport.PushScope)}
	}
	for _, r := range also {
		if r.RegistryStr() == repo.RegistryStr() && r.RepositoryStr() != repo.RepositoryStr() {
			scopes = append(scopes, r.Scope(transport.PullScope))
		}
	}
	key := fmt.Sprint(repo.RegistryStr(), scopes)
	c.sessions.mu.Lock()
	open, ok := c.sessions.all[key]
	if !ok {
		open = sync.OnceValues(func() (*session, error) {
			auth, err := c.keychain.Resolve(repo)
			if err != nil {
				return nil, fmt.Errorf("finding credentials for %q: %w", repo.RegistryStr(), err)
			}
			var rt http.RoundTripper
			err = c.retry(ctx, func() (time.Duration, error) {
				asking, cancel := context.WithTimeout(ctx, c.patience)
				defer cancel()
				var err error
				rt, err = transport.NewWithContext(asking, repo.Registry, auth, transport.NewUserAgent(c.transport, c.userAgent), scopes)
				return 0, err
			})
			if err != nil {
				c.sessions.mu.Lock()
				delete(c.sessions.all, key) // another try may have more luck
				c.sessions.mu.Unlock()
				return nil, err
			}
			return &session{c: c, repo: repo, rt: rt}, nil
		})
		c.sessions.all[key] = open
	}
	c.sessions.mu.Unlock()
	return open()
}

// maxWait bounds how long a Retry-After is obeyed.
const maxWait = 60 * time.Second

// retry calls do until it succeeds, fails for good, or the tries are used up. do
// says how long the registry wants to be left alone.
func (c *Client) retry(ctx context.Context, do func() (time.Duration, error)) error {
	wait := c.delay
	for n := 1; ; n++ {
		after, err := do()
		if err == nil || n >= c.tries || ctx.Err() != nil || !temporary(err) {
			return err
		}
		if err := c.sleep(ctx, max(wait, min(after, maxWait))); err != nil {
			return err
		}
		wait *= 3
	}
}

// temporary says whether an error may pass.
func temporary(err error) bool {
	if errors.Is(err, errGone) {
		return true
	}
	var t *transport.Error
	if errors.As(err, &t) {
		switch t.StatusCode {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	var known *failure.Error
	return !errors.As(err, &known) && !errors.Is(err, errPlainHTTP) && !errors.Is(err, errContent)
}

// request is one to the registry; body makes its content anew for each try.
type request struct {
	method, url string
	header      map[string]string
	body        func() (io.ReadCloser, error)
	size        int64 // of body
	expect      int64 // of the answer, in bytes, as far as that is known
	accept      []int // statuses that are no error
	once        bool  // do not try again: the caller knows better
}

// do sends a request and returns the answer, whose body the caller closes.
func (s *session) do(ctx context.Context, r request) (*http.Response, error) {
	var out *http.Response
	try := func() (time.Duration, error) {
		req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
		if err != nil {
			return 0, err
		}
		for k, v := range r.header {
			req.Header.Set(k, v)
		}
		if r.body != nil {
			if req.Body, err = r.body(); err != nil {
				return 0, failure.New(failure.Answer, "", "reading what is to be sent: %w", err)
			}
			req.ContentLength = r.size
			if r.size == 0 {
				_ = req.Body.Close()
				req.Body = http.NoBody
			}
		}
		resp, err := (&http.Client{Transport: s.rt, Timeout: s.c.timeout(r.size + r.expect)}).Do(req)
		if err != nil {
			var u *url.Error
			if errors.As(err, &u) {
				err = u.Err // its text repeats an address that may carry a signature
			}
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				err = fmt.Errorf("no answer within %s", s.c.timeout(r.size+r.expect))
			}
			return 0, err
		}
		if err := transport.CheckError(resp, r.accept...); err != nil {
			_ = resp.Body.Close()
			seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
			return time.Duration(seconds) * time.Second, err
		}
		out = resp
		return 0, nil
	}
	if r.once {
		after, err := try()
		if err != nil && after > 0 {
			err = &throttled{after, err}
		}
		return out, err
	}
	return out, s.c.retry(ctx, try)
}

// drop reads an answer to its end, so that the connection can serve again.
func drop(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	_ = resp.Body.Close()
}

// at is the address of something in the repository.
func (s *session) at(format string, args ...any) string {
	u := url.URL{Scheme: s.repo.Scheme(), Host: s.repo.RegistryStr()}
	return u.String() + "/v2/" + s.repo.RepositoryStr() + fmt.Sprintf(format, args...)
}

// location is where an answer says to go on. As go-containerregistry does, it
// refuses an address that leads from the registry into a private network.
func (s *session) location(resp *http.Response) (string, error) {
	raw := resp.Header.Get("Location")
	if raw == "" {
		return "", errors.New("the answer lacks a Location")
	}
	u, err := resp.Request.URL.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("the answer's Location %q is no address", raw)
	}
	if u.Host != resp.Request.URL.Host {
		ip := net.ParseIP(u.Hostname())
		if ip != nil && (ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()) {
			return "", fmt.Errorf("the answer's Location leads to the private address %q", u.Hostname())
		}
	}
	return u.String(), nil
}

// timeout is when a request with a body of so many bytes is given up: a hanging
// registry must not hang a build.
func (c *Client) timeout(size int64) time.Duration {
	return c.patience + time.Duration(size/(256<<10))*time.Second
}

func (c *Client) sleep(ctx context.Context, d time.Duration) error { return clock.Sleep(ctx, d) }
