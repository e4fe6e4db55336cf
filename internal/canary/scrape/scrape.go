// Package scrape is the canary source that needs no monitoring system: it reads
// the /metrics pages of both cohorts directly and counts what is new.
//
// Both cohorts are scraped at the same moment. An address that does not answer
// makes the whole tick fail; nothing is lost, the next one covers the longer
// time. A baseline address that stays away for three ticks is left out until it
// returns; a canary address never is, because judging the surviving canaries
// would hide the crashed ones.
//
// Restarts are told from the process start time. What cannot be explained (a
// counter that falls, an older process answering) is not counted, and when it
// repeats the run is refused with the reason: several processes share an address.
package scrape

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/expo"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/canary/times"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Config says where to look and what to count.
type Config struct {
	// Baseline and Canary are the addresses of the instances' pages. Without a
	// path, /metrics is meant.
	Baseline, Canary []string
	// Alone allows no baseline: for a bake, whose baseline is the time before.
	Alone bool
	// Counters say how metrics are counted. Without any, "errors" is counted by
	// the first request counter with a status label that the pages show.
	Counters []series.Counter
	// Latency is the histogram of response times (with or without _bucket), found
	// by its name if empty, none if "none".
	Latency series.Selector
	// Header is sent with every scrape, for example credentials.
	Header http.Header
	// Timeout is for one scrape (5 s), MaxBytes for one page (16 MiB).
	Timeout  time.Duration
	MaxBytes int64
	// Transport is copied in place of the plain one, for example for a tunnel.
	Transport *http.Transport
}

// Source scrapes. It is used by one goroutine at a time.
type Source struct {
	cfg Config
	// fresh opens a connection for every page, kept keeps those there are. asked is
	// the number of times that all pages were asked for.
	fresh, kept *http.Client
	asked       int
	counters    []series.Counter
	instances   []*instance
	begun       bool
	looks       int // since then
	// histogram is the one that is read, times what its buckets add up to.
	histogram series.Selector
	times     times.Counter
}

// the number of scrapes that set the origin: several, so that workers which
// answer in turn are noticed before anything is judged.
const originScrapes = 4

// A kept connection sticks to one worker and hides the others: the first looks, and
// one in a few of the others, open connections of their own.
const (
	freshLooks = 24
	freshEvery = 4
)

// patience is the number of ticks a baseline address may stay away.
const patience = 3

// New checks the addresses and returns a source that has not scraped yet.
func New(cfg Config) (*Source, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 16 << 20
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10}
	}
	fresh := cfg.Transport.Clone()
	fresh.DisableKeepAlives = true
	s := &Source{cfg: cfg, counters: cfg.Counters, fresh: client(fresh), kept: client(cfg.Transport.Clone())}
	seen := map[string]string{}
	for _, c := range []struct {
		cohort string
		urls   []string
	}{{"baseline", cfg.Baseline}, {"canary", cfg.Canary}} {
		if len(c.urls) == 0 && c.cohort == "baseline" && cfg.Alone {
			continue
		}
		if len(c.urls) == 0 {
			return nil, failure.New(failure.Usage, "give the address of its /metrics page", "the %s has no address", c.cohort)
		}
		for _, raw := range c.urls {
			in, err := address(c.cohort, raw)
			if err != nil {
				return nil, err
			}
			if other, ok := seen[in.url]; ok {
				return nil, failure.New(failure.Usage, "every instance has an address of its own",
					"%s %s is also given for the %s", c.cohort, in.where, other)
			}
			seen[in.url] = c.cohort
			s.instances = append(s.instances, in)
		}
	}
	return s, nil
}

func client(t *http.Transport) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func address(cohort, raw string) (*instance, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		// The text may hold credentials, so it is not repeated.
		return nil, failure.New(failure.Usage, "for example http://127.0.0.1:8000/metrics", "a %s address is not an http or https URL", cohort)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	return &instance{cohort: cohort, url: u.String(), where: u.Scheme + "://" + u.Host + u.Path}, nil
}

// Aligned is false: the two cohorts' scrapes are milliseconds apart, and an
// application may be slow to count.
func (s *Source) Aligned() bool { return false }

// Sample scrapes all addresses at once. See [canary.Source].
func (s *Source) Sample(ctx context.Context) (canary.Sample, error) {
	if s.begun {
		return s.once(ctx)
	}
	for range originScrapes {
		if _, err := s.once(ctx); err != nil {
			return canary.Sample{}, err
		}
	}
	s.begun = true
	s.times.Restart()
	return canary.Sample{Origin: true, Notes: s.silent()}, nil
}

