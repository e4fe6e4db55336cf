package demo

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// load sends real HTTP requests to two cohorts, alternating, on a fixed
// schedule: the demo's users. It is an open loop: a slow answer does not slow
// the next request down.
type load struct {
	client *http.Client
	urls   [2]string
	rate   int // requests per second and cohort
	paths  []string
	sent   [2]atomic.Int64
	failed [2]atomic.Int64
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// inFlight bounds the requests under way, so that a stuck application does not
// use up this process's sockets.
const inFlight = 256

func startLoad(ctx context.Context, baseline, canary string, rate int, paths []string) *load {
	ctx, cancel := context.WithCancel(ctx)
	l := &load{
		client: &http.Client{
			Timeout:   5 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: inFlight, DisableCompression: true},
		},
		urls: [2]string{baseline, canary}, rate: rate, paths: paths, stop: cancel,
	}
	l.done.Add(1)
	go func() {
		defer l.done.Done()
		l.run(ctx)
	}()
	return l
}

func (l *load) run(ctx context.Context) {
	tick := time.NewTicker(time.Second / time.Duration(l.rate))
	defer tick.Stop()
	slots := make(chan struct{}, inFlight)
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for cohort := range l.urls {
			select {
			case slots <- struct{}{}:
			default:
				continue // all slots busy: the request is not sent, and not counted
			}
			l.done.Add(1)
			go func() {
				defer l.done.Done()
				defer func() { <-slots }()
				l.request(cohort, l.paths[n%len(l.paths)])
			}()
		}
	}
}

func (l *load) request(cohort int, path string) {
	l.sent[cohort].Add(1)
	// Not bound to the load's context: a request that was sent is finished.
	resp, err := l.client.Get(l.urls[cohort] + path)
	if err != nil {
		l.failed[cohort].Add(1)
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode >= 500 {
		l.failed[cohort].Add(1)
	}
}

// Stop ends the load and waits for the requests under way.
func (l *load) Stop() {
	l.stop()
	l.done.Wait()
	l.client.CloseIdleConnections()
}
