package prometheus

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Names of what this source counts besides the plan's metrics.
const (
	// Restarts counts scrapes, and as bad those that found a new process.
	Restarts = "restarts"
	// Memory is the mean resident memory of a side's processes, in bytes.
	Memory = "memory"
)

// Config says which server to ask, which labels tell the sides apart and what to
// count.
type Config struct {
	// URL is the server's, without /api/v1. A user and password in it are sent
	// as basic authentication.
	URL string
	// Baseline and Canary are the labels of the two sides; each must have one
	// that the other's series lack.
	Baseline, Canary []series.Matcher
	// Counters say how metrics are counted. Without any, "errors" is counted by
	// the first request counter with a status label that the server has.
	Counters []series.Counter
	// Latency is the histogram of response times (with or without _bucket), found
	// by its name if empty, none if "none".
	Latency series.Selector
	// Gauges are readings to compare, by metric name; memory is always read.
	Gauges map[string]string
	// Rules are the alerting rules that judge each side, too, by name ("*" is all,
	// as path.Match).
	Rules []string
	// Header is sent with every request: a bearer token, X-Scope-OrgID.
	Header http.Header
	// Timeout is for one query (10 s), MaxBytes for one answer (64 MiB).
	Timeout  time.Duration
	MaxBytes int64
	// Transport replaces the plain one, for example for TLS settings.
	Transport http.RoundTripper
	// Alone allows both sides to have the same labels: for a bake, which compares
	// one release's now with its before.
	Alone bool
	// LookBack is how far the first look goes back (5 min).
	LookBack time.Duration
	// Now is a monotonic clock for the time between two looks; nil is the real one.
	Now func() time.Time
}

// Source asks the server. It is used by one goroutine at a time.
type Source struct {
	cfg    Config
	client *client
	labels [2][]series.Matcher
	tally  *tally
	// counters and latency as chosen.
	counters []series.Counter
	latency  string
	chosen   bool
	// started is when the first look was taken, on the server's clock.
	started int64
	rules   *conditions
	since   map[string]int64 // as resumed
	// byInstance is set for a side whose labels are not its targets' labels: up
	// and start time are then asked for by instance.
	byInstance [2]bool
	// progress is when a side last had a new sample, newest that sample's time.
	progress [2]time.Time
	newest   [2]int64
	// unsaid are notes about the past, for the first sample.
	unsaid []string
	// away are the instances that were said to be gone.
	away map[string]bool
}

// New checks the configuration; nothing is asked before the first sample.
func New(cfg Config) (*Source, error) {
	usage := func(hint, format string, args ...any) (*Source, error) {
		return nil, failure.New(failure.Usage, hint, format, args...)
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usage("for example http://127.0.0.1:9090", "the Prometheus address is not an http or https URL")
	}
	if len(cfg.Baseline) == 0 || len(cfg.Canary) == 0 {
		return usage(`for example --baseline-labels 'version="1.4.0"' --canary-labels 'version="1.5.0"'`,
			"baseline and canary need labels that tell their series apart")
	}
	if !cfg.Alone && text(cfg.Baseline) == text(cfg.Canary) {
		return usage("", "baseline and canary have the same labels, %s", text(cfg.Canary))
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 64<<20)
	cfg.LookBack = cmp.Or(cfg.LookBack, 5*time.Minute)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10}
	}
	header := cfg.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if u.User != nil {
		pass, _ := u.User.Password()
		req := http.Request{Header: header}
		req.SetBasicAuth(u.User.Username(), pass)
		u.User = nil
	}
	u.RawQuery, u.Fragment = "", ""
	u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/api/v1")
	s := &Source{cfg: cfg, labels: [2][]series.Matcher{cfg.Baseline, cfg.Canary}, tally: newTally(), away: map[string]bool{}, counters: cfg.Counters}
	s.client = &client{base: u, header: header, timeout: cfg.Timeout, maxBytes: cfg.MaxBytes, http: &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return s, nil
}

func text(ms []series.Matcher) string {
	var parts []string
	for _, m := range ms {
		parts = append(parts, m.String())
	}
	return strings.Join(parts, ",")
}

// Aligned is false: every target is scraped at a time of its own.
func (s *Source) Aligned() bool { return false }

// Sample asks for what was scraped since the last window and counts it up to the
// time at which every instance was scraped. See [canary.Source].
func (s *Source) Sample(ctx context.Context) (canary.Sample, error) {
	at, err := s.client.now(ctx)
	if err != nil {
		return canary.Sample{}, err
	}
	var chosen []string
	if !s.chosen {
		if chosen, err = s.choose(ctx, at); err != nil {
			return canary.Sample{}, err
		}
	}
	if s.rules == nil && len(s.cfg.Rules) > 0 {
		said, err := s.loadRules(ctx, at)
		if err != nil {
			return canary.Sample{}, err
		}
		chosen = append(chosen, said...)
	}
	b, err := s.fetch(ctx, at, s.span(at), s.sides())
	if err != nil {
		return canary.Sample{}, err
	}
	if err := b.check(); err != nil {
		return canary.Sample{}, err
	}
	if step := interval(b); step > 0 {
		s.tally.Interval = step
	}
	if s.tally.Origin == 0 && s.started == 0 {
		s.started = at
	}
	end, notes, err := s.horizon(b)
	notes = slices.Concat(s.unsaid, b.notes, notes)
	s.unsaid = nil
	if err != nil {
		return canary.Sample{}, err
	}
	// What happened before the gate began is not the canary's: the origin is the
	// first scrape after it.
	if end == 0 || s.tally.Interval == 0 || s.tally.Origin == 0 && end < s.started || s.tally.End != 0 && end < s.tally.End+s.tally.Interval*9/10 {
		return canary.Sample{Pending: true, Notes: append(chosen, notes...)}, nil
	}
	// Before anything is counted: what fails here fails for the whole window.
	held, more, err := s.askRules(ctx, at)
	if err != nil {
		return canary.Sample{}, err
	}
	out, err := s.window(b, end)
	out.Notes = slices.Concat(chosen, notes, more, out.Notes)
	out.Conditions = held
	return out, err
}