// once scrapes everything and returns what is new.
func (s *Source) once(ctx context.Context) (canary.Sample, error) {
	answers, errs := s.fetchAll(ctx)
	sample := canary.Sample{Counts: map[string]seqtest.Counts{}}
	if err := s.absent(errs, &sample); err != nil {
		return canary.Sample{}, err
	}
	if err := s.settle(answers, errs); err != nil {
		return canary.Sample{}, err
	}
	s.chooseHistogram(answers, errs)
	if err := s.same(answers, errs); err != nil {
		return canary.Sample{}, err
	}
	next := make([]*snapshot, len(s.instances))
	for i, in := range s.instances {
		if errs[i] != nil {
			continue
		}
		l := s.layout(in, answers[i].page)
		if err := s.tellable(in, l); err != nil {
			return canary.Sample{}, err
		}
		var err error
		if next[i], err = read(answers[i], l); err != nil {
			return canary.Sample{}, &canary.Problem{Kind: "bad-value", Cohort: in.cohort, Where: in.where, Detail: err.Error()}
		}
	}
	s.chooseTimes(next)
	for i, in := range s.instances {
		if next[i] == nil {
			continue
		}
		in.misses = 0
		before := in.last
		counts, note, err := in.advance(next[i], s.counters)
		if err != nil {
			return canary.Sample{}, err
		}
		if note != "" {
			sample.Notes = append(sample.Notes, note)
		}
		if before != nil && next[i].start != 0 {
			sample.Counts[restarts] = in.add(sample.Counts[restarts], in.lives())
		}
		// As for the counters: what is not counted there is not counted here.
		if counts != nil && before != nil {
			timed := before.layout.timed || in.restartedNow
			if in.restartedNow {
				before = nil
			}
			if timed && !addTimes(&s.times, in.side(), before, next[i]) {
				s.times.BreakOff()
				sample.Notes = append(sample.Notes, in.cohort+" "+in.where+" shows other buckets than before: response times are not compared from here on")
			}
		}
		for metric, c := range counts {
			sample.Counts[metric] = in.add(sample.Counts[metric], c)
		}
	}
	sample.Latency = s.times.Take()
	for metric, c := range sample.Counts {
		if c.Check() != nil {
			return canary.Sample{}, &canary.Problem{Kind: "bad-value", Detail: metric + ": more failed requests than requests were counted; do both counters count the same thing?"}
		}
	}
	return sample, nil
}

// fetchAll scrapes all addresses at the same moment.
func (s *Source) fetchAll(ctx context.Context) ([]answer, []error) {
	answers, errs := make([]answer, len(s.instances)), make([]error, len(s.instances))
	by := s.kept
	if s.asked < freshLooks || s.asked%freshEvery == 0 {
		by = s.fresh
	}
	s.asked++
	var wg sync.WaitGroup
	last := len(s.instances) - 1
	for i, in := range s.instances[:last] {
		wg.Go(func() { answers[i], errs[i] = s.fetch(ctx, by, in) })
	}
	answers[last], errs[last] = s.fetch(ctx, by, s.instances[last])
	wg.Wait()
	return answers, errs
}

// absent decides what missing answers mean: an error that skips the tick, or a
// baseline address that is left out.
func (s *Source) absent(errs []error, sample *canary.Sample) error {
	var base, can, wait error // the first of each side; wait is one that may return
	answering := 0
	for i, in := range s.instances {
		switch {
		case errs[i] == nil:
			if in.cohort == "baseline" {
				answering++
			}
			continue
		case in.cohort == "canary" && can == nil:
			can = errs[i]
		case in.cohort == "baseline" && base == nil:
			base = errs[i]
		}
		in.misses++
		if in.cohort == "baseline" && in.misses > patience {
			if in.misses == patience+1 {
				sample.Notes = append(sample.Notes, in.cohort+" "+in.where+" stays away and is left out until it returns")
			}
			in.last = nil
			continue
		}
		if wait == nil {
			wait = errs[i]
		}
	}
	switch {
	case can != nil && (base == nil || wait == can && answering > 0):
		return can
	case can != nil:
		return both(base, can)
	case wait == nil && answering == 0:
		return base
	}
	return wait
}

// both names a baseline and a canary that are away together.
func both(base, can error) error {
	var b, c *canary.Problem
	if !errors.As(base, &b) || !errors.As(can, &c) {
		return can
	}
	return &canary.Problem{Kind: c.Kind, Where: c.Where, Detail: b.Error() + " · " + c.Error()}
}

// settle chooses the counter in automatic mode.
func (s *Source) settle(answers []answer, errs []error) error {
	if len(s.counters) > 0 {
		return nil
	}
	var pages []expo.Page
	for i := range answers {
		if errs[i] == nil {
			pages = append(pages, answers[i].page)
		}
	}
	name, err := detect(pages)
	if err != nil {
		return err
	}
	s.counters = []series.Counter{{Metric: canary.Errors, Requests: series.Selector{Name: name}, Auto: true}}
	return nil
}

// tellable makes sure that a counter without conditions has a status label:
// otherwise every request would count as good.
func (s *Source) tellable(in *instance, l *layout) error {
	if len(l.opaque) == 0 {
		return nil
	}
	c, line := l.opaque[0].counter, l.opaque[0].line
	return &canary.Problem{Kind: "no-counter", Cohort: in.cohort, Where: in.where, Fatal: !s.begun,
		Detail: c.Requests.Name + " has no status label (its labels are " + labelNames(line) + "): name the failed requests with --bad-labels"}
}

func labelNames(s *expo.Line) string {
	var names []string
	for _, l := range s.Labels {
		names = append(names, l.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return series.List(names)
}

// silent names the addresses that do not show the counter yet: normal for a
// canary before its first request, telling when it stays so.
func (s *Source) silent() []string {
	var notes []string
	for _, in := range s.instances {
		if in.last == nil {
			continue
		}
		for _, c := range s.counters {
			if !in.last.shows(c.Metric) {
				notes = append(notes, strings.Join([]string{in.cohort, in.where, "does not show", c.Requests.Name, "yet"}, " "))
			}
		}
	}
	return notes
}

var _ canary.Source = (*Source)(nil)
