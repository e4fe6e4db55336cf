package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/cloudwatch"
	"github.com/fairlead-ci/fairlead/internal/canary/counts"
	"github.com/fairlead-ci/fairlead/internal/canary/datadog"
	"github.com/fairlead-ci/fairlead/internal/canary/probe"
	"github.com/fairlead-ci/fairlead/internal/canary/prometheus"
	"github.com/fairlead-ci/fairlead/internal/canary/scrape"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/tunnel"
)

// prometheusFlags say what to count, and from which Prometheus.
type prometheusFlags struct {
	Prometheus        string        `help:"Address of a Prometheus, or of what speaks its API, that watches both; instead of --baseline and --canary." placeholder:"URL"`
	BaselineLabels    string        `help:"With --prometheus, --datadog, --cloudwatch: labels (tags, dimensions) of the running release's series, such as version=\"1.4.0\"." placeholder:"LABELS"`
	CanaryLabels      string        `help:"The same of the canary's series." placeholder:"LABELS"`
	Labels            string        `help:"With --prometheus: labels that both have, such as job=\"web\"." placeholder:"LABELS"`
	PrometheusToken   string        `help:"Bearer token for it. Give it as an action input, or in INPUT_PROMETHEUS-TOKEN: a command line is readable for others. A name and password go into the address." placeholder:"SECRET"`
	PrometheusHeader  []string      `help:"Header for it, such as X-Scope-OrgID: acme. Repeatable." sep:"none" placeholder:"NAME: VALUE"`
	PrometheusCA      string        `name:"prometheus-ca" help:"Certificates that its own is checked with: PEM text, or a file." placeholder:"PEM"`
	PrometheusCert    string        `help:"Client certificate for it: PEM text, or a file." placeholder:"PEM"`
	PrometheusKey     string        `help:"Key of the client certificate: PEM text, or a file." placeholder:"PEM"`
	PrometheusTimeout time.Duration `default:"10s" help:"Longest time for one query to a monitoring service."`

	RequestsMetric string   `help:"Counter of requests, such as http_requests_total{handler!=\"/admin\"}; found by its name if not given." placeholder:"SELECTOR"`
	BadLabels      string   `help:"Which of them failed, such as status=~\"5..\"." placeholder:"LABELS"`
	ErrorsMetric   string   `help:"Counter of failed requests, where they have one of their own." placeholder:"SELECTOR"`
	LatencyMetric  string   `help:"Histogram of response times, such as http_request_duration_seconds; found by its name if not given, none for none. With --cloudwatch NAMESPACE NAME DIMENSION=VALUE,{{cohort}}." placeholder:"SELECTOR"`
	AlertRule      []string `help:"With --prometheus: an alerting rule of its that decides, too: one that fires for the canary and not for the baseline fails the gate. A name, a pattern such as Web*, or * for all. Repeatable." sep:"none" placeholder:"NAME"`
	Datadog        string   `help:"Ask Datadog for the counts: its API's address, such as https://api.datadoghq.eu. DD_API_KEY and DD_APP_KEY are taken from the environment; --requests-metric and --errors-metric are queries in which {{cohort}} stands for --baseline-labels and --canary-labels." placeholder:"URL"`
	Cloudwatch     string   `help:"Ask Amazon CloudWatch in this region for the counts, with the AWS credentials of the environment; --requests-metric and --errors-metric are NAMESPACE NAME DIMENSION=VALUE,{{cohort}}." placeholder:"REGION"`
	GaugeMetric    []string `help:"With --prometheus: a reading to compare, which only advises, such as queue=celery_queue_length. Repeatable." sep:"none" placeholder:"NAME=METRIC"`
}

