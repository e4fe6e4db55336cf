package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// steady asks again where there was no answer in time, and goes on with one whose
// connection broke, where it broke: for manifests and blobs alike, whoever asked
// for them. It stands above the meter, which counts what it asks.
type steady struct {
	next  http.RoundTripper
	tries int
	delay time.Duration
	sleep func(context.Context, time.Duration) error
}

// RoundTrip implements http.RoundTripper.
func (s *steady) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.ask(req)
	if err == nil && req.Method == http.MethodGet && resp.StatusCode == http.StatusOK && resp.ContentLength > 0 && req.Header.Get("Range") == "" {
		resp.Body = &steadyBody{s: s, req: req, first: resp, body: resp.Body, left: s.tries}
	}
	return resp, err
}

// maxAsked bounds how often a question is asked that gets no answer.
const maxAsked = 3

// ask asks again where a registry did not begin to answer in time, for what is
// safe to ask twice: the client above takes that for the end.
func (s *steady) ask(req *http.Request) (*http.Response, error) {
	safe := (req.Method == http.MethodGet || req.Method == http.MethodHead) && (req.Body == nil || req.Body == http.NoBody)
	for n := 1; ; n++ {
		resp, err := s.next.RoundTrip(req)
		var late net.Error
		if err == nil || !safe || n == maxAsked || req.Context().Err() != nil || !errors.As(err, &late) || !late.Timeout() {
			return resp, err
		}
	}
}

type steadyBody struct {
	s     *steady
	req   *http.Request
	first *http.Response
	body  io.ReadCloser
	done  int64
	left  int // tries
}

// Read implements io.Reader.
func (b *steadyBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.done += int64(n)
	if err == nil || b.done >= b.first.ContentLength || b.req.Context().Err() != nil {
		return n, err
	}
	if n > 0 {
		return n, nil // the error comes again
	}
	for b.left--; b.left > 0; b.left-- {
		if b.s.sleep(b.req.Context(), b.s.delay) != nil {
			return 0, err
		}
		if b.again() == nil {
			return b.Read(p)
		}
	}
	return 0, err
}

// again asks for the rest.
func (b *steadyBody) again() error {
	req := b.req.Clone(b.req.Context())
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", b.done))
	resp, err := b.s.next.RoundTrip(req)
	if err != nil {
		return err
	}
	const digest = "Docker-Content-Digest"
	ok := resp.StatusCode == http.StatusPartialContent || resp.StatusCode == http.StatusOK
	if !ok || resp.Header.Get(digest) != b.first.Header.Get(digest) {
		_ = resp.Body.Close()
		return errors.New("the rest is not to be had")
	}
	if resp.StatusCode == http.StatusOK { // ranges are not known here
		if _, err := io.CopyN(io.Discard, resp.Body, b.done); err != nil {
			_ = resp.Body.Close()
			return err
		}
	}
	_ = b.body.Close()
	b.body = resp.Body
	return nil
}

// Close implements io.Closer.
func (b *steadyBody) Close() error { return b.body.Close() }
