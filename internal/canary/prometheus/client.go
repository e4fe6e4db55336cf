package prometheus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// client speaks the HTTP API of Prometheus and of what is compatible with it.
// Every error is a *canary.Problem.
//
// The API: https://prometheus.io/docs/prometheus/latest/querying/api/
type client struct {
	base     *url.URL
	header   http.Header
	timeout  time.Duration
	maxBytes int64
	http     *http.Client
}

// longest query that goes into an address; longer ones are posted.
const maxAddress = 1500

// answer is what came back.
type answer struct {
	series []rawSeries
	// remarks are the server's about the expression: it may not say what it seems to.
	remarks []string
}

// rawSeries is one series of a matrix or vector.
type rawSeries struct {
	Metric     map[string]string `json:"metric"`
	Values     []point           `json:"values"`
	Histograms []histogramPoint  `json:"histograms"`
	// Value and Histogram are a vector's.
	Value     *point          `json:"value"`
	Histogram *histogramPoint `json:"histogram"`
}

// point is one raw sample: milliseconds of the server's clock and the value.
type point struct {
	ts int64
	v  float64
}

// UnmarshalJSON reads [1435781430.781, "1"].
func (p *point) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
		return errors.New("a sample is not a pair")
	}
	var text string
	ts, err := stamp(pair[0])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return errors.New("a value is not a string")
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("value %q is not a number", text)
	}
	p.ts, p.v = ts, v
	return nil
}

// stamp reads seconds with up to three decimals as milliseconds.
func stamp(raw json.RawMessage) (int64, error) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(f >= 0 && f < 1e12) {
		return 0, errors.New("a timestamp is not a number of seconds")
	}
	return int64(f*1000 + 0.5), nil
}

// envelope is the frame of every answer. IsPartial is VictoriaMetrics'.
type envelope struct {
	Status    string          `json:"status"`
	Data      json.RawMessage `json:"data"`
	ErrorType string          `json:"errorType"`
	Error     string          `json:"error"`
	Warnings  []string        `json:"warnings"`
	Infos     []string        `json:"infos"`
	IsPartial bool            `json:"isPartial"`
}