// counters are the counters that the flags name, none for automatic ones.
func (f prometheusFlags) counters() ([]series.Counter, error) {
	if f.RequestsMetric == "" && f.BadLabels == "" && f.ErrorsMetric == "" {
		return nil, nil
	}
	if f.RequestsMetric == "" {
		return nil, failure.New(failure.Usage, "--requests-metric NAME", "--bad-labels and --errors-metric need the counter they belong to")
	}
	counter := series.Counter{Metric: canary.Errors}
	var err error
	if counter.Requests, err = series.ParseSelector(f.RequestsMetric); err != nil {
		return nil, failure.Wrap(failure.Usage, "", err)
	}
	if f.BadLabels != "" {
		if counter.Bad, err = series.ParseMatchers(f.BadLabels); err != nil {
			return nil, failure.Wrap(failure.Usage, "", err)
		}
	}
	if f.ErrorsMetric != "" {
		if counter.Errors, err = series.ParseSelector(f.ErrorsMetric); err != nil {
			return nil, failure.Wrap(failure.Usage, "", err)
		}
	}
	return []series.Counter{counter}, nil
}

// latency is the histogram that the flags name.
func (f prometheusFlags) latency() (series.Selector, error) {
	if f.LatencyMetric == "" {
		return series.Selector{}, nil
	}
	sel, err := series.ParseSelector(f.LatencyMetric)
	return sel, failure.Wrap(failure.Usage, "", err)
}

// source is what the flags say to watch, and how to let go of it.
func (c *canaryGateCmd) source(ctx context.Context, s *session) (canary.Source, func(), error) {
	servers := 0
	for _, given := range []string{c.Prometheus, c.Datadog, c.Cloudwatch} {
		if given != "" {
			servers++
		}
	}
	switch {
	case servers > 1:
		return nil, nil, failure.New(failure.Usage, "choose one", "--prometheus, --datadog and --cloudwatch exclude one another")
	case servers == 0 && (len(c.Baseline) == 0 && !c.Bake || len(c.Canary) == 0):
		return nil, nil, failure.New(failure.Usage, "--baseline URL --canary URL: the /metrics of both releases, or with --probe their base URLs; or --prometheus URL", "the gate compares two releases, and both need an address")
	case servers == 1 && (len(c.Baseline) > 0 || len(c.Canary) > 0 || c.Probe):
		return nil, nil, failure.New(failure.Usage, "leave --baseline, --canary and --probe out", "a monitoring service knows where both releases are")
	}
	if err := c.unused(); err != nil {
		return nil, nil, err
	}
	if c.Host == "" {
		return c.direct(s, nil)
	}
	s.gha.Mask(c.SSHKey)
	tun, err := tunnel.Open(ctx, tunnel.Options{URL: c.Host, Key: c.SSHKey, KnownHosts: c.SSHKnownHosts, Environ: os.Environ()})
	if err != nil {
		return nil, nil, err
	}
	src, end, err := c.direct(s, tun)
	if err != nil {
		_ = tun.Close()
		return nil, nil, err
	}
	return src, func() { end(); _ = tun.Close() }, nil
}

// unused refuses what the chosen source would silently do without.
func (c *canaryGateCmd) unused() error {
	cloud := c.Datadog != "" || c.Cloudwatch != ""
	for _, f := range []struct {
		flag      string
		pointless bool
		hint      string
	}{
		{"--alert-rule", len(c.AlertRule) > 0 && c.Prometheus == "", "it needs --prometheus, which has the rules"},
		{"--gauge-metric", len(c.GaugeMetric) > 0 && c.Prometheus == "", "it needs --prometheus"},
		{"--bad-labels", c.BadLabels != "" && cloud, "name the failed requests with --errors-metric"},
		{"--latency-metric", c.LatencyMetric != "" && c.LatencyMetric != "none" && c.Datadog != "", "response times come from the other sources"},
		{"--labels", c.Labels != "" && cloud, "write them into --requests-metric and --errors-metric"},
	} {
		if f.pointless {
			return failure.New(failure.Usage, f.hint, "%s does nothing with this source", f.flag)
		}
	}
	return nil
}

