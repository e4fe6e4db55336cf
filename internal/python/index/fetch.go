package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

const (
	maxPage     = 128 << 20
	maxDownload = 8 << 30
	// maxWait bounds how long a Retry-After is obeyed.
	maxWait = 60 * time.Second
)

const accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"

// hintOffline is the way out when an index does not answer.
const hintOffline = "nothing was pushed. Run again later, or give the wheels: --find-links ./wheels"

// page fetches and reads one project page.
func (c *Client) page(ctx context.Context, u, project string) ([]File, error) {
	var files []File
	err := c.try(ctx, u, project, func(resp *http.Response) error {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
		if err != nil {
			return err
		}
		if len(body) > maxPage {
			return permanent(fmt.Errorf("the answer is larger than %d MiB", maxPage>>20))
		}
		files, err = parsePage(resp.Header.Get("Content-Type"), body, resp.Request.URL)
		if err != nil {
			return permanent(err)
		}
		return nil
	})
	return files, err
}

type permanentError struct{ error }

// permanent marks an error that another try cannot mend.
func permanent(err error) error { return permanentError{err} }

func (p permanentError) Unwrap() error { return p.error }

// try sends a GET until it succeeds, within the limits, and hands the answer to
// use, whose error means another try unless it is permanent.
func (c *Client) try(ctx context.Context, raw, what string, use func(*http.Response) error) error {
	return c.tryRange(ctx, raw, what, "", use)
}

// tryRange is try for a part of a file (RFC 9110, section 14), all of it if the
// range is empty. A server that knows no ranges answers with all of it.
func (c *Client) tryRange(ctx context.Context, raw, what, part string, use func(*http.Response) error) error {
	u, err := url.Parse(raw)
	if err != nil {
		return failure.New(failure.Usage, "", "address %q: not a URL", redact(raw))
	}
	host := u.Host
	user := u.User
	u.User = nil
	if user == nil {
		user = c.users[origin(u)]
	}
	var last string
	for n := 1; n <= c.c.Tries; n++ {
		wait := time.Duration(n) * 500 * time.Millisecond
		last, err = c.once(ctx, u, user, part, &wait, use)
		if err == nil {
			return nil
		}
		var p permanentError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrNoProject):
			return err
		case errors.As(err, &p):
			return failure.Wrap(failure.Service, hintOffline, fmt.Errorf("index %s: %q: %w", host, what, p.error))
		}
		if n < c.c.Tries {
			if err := c.c.Sleep(ctx, wait); err != nil {
				return err
			}
		}
	}
	return failure.New(failure.Service, hintOffline, "index %s %s for %q, %s in all", host, last, what, times(c.c.Tries))
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// once sends one request. last says for people what happened.
func (c *Client) once(ctx context.Context, u *url.URL, user *url.Userinfo, part string, wait *time.Duration, use func(*http.Response) error) (last string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", permanent(err)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "fairlead")
	if part != "" {
		req.Header.Set("Range", part)
	}
	if user != nil {
		pw, _ := user.Password()
		req.SetBasicAuth(user.Username(), pw)
	} else if c.c.Credentials != nil {
		if name, pw, ok := c.c.Credentials(u.Host); ok {
			req.SetBasicAuth(name, pw)
		}
	}
	resp, err := c.c.HTTP.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // its text repeats the URL
		}
		return fmt.Sprintf("did not answer (%v)", err), err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK, part != "" && resp.StatusCode == http.StatusPartialContent:
		if err := use(resp); err != nil {
			return fmt.Sprintf("broke off its answer (%v)", err), err
		}
		return "", nil
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return "", fmt.Errorf("%s: %w", u.Host, ErrNoProject)
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return "", permanent(failure.New(failure.Service, "give credentials for this host in ~/.netrc, in the index URL of your pip or uv configuration, or in "+Variable(u.Host, "USERNAME")+" and "+Variable(u.Host, "PASSWORD"),
			"it refuses access (%s)", resp.Status))
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s >= 0 {
			*wait = min(time.Duration(s)*time.Second, maxWait)
		}
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 120))
		text := strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' {
				return ' '
			}
			return r
		}, string(body)))
		return fmt.Sprintf("answered %d (%q)", resp.StatusCode, text), fmt.Errorf("%s", resp.Status)
	}
	return "", permanent(fmt.Errorf("it answered %s", resp.Status))
}