// query evaluates an expression at the server's own now, or at a given time in
// milliseconds of the server's clock.
func (c *client) query(ctx context.Context, expr string, at int64) (answer, error) {
	form := url.Values{"query": {expr}, "timeout": {c.timeout.String()}}
	if at != 0 {
		form.Set("time", strconv.FormatFloat(float64(at)/1000, 'f', 3, 64))
	}
	env, err := c.call(ctx, "/api/v1/query", form)
	if err != nil {
		return answer{}, err
	}
	var data struct {
		ResultType string          `json:"resultType"`
		Result     json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(env.Data, &data); err != nil {
		return answer{}, c.problem("not-prometheus", "the answer is not Prometheus'")
	}
	out := answer{remarks: env.Warnings}
	switch data.ResultType {
	case "matrix", "vector":
		if err := json.Unmarshal(data.Result, &out.series); err != nil {
			return answer{}, c.problem("not-prometheus", "the answer is not Prometheus': %s", excerpt(err.Error()))
		}
		for i := range out.series {
			out.series[i].Values = withoutEnds(out.series[i].Values)
		}
		out.series = slices.DeleteFunc(out.series, func(r rawSeries) bool {
			return len(r.Values) == 0 && len(r.Histograms) == 0 && r.Value == nil && r.Histogram == nil
		})
	case "scalar", "string":
	default:
		return answer{}, c.problem("not-prometheus", "the answer has the unknown type %q", excerpt(data.ResultType))
	}
	return out, nil
}

// withoutEnds leaves out the marks of a series' end, which Prometheus keeps to itself
// and VictoriaMetrics shows as NaN: one at a time, where an application that shows
// NaN does so again and again.
func withoutEnds(ps []point) []point {
	if !slices.ContainsFunc(ps, func(p point) bool { return math.IsNaN(p.v) }) {
		return ps // nearly always
	}
	var kept []point
	for i, p := range ps {
		alone := (i == 0 || !math.IsNaN(ps[i-1].v)) && (i == len(ps)-1 || !math.IsNaN(ps[i+1].v))
		if !math.IsNaN(p.v) || !alone {
			kept = append(kept, p)
		}
	}
	return kept
}

// now is the server's clock, in milliseconds.
func (c *client) now(ctx context.Context) (int64, error) {
	env, err := c.call(ctx, "/api/v1/query", url.Values{"query": {"time()"}, "timeout": {c.timeout.String()}})
	if err != nil {
		return 0, err
	}
	var data struct {
		Result json.RawMessage `json:"result"`
	}
	var at point
	err = json.Unmarshal(env.Data, &data)
	if err == nil && json.Unmarshal(data.Result, &at) != nil {
		// VictoriaMetrics knows no scalars: a number is a vector of one.
		var vector []rawSeries
		if err = json.Unmarshal(data.Result, &vector); err == nil && len(vector) == 1 && vector[0].Value != nil {
			at = *vector[0].Value
		}
	}
	if err != nil || !(at.v > 0 && at.v < 1e12) {
		return 0, c.problem("not-prometheus", "the answer is not Prometheus'")
	}
	return int64(at.v * 1000), nil
}

// call sends a request and opens the envelope. An answer that the server calls
// partial is an error: half of the instances would be half of the truth.
func (c *client) call(ctx context.Context, path string, form url.Values) (envelope, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	u := c.base.JoinPath(path)
	method, body := http.MethodGet, io.Reader(nil)
	if q := form.Encode(); len(q) > maxAddress {
		method, body = http.MethodPost, strings.NewReader(q)
	} else {
		u.RawQuery = q
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return envelope{}, c.problem("down", "the address cannot be requested")
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "application/json")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return envelope{}, c.transport(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, c.maxBytes+1))
	switch {
	case err != nil:
		return envelope{}, c.transport(err)
	case int64(len(data)) > c.maxBytes:
		return envelope{}, c.problem("too-large", "the answer is larger than %d MiB: narrow the selector (a job, a route), or let the interval of the gate be shorter", c.maxBytes>>20)
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	var env envelope
	if isJSON(media) {
		err = json.Unmarshal(data, &env)
	}
	return c.judge(res.StatusCode, media, env, err)
}

// isJSON knows VictoriaMetrics' type, too, of raw samples.
func isJSON(media string) bool {
	return media == "application/json" || media == "application/stream+json"
}

// judge turns statuses and the server's own errors into problems.
func (c *client) judge(status int, media string, env envelope, broken error) (envelope, error) {
	said := ""
	if env.Error != "" {
		said = ": " + excerpt(env.Error)
	}
	switch {
	case status >= 300 && status < 400:
		return env, c.problem("status", "answered %d, a redirect: give the final address", status)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return env, c.problem("status", "answered %d: it needs credentials (--prometheus-token, a user in the URL, or a client certificate)%s", status, said)
	case env.ErrorType == "bad_data":
		p := c.problem("query", "the query is refused%s", said)
		p.Fatal = true
		return env, p
	case env.ErrorType == "execution" || status == http.StatusUnprocessableEntity:
		return env, c.problem("query", "the query cannot be executed%s", said)
	case env.ErrorType == "timeout" || env.ErrorType == "canceled":
		return env, c.problem("timeout", "the query took too long%s", said)
	case status == http.StatusNotFound:
		return env, c.problem("not-found", "answered 404: is the URL the one above /api/v1? (Mimir and Cortex: …/prometheus)")
	case status/100 != 2:
		return env, c.problem("status", "answered %d%s", status, said)
	case media == "text/html" || media == "application/xhtml+xml":
		return env, c.problem("not-prometheus", "answered an HTML page: is there a login in front of it?")
	case !isJSON(media):
		return env, c.problem("not-prometheus", "answered %q instead of JSON", excerpt(media))
	case broken != nil:
		return env, c.problem("not-prometheus", "the answer is not whole JSON: %s", excerpt(broken.Error()))
	case env.Status != "success":
		return env, c.problem("status", "answered %q%s", excerpt(env.Status), said)
	case env.IsPartial:
		return env, c.problem("partial", "the answer is partial: some storage did not answer")
	}
	for _, text := range env.Warnings {
		if !strings.HasPrefix(text, remark) {
			return env, c.problem("partial", "the answer may be partial: %s", excerpt(text))
		}
	}
	return env, nil
}

// remark begins a warning that is about the expression, not about what could not be
// asked (Prometheus' util/annotations).
const remark = "PromQL warning: "

func (c *client) problem(kind, format string, args ...any) *canary.Problem {
	return &canary.Problem{Kind: kind, Where: c.where(), Detail: "prometheus " + c.where() + ": " + fmt.Sprintf(format, args...)}
}

// where is the address without credentials.
func (c *client) where() string {
	return (&url.URL{Scheme: c.base.Scheme, Host: c.base.Host, Path: c.base.Path}).String()
}

// transport turns a transport error into a phrase without the address.
func (c *client) transport(err error) *canary.Problem {
	kind, phrase, rest := canary.Transport(err, c.timeout)
	if phrase != "" {
		return c.problem(kind, "%s", phrase)
	}
	text := rest.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 && !strings.Contains(text, "tls:") && !strings.Contains(text, "x509:") {
		text = text[i+2:]
	}
	return c.problem(kind, "%s", excerpt(text))
}

// excerpt keeps what the server wrote short and on one line.
func excerpt(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