// direct is the source that the flags describe, through a tunnel if there is one.
func (c *canaryGateCmd) direct(s *session, tun *tunnel.Tunnel) (canary.Source, func(), error) {
	var via *http.Transport
	if tun != nil {
		via = &http.Transport{DialContext: tun.DialContext, MaxIdleConnsPerHost: 32, MaxResponseHeaderBytes: 64 << 10}
	}
	if c.Prometheus != "" {
		src, err := c.prometheus(s, via)
		return src, func() {}, err
	}
	// An interface that holds a nil pointer is not nil.
	var transport http.RoundTripper
	if via != nil {
		transport = via
	}
	if c.Datadog != "" || c.Cloudwatch != "" {
		if c.Bake {
			return nil, nil, failure.New(failure.Usage, "use --prometheus, or --before FILE with the /metrics pages", "--bake needs the time before, which is not asked of this service")
		}
		src, err := c.cloud(s, transport)
		return src, func() {}, err
	}
	if c.Probe {
		if len(c.Baseline) > 1 || len(c.Canary) > 1 {
			return nil, nil, failure.New(failure.Usage, "put a load balancer's address in, or leave --probe out", "--probe takes one address a side")
		}
		var requests []probe.Request
		for _, r := range c.ProbePath {
			requests = append(requests, r.Request)
		}
		p, err := probe.New(probe.Config{Baseline: c.Baseline[0], Canary: c.Canary[0], Requests: requests, Rate: c.ProbeRate, Transport: transport})
		if err != nil {
			return nil, nil, err
		}
		return p, p.Close, nil
	}
	counters, err := c.counters()
	if err != nil {
		return nil, nil, err
	}
	latency, err := c.latency()
	if err != nil {
		return nil, nil, err
	}
	src, err := scrape.New(scrape.Config{Baseline: c.Baseline, Canary: c.Canary, Alone: c.Bake, Counters: counters, Latency: latency, Transport: via})
	if err != nil {
		return nil, nil, err
	}
	return src, func() {}, nil
}

// cloud is the source for --datadog and --cloudwatch.
func (c *canaryGateCmd) cloud(s *session, via http.RoundTripper) (canary.Source, error) {
	if c.Datadog != "" {
		api, app := s.Getenv("DD_API_KEY"), s.Getenv("DD_APP_KEY")
		s.gha.Mask(api)
		s.gha.Mask(app)
		return orNil(datadog.New(datadog.Config{Site: c.Datadog, APIKey: api, AppKey: app, Requests: c.RequestsMetric, Errors: c.ErrorsMetric,
			Baseline: c.BaselineLabels, Canary: c.CanaryLabels, Timeout: c.PrometheusTimeout, Now: s.Now, Transport: via}))
	}
	secret, token := s.Getenv("AWS_SECRET_ACCESS_KEY"), s.Getenv("AWS_SESSION_TOKEN")
	s.gha.Mask(secret)
	s.gha.Mask(token)
	return orNil(cloudwatch.New(cloudwatch.Config{Region: c.Cloudwatch, Endpoint: s.Getenv("AWS_ENDPOINT_URL_CLOUDWATCH"), AccessKey: s.Getenv("AWS_ACCESS_KEY_ID"),
		SecretKey: secret, SessionToken: token, Requests: c.RequestsMetric, Errors: c.ErrorsMetric, Latency: c.LatencyMetric,
		Baseline: c.BaselineLabels, Canary: c.CanaryLabels, Timeout: c.PrometheusTimeout, Now: s.Now, Transport: via}))
}

// orNil keeps a nil pointer from becoming a source.
func orNil(src *counts.Source, err error) (canary.Source, error) {
	if err != nil {
		return nil, err
	}
	return src, nil
}

