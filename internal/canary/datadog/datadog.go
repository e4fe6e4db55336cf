// Package datadog reads a canary's counts from Datadog's timeseries API
// (GET /api/v1/query) by plain HTTP; the official client weighs 100 MB.
//
// The API: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points
package datadog

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary/counts"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Config says what to ask. The queries hold {{cohort}}, which is replaced by each
// side's tags.
type Config struct {
	// Site is the API's address, such as https://api.datadoghq.eu.
	Site           string
	APIKey, AppKey string
	// Requests and Errors are queries of counts, for example
	// sum:trace.flask.request.hits{service:shop,{{cohort}}}.as_count().
	Requests, Errors string
	Baseline, Canary string
	Timeout          time.Duration
	Transport        http.RoundTripper
	// Now is a monotonic clock for the time between two questions; nil is the real one.
	Now func() time.Time
}

// The step is the finest that Datadog keeps; agents flush every 10 s, and traces
// take some more to be counted.
const (
	step  = 10 * time.Second
	delay = 60 * time.Second
	// every keeps four queries each below 500 in an hour; organizations have 1600.
	every = 30 * time.Second
)

// Placeholder is replaced by a side's tags.
const Placeholder = "{{cohort}}"

// New checks the configuration.
func New(cfg Config) (*counts.Source, error) {
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	return counts.New(c.fetch, step, delay, every, c.cfg.Now), nil
}

func newClient(cfg Config) (*client, error) {
	u, err := url.Parse(cfg.Site)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, failure.New(failure.Usage, "for example https://api.datadoghq.eu", "the Datadog site is not an https URL")
	case cfg.APIKey == "" || cfg.AppKey == "":
		return nil, failure.New(failure.Usage, "set both from secrets", "DD_API_KEY and DD_APP_KEY are needed to ask Datadog")
	case cfg.Baseline == "" || cfg.Canary == "" || cfg.Baseline == cfg.Canary:
		return nil, failure.New(failure.Usage, "for example version:1.4.0 and version:1.5.0", "baseline and canary need tags that tell them apart")
	}
	for _, q := range []string{cfg.Requests, cfg.Errors} {
		if !strings.Contains(q, Placeholder) || !strings.Contains(q, ".as_count()") || strings.Contains(q, ".rollup(") {
			return nil, failure.New(failure.Usage, "for example sum:trace.flask.request.hits{service:shop,{{cohort}}}.as_count()",
				"query %q must hold %s and end in .as_count(), without a rollup", q, Placeholder)
		}
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &client{cfg: cfg, base: u, api: counts.Client{Name: "datadog", Timeout: cfg.Timeout, HTTP: &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}}
	return c, nil
}

type client struct {
	cfg  Config
	base *url.URL
	api  counts.Client
}

// fetch asks for all four series, one query each: together they would share an
// error.
func (c *client) fetch(ctx context.Context, from, to int64) (counts.Answer, error) {
	var out counts.Answer
	for side, tags := range []string{c.cfg.Baseline, c.cfg.Canary} {
		for _, q := range []struct {
			text string
			into *counts.Points
		}{{c.cfg.Requests, &out.Requests[side]}, {c.cfg.Errors, &out.Errors[side]}} {
			points, now, err := c.query(ctx, strings.ReplaceAll(q.text, Placeholder, tags), from, to)
			if err != nil {
				return out, err
			}
			*q.into = points
			if out.Now == 0 || now < out.Now {
				out.Now = now
			}
			if from == 0 {
				return out, nil
			}
		}
	}
	return out, nil
}

func (c *client) query(ctx context.Context, text string, from, to int64) (counts.Points, int64, error) {
	if from == 0 {
		from, to = 1, 11 // only the time is wanted
	}
	u := c.base.JoinPath("/api/v1/query")
	seconds := int(step.Seconds())
	u.RawQuery = url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)},
		"query": {strings.ReplaceAll(text, ".as_count()", ".as_count().rollup(sum, "+strconv.Itoa(seconds)+")")}}.Encode()
	req, err := http.NewRequest(http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, 0, c.api.Problem("down", "the address cannot be requested")
	}
	req.Header.Set("DD-API-KEY", c.cfg.APIKey)
	req.Header.Set("DD-APPLICATION-KEY", c.cfg.AppKey)
	req.Header.Set("Accept", "application/json")
	body, now, err := c.api.Do(ctx, req)
	if err != nil {
		return nil, 0, err
	}
	var doc struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Series []struct {
			Interval  int64         `json:"interval"`
			Pointlist [][2]*float64 `json:"pointlist"`
		} `json:"series"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, 0, c.api.Problem("not-api", "the answer is not the API's")
	}
	if doc.Status != "ok" || doc.Error != "" {
		return nil, 0, c.api.Problem("query", "the query failed: %q", doc.Error)
	}
	points := counts.Points{}
	for _, s := range doc.Series {
		if s.Interval != 0 && s.Interval != int64(seconds) {
			return nil, 0, c.api.Problem("step", "answered in steps of %d s instead of %d", s.Interval, seconds)
		}
		for _, p := range s.Pointlist {
			if p[0] == nil || p[1] == nil {
				continue // nothing was reported for this step
			}
			points[int64(*p[0])/1000] += *p[1]
		}
	}
	return points, now, nil
}
