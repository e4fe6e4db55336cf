// Package cloudwatch reads a canary's counts from Amazon CloudWatch's
// GetMetricData by the query protocol, signed with AWS' own signer; the rest of
// the SDK is not needed for one call.
//
// The API: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
package cloudwatch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fairlead-ci/fairlead/internal/canary/counts"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Config says what to ask. The metrics hold {{cohort}}, which is replaced by each
// side's dimensions.
type Config struct {
	Region string
	// Endpoint replaces the region's own, for private ones.
	Endpoint string
	// The credentials, as aws-actions/configure-aws-credentials leaves them in
	// the environment.
	AccessKey, SecretKey, SessionToken string
	// Requests and Errors are metrics: a namespace, a name, dimensions:
	// "AWS/ApplicationELB RequestCount LoadBalancer=app/web/1,{{cohort}}".
	Requests, Errors string
	// Latency is a metric of response times, for example
	// "AWS/ApplicationELB TargetResponseTime LoadBalancer=app/web/1,{{cohort}}"; none
	// if empty or "none".
	Latency          string
	Baseline, Canary string
	Timeout          time.Duration
	Transport        http.RoundTripper
	// Now is the time that requests are signed with; the service refuses one that
	// is more than five minutes off, and says so.
	Now func() time.Time
}

// CloudWatch sums up by the minute and has the sums up to three minutes later.
const (
	step  = 60 * time.Second
	delay = 3 * time.Minute
)

// Placeholder is replaced by a side's dimensions.
const Placeholder = "{{cohort}}"

var regionForm = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

// metric is one metric of one side.
type metric struct {
	namespace, name string
	dimensions      [][2]string
}

// parseMetric reads "NAMESPACE NAME DIMENSION=VALUE,…".
func parseMetric(text string) (metric, error) {
	f := strings.Fields(text)
	if len(f) != 3 {
		return metric{}, fmt.Errorf("%q is not NAMESPACE NAME DIMENSION=VALUE,…", text)
	}
	m := metric{namespace: f[0], name: f[1]}
	for _, d := range strings.Split(f[2], ",") {
		name, value, ok := strings.Cut(d, "=")
		if !ok || name == "" || value == "" {
			return metric{}, fmt.Errorf("%q: %q is not DIMENSION=VALUE", text, d)
		}
		m.dimensions = append(m.dimensions, [2]string{name, value})
	}
	return m, nil
}