// prometheus is the source for --prometheus.
func (c *canaryGateCmd) prometheus(s *session, via *http.Transport) (canary.Source, error) {
	s.gha.Mask(c.PrometheusToken)
	s.gha.Mask(c.PrometheusKey)
	cfg := prometheus.Config{URL: c.Prometheus, Header: http.Header{}, Timeout: c.PrometheusTimeout, Alone: c.Bake, Rules: c.AlertRule, Gauges: map[string]string{}}
	var err error
	if cfg.Counters, err = c.counters(); err != nil {
		return nil, err
	}
	if cfg.Latency, err = c.latency(); err != nil {
		return nil, err
	}
	for _, side := range []struct {
		flag, text string
		to         *[]series.Matcher
	}{{"--baseline-labels", c.BaselineLabels, &cfg.Baseline}, {"--canary-labels", c.CanaryLabels, &cfg.Canary}} {
		if side.text == "" {
			return nil, failure.New(failure.Usage, `for example --baseline-labels 'version="1.4.0"' --canary-labels 'version="1.5.0"'`, "--prometheus needs %s: which series are whose?", side.flag)
		}
		if *side.to, err = series.ParseMatchers(side.text); err != nil {
			return nil, failure.New(failure.Usage, "", "%s: %w", side.flag, err)
		}
		if c.Labels != "" {
			both, err := series.ParseMatchers(c.Labels)
			if err != nil {
				return nil, failure.New(failure.Usage, "", "--labels: %w", err)
			}
			*side.to = append(both, *side.to...)
		}
	}
	for _, g := range c.GaugeMetric {
		name, metric, ok := strings.Cut(g, "=")
		sel, err := series.ParseSelector(metric)
		if !ok || name == "" || err != nil || len(sel.Matchers) > 0 {
			return nil, failure.New(failure.Usage, "for example queue=celery_queue_length", "--gauge-metric %q is not NAME=METRIC", g)
		}
		cfg.Gauges[name] = sel.Name
	}
	if c.PrometheusToken != "" {
		cfg.Header.Set("Authorization", "Bearer "+strings.TrimSpace(c.PrometheusToken))
	}
	for _, h := range c.PrometheusHeader {
		name, value, ok := strings.Cut(h, ":")
		if name = textproto.TrimString(name); !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(h, "\r\n") {
			// The value may be a secret, so it is not repeated.
			return nil, failure.New(failure.Usage, "for example X-Scope-OrgID: acme", "a --prometheus-header is not NAME: VALUE")
		}
		cfg.Header.Add(name, textproto.TrimString(value))
	}
	transport, err := c.transport(via)
	if err != nil {
		return nil, err
	}
	cfg.Transport = transport
	return prometheus.New(cfg)
}

// transport adds the TLS settings for Prometheus.
func (f prometheusFlags) transport(via *http.Transport) (http.RoundTripper, error) {
	if via == nil {
		via = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 64 << 10}
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.PrometheusCA != "" {
		text, err := pemText("--prometheus-ca", f.PrometheusCA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(text) {
			return nil, failure.New(failure.Usage, "it begins with -----BEGIN CERTIFICATE-----", "--prometheus-ca holds no certificate")
		}
	}
	if (f.PrometheusCert == "") != (f.PrometheusKey == "") {
		return nil, failure.New(failure.Usage, "give both, or neither", "one of --prometheus-cert and --prometheus-key is missing")
	}
	if f.PrometheusCert != "" {
		cert, err := pemText("--prometheus-cert", f.PrometheusCert)
		if err != nil {
			return nil, err
		}
		key, err := pemText("--prometheus-key", f.PrometheusKey)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, failure.New(failure.Usage, "", "reading the client certificate for Prometheus: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	via.TLSClientConfig = conf
	return via, nil
}

// pemText is the text itself, or the file that it names.
func pemText(flag, v string) ([]byte, error) {
	if strings.Contains(v, "-----BEGIN ") {
		return []byte(v), nil
	}
	text, err := os.ReadFile(v)
	if err != nil {
		return nil, failure.New(failure.Usage, "", "%s: %w", flag, err)
	}
	return text, nil
}
