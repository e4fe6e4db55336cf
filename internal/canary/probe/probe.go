// Package probe is the canary source that brings its own traffic: it requests
// the same paths from both cohorts, in pairs, and counts what fails.
//
// The schedule is fixed (open loop): a slow answer delays no later request, and
// response times count from the moment a request was due, so that nothing is
// omitted when the application stalls. Within a pair the order is random. A pair
// counts when both answers are in, which makes the cohorts' windows the same.
//
// Bad are status 5xx, timeouts, connections that fail, and answers that are not
// what was expected (see [ParseRequest]). What is the fault of
// this machine (an unknown host name, no free sockets) is a problem and counts
// for neither side. Probes say nothing about what real users send.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// maxRate bounds what one machine may be asked to send.
const maxRate = 2000

// Config says what to request and how often.
type Config struct {
	// Baseline and Canary are base URLs; Requests (default "/") are sent in turn to
	// both.
	Baseline, Canary string
	Requests         []Request
	// Rate is requests per second to each side (default 10).
	Rate float64
	// Timeout is for one request (default 5 s).
	Timeout time.Duration
	// MaxInFlight bounds the requests under way; what is due beyond it is not
	// sent and said so. The default lets every request take its timeout.
	MaxInFlight int
	Header      http.Header
	// Seed of the order within pairs.
	Seed uint64
	// Now and Sleep are the clock; nil means the real one.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	// Transport replaces the plain ones, one per side.
	Transport http.RoundTripper
}

// Source sends probes from its first sample until it is closed. See
// [canary.Source].
type Source struct {
	cfg   Config
	sides [2]side // canary, baseline
	rand  *rand.Rand
	slots chan struct{}

	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	window  seqtest.Counts
	latency canary.Latency
	unsent  int
	fault   *canary.Problem
	// wrong are what was wrong with answers, and how often.
	wrong map[string]int
}

// side is one cohort's address and client.
type side struct {
	cohort string
	base   *url.URL
	client *http.Client
}

// New checks the configuration; nothing is sent before the first sample.
func New(cfg Config) (*Source, error) {
	usage := func(hint, format string, args ...any) (*Source, error) {
		return nil, failure.New(failure.Usage, hint, format, args...)
	}
	if cfg.Rate == 0 {
		cfg.Rate = 10
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if len(cfg.Requests) == 0 {
		cfg.Requests = []Request{{Method: http.MethodGet, Path: "/"}}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = clock.Sleep
	}
	if !(cfg.Rate > 0 && cfg.Rate <= maxRate) {
		return usage("10 is a good start", "probe rate %v must be above 0 and at most %d requests/s", cfg.Rate, maxRate)
	}
	if cfg.Timeout < 0 {
		return usage("5s is the default", "probe timeout %v must be above 0", cfg.Timeout)
	}
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = int(min(2048, max(8, math.Ceil(2*cfg.Rate*cfg.Timeout.Seconds()))))
	}
	s := &Source{
		cfg:     cfg,
		rand:    rand.New(rand.NewPCG(cfg.Seed, 0x9e3779b97f4a7c15)),
		slots:   make(chan struct{}, cfg.MaxInFlight),
		latency: emptyLatency(),
		wrong:   map[string]int{},
	}
	for i, c := range []struct{ cohort, base string }{{"canary", cfg.Canary}, {"baseline", cfg.Baseline}} {
		u, err := url.Parse(c.base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return usage("for example http://127.0.0.1:8000", "the %s's address is not an http or https URL", c.cohort)
		}
		s.sides[i] = side{cohort: c.cohort, base: u, client: s.newClient()}
	}
	if place(s.sides[0].base) == place(s.sides[1].base) {
		return usage("give each side the address of its own release", "baseline and canary are at the same address: a release is always as good as itself")
	}
	return s, nil
}

