package oci

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// Stats counts what went over the wire.
type Stats struct {
	Requests  int64
	BytesUp   int64
	BytesDown int64
}

// meter counts requests and body bytes, and remembers which blobs and manifests
// a registry said it has.
type meter struct {
	next http.RoundTripper

	mu       sync.Mutex
	total    Stats
	existing map[string]bool
}

var contentPath = regexp.MustCompile(`/(?:blobs|manifests)/(sha256:[0-9a-f]{64})$`)

// RoundTrip implements http.RoundTripper.
func (m *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	m.add(Stats{Requests: 1})
	if req.Body != nil && req.Body != http.NoBody {
		clone := req.Clone(req.Context())
		clone.Body = &counted{ReadCloser: req.Body, add: func(n int64) { m.add(Stats{BytesUp: n}) }}
		req = clone
	}
	resp, err := m.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if b := contentPath.FindStringSubmatch(req.URL.Path); b != nil && req.Method == http.MethodHead && resp.StatusCode == http.StatusOK {
		m.mu.Lock()
		m.existing[b[1]] = true
		m.mu.Unlock()
	}
	resp.Body = &counted{ReadCloser: resp.Body, add: func(n int64) { m.add(Stats{BytesDown: n}) }}
	return resp, nil
}

func (m *meter) add(s Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.Requests += s.Requests
	m.total.BytesUp += s.BytesUp
	m.total.BytesDown += s.BytesDown
}

func (m *meter) stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}

// mark remembers that a registry has a blob.
func (m *meter) mark(digest string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.existing[digest] = true
}

func (m *meter) existed(digest string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.existing[digest]
}

type counted struct {
	io.ReadCloser
	add func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		c.add(int64(n))
	}
	return n, err
}

// guard refuses requests without TLS to anything but loopback and the hosts the
// user allowed: go-containerregistry would try plain HTTP on private addresses
// and names ending in .local, and send credentials there.
type guard struct {
	next     http.RoundTripper
	insecure map[string]bool
}

var errPlainHTTP = errors.New("refusing to talk without TLS to a host that is not on loopback")

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !Loopback(req.URL.Host) && !g.insecure[req.URL.Host] {
		if req.Body != nil {
			_ = req.Body.Close() // RoundTrippers close the body, also on errors
		}
		return nil, fmt.Errorf("%w: %q", errPlainHTTP, req.URL.Host)
	}
	return g.next.RoundTrip(req)
}

// Loopback says whether a "host" or "host:port" names this machine's loopback.
func Loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func defaultTransport(patience time.Duration) http.RoundTripper {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          64,
		MaxIdleConnsPerHost:   32,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// A registry may take its time to commit a large blob.
		ResponseHeaderTimeout: cmp.Or(patience, 2*time.Minute),
	}
}
