package faults

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// network is servers that are reached without ports: hundreds of worlds at once
// would use up the machine's, and what then fails is not the fault on the table.
type network struct {
	mu    sync.Mutex
	hosts map[string]*listener
}

// listener hands out the other ends of pipes.
type listener struct {
	host  string
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: l.host, Net: "pipe"} }

// serve starts a server under a name and returns its address.
func (n *network) serve(t *testing.T, host string, h http.Handler) string {
	l := &listener{host: host, conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	n.hosts[host+":80"] = l
	n.mu.Unlock()
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}} //nolint:gosec // a test's
	srv.Start()
	t.Cleanup(srv.Close)
	return "http://" + host
}

// transport connects to the servers; like a scrape's, it keeps no connection.
func (n *network) transport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		n.mu.Lock()
		l := n.hosts[addr]
		n.mu.Unlock()
		ours, theirs := net.Pipe()
		select {
		case l.conns <- theirs:
			return ours, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
}
