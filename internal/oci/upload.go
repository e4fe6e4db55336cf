package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

const (
	// atOnce is the largest blob that may be sent with the request that opens its
	// upload: should the registry not take it so, little was sent in vain.
	atOnce = 4 << 20
	// part is what is sent in one request of a large blob: after a cut, no more is
	// sent again.
	part = 32 << 20
)

// content is a blob that can be read any number of times.
type content struct {
	digest string
	size   int64
	open   func() (io.ReadCloser, error)
}

// skipper is a reader that can leave out bytes without reading them.
type skipper interface{ Skip(n int64) error }

// skips says whether a blob can be read from its middle; others would be read
// from their beginning for every part.
func (b content) skips() bool {
	r, err := b.open()
	if err != nil {
		return false // said when it is sent
	}
	defer func() { _ = r.Close() }()
	_, ok := r.(skipper)
	return ok
}

// upload sends a blob. Blobs go in the request that opens the upload where the
// registry takes that, else in one that follows; large ones in parts, which are
// resumed after a cut.
func (s *session) upload(ctx context.Context, b content, from string) error {
	return s.c.retryUpload(ctx, func() error { return s.tryUpload(ctx, b, from) })
}

func (s *session) tryUpload(ctx context.Context, b content, from string) error {
	if from != "" {
		loc, done, err := s.begin(ctx, "?mount="+url.QueryEscape(b.digest)+"&from="+url.QueryEscape(from), nil)
		switch {
		case err == nil && done:
			s.c.meter.mark(b.digest)
			return nil
		case err == nil:
			return s.send(ctx, b, loc)
		case !refused(err): // some registries fail on a mount: go on without
			return err
		}
	}
	if b.size <= atOnce && s.c.single(s.repo.RegistryStr()) {
		loc, done, err := s.begin(ctx, "?digest="+url.QueryEscape(b.digest), &b)
		if err == nil && done {
			return nil
		}
		s.c.notSingle(s.repo.RegistryStr())
		if err == nil {
			return s.send(ctx, b, loc)
		}
		if !refused(err) {
			return err
		}
	}
	loc, _, err := s.begin(ctx, "", nil)
	if err != nil {
		return err
	}
	return s.send(ctx, b, loc)
}

// begin opens an upload; done says that the registry has the blob now.
func (s *session) begin(ctx context.Context, query string, b *content) (location string, done bool, err error) {
	req := request{method: http.MethodPost, url: s.at("/blobs/uploads/%s", query), accept: []int{http.StatusCreated, http.StatusAccepted}}
	if b != nil {
		req.body, req.size, req.once = b.open, b.size, true
		req.header = map[string]string{"Content-Type": "application/octet-stream"}
	}
	resp, err := s.do(ctx, req)
	if err != nil {
		return "", false, err
	}
	defer drop(resp)
	if resp.StatusCode == http.StatusCreated {
		return "", true, nil
	}
	location, err = s.location(resp)
	return location, false, err
}

// send fills an upload and closes it.
func (s *session) send(ctx context.Context, b content, location string) error {
	if b.size > part && b.skips() {
		return s.parts(ctx, b, location)
	}
	return s.commit(ctx, b.digest, location, b.open, b.size)
}

func (s *session) commit(ctx context.Context, digest, location string, open func() (io.ReadCloser, error), size int64) error {
	u, err := url.Parse(location)
	if err != nil {
		return fmt.Errorf("the upload's address %q: %w", location, err)
	}
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	resp, err := s.do(ctx, request{method: http.MethodPut, url: u.String(), body: open, size: size, once: true,
		header: map[string]string{"Content-Type": "application/octet-stream"}, accept: []int{http.StatusCreated, http.StatusNoContent}})
	if err != nil {
		return err
	}
	drop(resp)
	return nil
}

// parts sends a large blob piece by piece.
func (s *session) parts(ctx context.Context, b content, location string) error {
	failures := 0
	for at := int64(0); at < b.size; {
		n := min(part, b.size-at)
		resp, err := s.do(ctx, request{method: http.MethodPatch, url: location, size: n, once: true, accept: []int{http.StatusAccepted, http.StatusCreated, http.StatusNoContent},
			header: map[string]string{"Content-Type": "application/octet-stream", "Content-Range": fmt.Sprintf("%d-%d", at, at+n-1)},
			body:   func() (io.ReadCloser, error) { return section(b, at, n) }})
		if err != nil {
			if failures++; failures >= s.c.tries || !temporary(err) || ctx.Err() != nil {
				return err
			}
			if err := s.c.sleep(ctx, s.c.delay); err != nil {
				return err
			}
			// What arrived is there: go on behind it.
			if at, location, err = s.resume(ctx, location); err != nil {
				return err
			}
			continue
		}
		drop(resp)
		if location, err = s.location(resp); err != nil {
			return err
		}
		at += n
	}
	return s.commit(ctx, b.digest, location, func() (io.ReadCloser, error) { return http.NoBody, nil }, 0)
}

// resume asks how much of an upload has arrived.
func (s *session) resume(ctx context.Context, location string) (int64, string, error) {
	resp, err := s.do(ctx, request{method: http.MethodGet, url: location, accept: []int{http.StatusNoContent, http.StatusAccepted, http.StatusOK}})
	if err != nil {
		return 0, "", err
	}
	defer drop(resp)
	if resp.Header.Get("Location") != "" {
		if location, err = s.location(resp); err != nil {
			return 0, "", err
		}
	}
	_, end, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Range"), "bytes="), "-")
	last, err := strconv.ParseInt(end, 10, 64)
	if !ok || err != nil || last < 0 {
		return 0, "", fmt.Errorf("resuming an upload: the registry does not say how much it has (%q)", resp.Header.Get("Range"))
	}
	if last == 0 { // "0-0" is what registries say of nothing
		return 0, location, nil
	}
	return last + 1, location, nil
}

// section reads a part of a blob.
func section(b content, at, n int64) (io.ReadCloser, error) {
	r, err := b.open()
	if err != nil {
		return nil, err
	}
	if k, ok := r.(skipper); ok {
		err = k.Skip(at)
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, n), r}, nil
}

// refused says that the registry understood a request and does not do it so.
func refused(err error) bool {
	var t *transport.Error
	return errors.As(err, &t) && t.StatusCode >= 400 && t.StatusCode < 500 && !temporary(err) &&
		t.StatusCode != http.StatusUnauthorized && t.StatusCode != http.StatusForbidden
}