// Download fetches a file into dir under its own name, hashing while it streams,
// and returns its path and size. want lists the SHA-256 digests it may have; any
// other content is refused and not kept.
func (c *Client) Download(ctx context.Context, f File, want []string, dir string) (string, int64, error) {
	if !plainName(f.Name) {
		return "", 0, fmt.Errorf("file name %q is not valid", f.Name)
	}
	dest := filepath.Join(dir, f.Name)
	if !strings.HasPrefix(f.URL, "http://") && !strings.HasPrefix(f.URL, "https://") {
		src, err := os.Open(f.URL)
		if err != nil {
			return "", 0, failure.New(failure.Usage, "", "opening wheel: %w", err)
		}
		defer src.Close()
		n, err := save(src, dest, f, want)
		return dest, n, err
	}
	var n int64
	err := c.try(ctx, f.URL, f.Name, func(resp *http.Response) error {
		var err error
		n, err = save(c.watch(resp, f), dest, f, want)
		return err
	})
	if errors.Is(err, ErrNoProject) {
		err = failure.New(failure.Service, hintOffline, "fetching %s: the index lists it and does not have it", f.Name)
	}
	return dest, n, err
}

// watch tells how much of an answer has arrived.
func (c *Client) watch(resp *http.Response, f File) io.Reader {
	if c.c.Moving == nil {
		return resp.Body
	}
	return &watched{resp.Body, 0, func(done int64) { c.c.Moving(f.Name, done, max(resp.ContentLength, f.Size)) }}
}

type watched struct {
	io.Reader
	done int64
	told func(int64)
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.done += int64(n); n > 0 {
		w.told(w.done)
	}
	return n, err
}

// storing marks errors of the disk: to fetch again does not help.
type storing struct {
	*os.File
	what string
}

func (s storing) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	if err != nil {
		err = noRoom(s.what, filepath.Dir(s.Name()), err)
	}
	return n, err
}

func noRoom(what, dir string, err error) error {
	return permanent(failure.New(failure.Service, "free some space there, or set TMPDIR to a folder with more, and run again", "storing %s in %q: %w", what, dir, err))
}

// save writes to a temporary name and renames when the digest is right.
func save(src io.Reader, dest string, f File, want []string) (int64, error) {
	tmp, err := os.CreateTemp(filepath.Dir(dest), ".fetch-*")
	if err != nil {
		return 0, noRoom(f.Name, filepath.Dir(dest), err)
	}
	defer os.Remove(tmp.Name())
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(storing{tmp, f.Name}, h), io.LimitReader(src, maxDownload))
	if cerr := tmp.Close(); err == nil && cerr != nil {
		err = noRoom(f.Name, filepath.Dir(dest), cerr)
	}
	if err != nil {
		return 0, err
	}
	if got := hex.EncodeToString(h.Sum(nil)); !slices.Contains(want, got) {
		return 0, permanent(failure.New(failure.Answer,
			"do not install it. If the index is trusted and the file was replaced on purpose, lock again",
			"%s does not match the lock: it has sha256:%s, the lock allows %s", f.Name, got, short(want)))
	}
	if err := os.Rename(tmp.Name(), dest); err != nil {
		return 0, noRoom(f.Name, filepath.Dir(dest), err)
	}
	return n, nil
}

func short(want []string) string {
	if len(want) == 1 {
		return "sha256:" + want[0]
	}
	return fmt.Sprintf("%d other digests (the first is sha256:%s)", len(want), want[0])
}