// New checks the configuration.
func New(cfg Config) (*counts.Source, error) {
	usage := func(hint, format string, args ...any) (*counts.Source, error) {
		return nil, failure.New(failure.Usage, hint, format, args...)
	}
	if !regionForm.MatchString(cfg.Region) {
		return usage("for example eu-central-1", "region %q is not one", cfg.Region)
	}
	if cfg.AccessKey == "" || cfg.SecretKey == "" {
		return usage("use aws-actions/configure-aws-credentials before", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed to ask CloudWatch")
	}
	if cfg.Baseline == "" || cfg.Canary == "" || cfg.Baseline == cfg.Canary {
		return usage("for example TargetGroup=targetgroup/blue/1", "baseline and canary need dimensions that tell them apart")
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = "https://monitoring." + cfg.Region + ".amazonaws.com/"
	}
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return usage("", "the CloudWatch endpoint is not a URL")
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &client{cfg: cfg, url: u.String(), api: counts.Client{Name: "cloudwatch", Timeout: cfg.Timeout, HTTP: &http.Client{
		Transport:     cfg.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}}
	for side, own := range []string{cfg.Baseline, cfg.Canary} {
		for i, text := range []string{cfg.Requests, cfg.Errors, cfg.Latency} {
			if i == latency && (text == "" || text == "none") {
				continue
			}
			if !strings.Contains(text, Placeholder) {
				return usage("for example AWS/ApplicationELB RequestCount LoadBalancer=app/web/1,{{cohort}}", "metric %q does not hold %s", text, Placeholder)
			}
			m, err := parseMetric(strings.ReplaceAll(text, Placeholder, own))
			if err != nil {
				return usage("for example AWS/ApplicationELB RequestCount LoadBalancer=app/web/1,{{cohort}}", "%w", err)
			}
			if i != latency {
				c.queries = append(c.queries, query{m, "Sum", side, i})
				continue
			}
			unit := m.unitMS()
			if unit == 0 {
				return usage("for example TargetResponseTime of AWS/ApplicationELB, or a name that ends in Seconds or Milliseconds", "the unit of %s %s is not known", m.namespace, m.name)
			}
			for _, ms := range thresholdsMS() {
				c.queries = append(c.queries, query{m, slower(ms / unit), side, i})
			}
		}
	}
	return counts.New(c.fetch, step, delay, step, cfg.Now), nil
}

type client struct {
	cfg     Config
	url     string
	api     counts.Client
	queries []query
}

// result is the part of GetMetricDataResponse that is read.
type result struct {
	Results []struct {
		ID         string    `xml:"Id"`
		Status     string    `xml:"StatusCode"`
		Timestamps []string  `xml:"Timestamps>member"`
		Values     []float64 `xml:"Values>member"`
	} `xml:"GetMetricDataResult>MetricDataResults>member"`
	NextToken string `xml:"GetMetricDataResult>NextToken"`
}

func (c *client) fetch(ctx context.Context, from, to int64) (counts.Answer, error) {
	clock := from == 0
	if clock {
		from, to = 60, 120 // only the time is wanted
	}
	form := url.Values{"Action": {"GetMetricData"}, "Version": {"2010-08-01"}, "ScanBy": {"TimestampAscending"},
		"StartTime": {time.Unix(from, 0).UTC().Format(time.RFC3339)}, "EndTime": {time.Unix(to, 0).UTC().Format(time.RFC3339)}}
	queries := c.queries
	if clock {
		queries = queries[:1]
	}
	for i, q := range queries {
		p := fmt.Sprintf("MetricDataQueries.member.%d.", i+1)
		form.Set(p+"Id", "m"+strconv.Itoa(i))
		form.Set(p+"ReturnData", "true")
		form.Set(p+"MetricStat.Period", strconv.Itoa(int(step.Seconds())))
		form.Set(p+"MetricStat.Stat", q.stat)
		form.Set(p+"MetricStat.Metric.Namespace", q.namespace)
		form.Set(p+"MetricStat.Metric.MetricName", q.name)
		for j, d := range q.dimensions {
			dim := fmt.Sprintf("%sMetricStat.Metric.Dimensions.member.%d.", p, j+1)
			form.Set(dim+"Name", d[0])
			form.Set(dim+"Value", d[1])
		}
	}
	var out counts.Answer
	points := make([]counts.Points, len(queries))
	for i := range points {
		points[i] = counts.Points{}
	}
	const pages = 20
	for page := 0; ; page++ {
		doc, now, err := c.call(ctx, form)
		if err != nil {
			return out, err
		}
		if out.Now == 0 {
			out.Now = now
		}
		for _, r := range doc.Results {
			i, err := strconv.Atoi(strings.TrimPrefix(r.ID, "m"))
			if err != nil || i < 0 || i >= len(points) || len(r.Timestamps) != len(r.Values) {
				return out, c.api.Problem("not-api", "the answer is not the API's")
			}
			if r.Status == "InternalError" || r.Status == "Forbidden" || r.Status == "PartialData" && doc.NextToken == "" {
				return out, c.api.Problem("partial", "the answer is partial (%s)", r.Status)
			}
			for k, text := range r.Timestamps {
				at, err := time.Parse(time.RFC3339, text)
				if err != nil {
					return out, c.api.Problem("not-api", "the answer has the time %q", text)
				}
				points[i][at.Unix()] += r.Values[k]
			}
		}
		if doc.NextToken == "" {
			break
		}
		if page >= pages {
			return out, c.api.Problem("too-large", "the answer has more than %d pages", pages)
		}
		form.Set("NextToken", doc.NextToken)
	}
	for i, q := range queries {
		switch q.what {
		case requests:
			out.Requests[q.side] = points[i]
		case failures:
			out.Errors[q.side] = points[i]
		case latency:
			out.BoundsMS = thresholdsMS()
			out.Slower[q.side] = append(out.Slower[q.side], points[i])
		}
	}
	return out, nil
}

// call signs and sends a request.
func (c *client) call(ctx context.Context, form url.Values) (result, int64, error) {
	body := []byte(form.Encode())
	req, err := http.NewRequest(http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return result{}, 0, c.api.Problem("down", "the address cannot be requested")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	hash := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(ctx, aws.Credentials{AccessKeyID: c.cfg.AccessKey, SecretAccessKey: c.cfg.SecretKey, SessionToken: c.cfg.SessionToken},
		req, hex.EncodeToString(hash[:]), "monitoring", c.cfg.Region, c.cfg.Now())
	if err != nil {
		return result{}, 0, c.api.Problem("status", "signing the request: %v", err)
	}
	answer, now, err := c.api.Do(ctx, req)
	if err != nil {
		return result{}, 0, err
	}
	var doc result
	if err := xml.Unmarshal(answer, &doc); err != nil {
		return result{}, 0, c.api.Problem("not-api", "the answer is not the API's")
	}
	return doc, now, nil
}