// place is where an address leads, for telling two apart: names that only differ
// in how they are written are one.
func place(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() && (ip.Equal(net.IPv4(127, 0, 0, 1)) || ip.Equal(net.IPv6loopback)) {
		host = "localhost"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(host, port) + strings.TrimRight(u.Path, "/") + "?" + u.RawQuery
}

// newClient has the same connection policy for both sides.
func (s *Source) newClient() *http.Client {
	transport := s.cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: s.cfg.MaxInFlight,
			IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Aligned is true: a pair counts as a whole.
func (s *Source) Aligned() bool { return true }

// Sample returns the pairs that were completed since the last call. The first
// call starts the probes; they go on until its context ends or Close.
func (s *Source) Sample(ctx context.Context) (canary.Sample, error) {
	if s.stop == nil {
		ctx, s.stop = context.WithCancel(ctx)
		s.done.Go(func() { s.send(ctx) })
		return canary.Sample{Origin: true}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil && s.window.Canary.N == 0 {
		fault := s.fault
		s.fault = nil
		return canary.Sample{}, fault
	}
	latency := s.latency
	out := canary.Sample{Counts: map[string]seqtest.Counts{canary.Errors: s.window}, Latency: &latency}
	if s.unsent > 0 {
		out.Notes = append(out.Notes, fmt.Sprintf("%d pairs of probes were not sent: this machine was late, or %d requests were under way", s.unsent, s.cfg.MaxInFlight))
	}
	if s.fault != nil {
		out.Notes = append(out.Notes, "some probes do not count: "+s.fault.Error())
	}
	out.Notes = append(out.Notes, slices.Sorted(maps.Keys(s.wrong))...)
	s.window, s.latency, s.unsent, s.fault = seqtest.Counts{}, emptyLatency(), 0, nil
	clear(s.wrong)
	return out, nil
}

// Close stops the probes and waits for those under way.
func (s *Source) Close() {
	if s.stop != nil {
		s.stop()
		s.done.Wait()
	}
	for _, side := range s.sides {
		side.client.CloseIdleConnections()
	}
}

// send keeps the schedule: pair i is due at start + i/rate, whatever happened to
// the pairs before it.
func (s *Source) send(ctx context.Context) {
	start := s.cfg.Now()
	for i := 0; ; i++ {
		due := start.Add(time.Duration(float64(i) / s.cfg.Rate * float64(time.Second)))
		if wait := due.Sub(s.cfg.Now()); wait > 0 && s.cfg.Sleep(ctx, wait) != nil || ctx.Err() != nil {
			return
		}
		// After a pause of this machine nobody is hit by a burst of what was due.
		if s.cfg.Now().Sub(due) > time.Second || !s.reserve() {
			s.mu.Lock()
			s.unsent++
			s.mu.Unlock()
			continue
		}
		first := s.rand.IntN(2)
		what := &s.cfg.Requests[i%len(s.cfg.Requests)]
		s.done.Go(func() { s.pair(ctx, what, due, first) })
	}
}

// reserve takes two slots, or none.
func (s *Source) reserve() bool {
	select {
	case s.slots <- struct{}{}:
	default:
		return false
	}
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		<-s.slots
		return false
	}
}

// outcome is one answer.
type outcome struct {
	bad bool
	// why is what was bad.
	why string
	// took is negative when there was no answer to time.
	took  time.Duration
	fault *canary.Problem
}

// maxWrong bounds the sentences about bad answers of one window.
const maxWrong = 20

// pair sends a request to both sides and counts the pair when both are done.
func (s *Source) pair(ctx context.Context, what *Request, due time.Time, first int) {
	var out [2]outcome
	var both sync.WaitGroup
	for _, i := range []int{first, 1 - first} {
		sent := make(chan struct{})
		both.Go(func() {
			close(sent)
			out[i] = s.request(ctx, s.sides[i], what, due)
			<-s.slots
		})
		<-sent
	}
	both.Wait()
	if ctx.Err() != nil {
		return // cut off by us
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range out {
		if o.fault != nil {
			s.fault = o.fault
			return
		}
	}
	s.window = s.window.Plus(seqtest.Counts{Canary: one(out[0]), Baseline: one(out[1])})
	for i, o := range out {
		why := s.sides[i].cohort + " " + what.name() + ": " + o.why
		if _, known := s.wrong[why]; o.bad && (known || len(s.wrong) < maxWrong) {
			s.wrong[why]++
		}
	}
	record(s.latency.Canary, s.latency.BoundsMS, out[0].took)
	record(s.latency.Baseline, s.latency.BoundsMS, out[1].took)
}

func one(o outcome) seqtest.Cohort {
	if o.bad {
		return seqtest.Cohort{N: 1, Bad: 1}
	}
	return seqtest.Cohort{N: 1}
}

// request is one probe. The answer's body is read up to a limit, as part of it.
func (s *Source) request(ctx context.Context, to side, what *Request, due time.Time) outcome {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	target := *to.base
	p, query, _ := strings.Cut(what.Path, "?")
	target.Path, target.RawQuery = strings.TrimSuffix(to.base.Path, "/")+p, query
	req, err := http.NewRequestWithContext(ctx, what.Method, target.String(), strings.NewReader(what.Body))
	if err != nil {
		return outcome{fault: s.problem(to, "down", "the address cannot be requested")}
	}
	for _, h := range []http.Header{s.cfg.Header, what.Header} {
		for name, values := range h {
			req.Header[name] = values
		}
	}
	if host := what.Header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := to.client.Do(req)
	var body []byte
	if err == nil {
		defer res.Body.Close()
		body, err = what.read(res.Body)
	}
	took := s.cfg.Now().Sub(due)
	switch {
	case err == nil:
		why := what.wrong(res.StatusCode, body, took)
		return outcome{bad: why != "", why: why, took: took}
	case errors.Is(err, context.DeadlineExceeded):
		return outcome{bad: true, why: "no answer within " + s.cfg.Timeout.String(), took: math.MaxInt64}
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return outcome{fault: s.problem(to, "not-found", "the host name cannot be resolved")}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.ENETUNREACH):
		return outcome{fault: s.problem(to, "down", "this machine cannot open a connection (limits or network)")}
	case errors.Is(err, syscall.ECONNREFUSED):
		return outcome{bad: true, why: "connection refused", took: -1}
	}
	return outcome{bad: true, why: "the connection broke off", took: -1}
}

// read takes the answer in, and keeps what is looked into.
func (r *Request) read(body io.Reader) ([]byte, error) {
	const most = 4 << 20
	all := io.LimitReader(body, most)
	var kept []byte
	var err error
	if r.looks() {
		kept, err = io.ReadAll(io.LimitReader(all, maxBody))
	}
	if err == nil {
		_, err = io.Copy(io.Discard, all)
	}
	return kept, err
}

func (s *Source) problem(to side, kind, detail string) *canary.Problem {
	return &canary.Problem{Kind: kind, Cohort: to.cohort, Where: to.base.Scheme + "://" + to.base.Host, Detail: detail}
}

func emptyLatency() canary.Latency {
	bounds := []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}
	return canary.Latency{BoundsMS: bounds, Baseline: make([]int64, len(bounds)+1), Canary: make([]int64, len(bounds)+1)}
}

// record counts a response time in the first bucket that holds it.
func record(buckets []int64, bounds []float64, took time.Duration) {
	if took < 0 {
		return
	}
	i, _ := slices.BinarySearch(bounds, float64(took)/float64(time.Millisecond))
	buckets[i]++
}

var _ canary.Source = (*Source)(nil)