// sides are the sides to ask for: what a bake's labels pick is what runs now, and
// its time before comes from [Source.History].
func (s *Source) sides() [2]cohort {
	if s.cfg.Alone {
		return [2]cohort{canaries, canaries}
	}
	return [2]cohort{baseline, canaries}
}

// span is how far to look back: over everything since the last window and two
// scrapes more, so that nothing is lost to the edge. Server time, milliseconds.
func (s *Source) span(at int64) int64 {
	if s.tally.End == 0 {
		return s.cfg.LookBack.Milliseconds()
	}
	return max(at-s.tally.End, 0) + 3*s.tally.Interval + 1000
}

// window counts up to its end.
func (s *Source) window(b *batch, end int64) (canary.Sample, error) {
	origin := s.tally.Origin == 0
	s.tally.Latency.choose(b, s.cfg.Alone)
	w, err := s.tally.advance(b, end)
	if err == nil {
		err = s.tally.impossible()
	}
	if err != nil {
		return canary.Sample{}, err
	}
	if origin {
		return canary.Sample{Origin: true, Notes: s.silent(b)}, nil
	}
	out := canary.Sample{Counts: map[string]seqtest.Counts{}, Gauges: s.tally.readings(b, end, s.cfg.Alone), Notes: w.notes}
	for metric, c := range w.counts {
		out.Counts[metric] = seqtest.Counts{Baseline: c[baseline], Canary: c[canaries]}
	}
	if w.restarts[baseline].N > 0 && w.restarts[canaries].N > 0 {
		for side := range w.restarts {
			w.restarts[side].Bad = min(w.restarts[side].Bad, w.restarts[side].N)
		}
		out.Counts[Restarts] = seqtest.Counts{Baseline: w.restarts[baseline], Canary: w.restarts[canaries]}
	}
	l := &s.tally.Latency
	if who := l.complete(b); who != "" {
		l.BreakOff()
		out.Notes = append(out.Notes, who+" shows other buckets than before: response times are not compared from here on")
	}
	out.Latency = l.Take()
	return out, nil
}

// silent names the sides that count nothing yet.
func (s *Source) silent(b *batch) []string {
	var notes []string
	watched := s.sides()
	for _, c := range s.counters {
		has := [2]bool{}
		for _, x := range b.tracked {
			has[x.cohort] = has[x.cohort] || x.metric == c.Metric
		}
		for side, ok := range has {
			if !ok && slices.Contains(watched[:], cohort(side)) {
				notes = append(notes, cohort(side).String()+" does not show "+c.Requests.Name+" yet")
			}
		}
	}
	return notes
}

// interval is the time between two scrapes: the median of a target's, the
// longest of all.
func interval(b *batch) int64 {
	longest := int64(0)
	for _, t := range b.targets {
		points := t.ups
		for _, x := range b.tracked {
			if len(points) < 2 && x.target == t.key && len(x.values) > len(points) {
				points = x.values
			}
		}
		var steps []int64
		for i := 1; i < len(points); i++ {
			if d := points[i].ts - points[i-1].ts; d > 0 {
				steps = append(steps, d)
			}
		}
		if len(steps) > 0 {
			slices.Sort(steps)
			longest = max(longest, steps[len(steps)/2])
		}
	}
	return longest
}

// State keeps the source's place.
func (s *Source) State() (json.RawMessage, error) {
	names := []string{}
	for _, c := range s.counters {
		names = append(names, c.Metric+"="+c.Requests.String())
	}
	return json.Marshal(place{Counters: strings.Join(names, ";"), Latency: s.latency, Labels: text(s.labels[0]) + "|" + text(s.labels[1]), Tally: s.tally, Since: s.rules.state()})
}

type place struct {
	Counters string `json:"counters"`
	Latency  string `json:"latency"`
	Labels   string `json:"labels"`
	Tally    *tally `json:"tally"`
	// Since is when each rule began to hold, by side.
	Since map[string]int64 `json:"since,omitempty"`
}

// Resume goes on where another process stopped, if it asked for the same.
func (s *Source) Resume(state json.RawMessage) error {
	p := place{Tally: newTally()}
	if err := json.Unmarshal(state, &p); err != nil {
		return fmt.Errorf("reading the place of a Prometheus source: %w", err)
	}
	if want := text(s.labels[0]) + "|" + text(s.labels[1]); p.Labels != want {
		return failure.New(failure.Usage, "remove the state file to begin anew", "the state is of a gate with the labels %s, not %s", p.Labels, want)
	}
	if !p.Tally.valid() {
		return failure.New(failure.Usage, "remove the state file to begin anew", "the state is not of a Prometheus source")
	}
	if p.Tally.Owed == nil {
		p.Tally.Owed = map[string]int64{}
	}
	s.tally, s.since = p.Tally, p.Since
	return nil
}

var (
	_ canary.Source    = (*Source)(nil)
	_ canary.Resumable = (*Source)(nil)
	_ canary.Historian = (*Source)(nil)
)
