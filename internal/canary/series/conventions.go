package series

import (
	"regexp"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary/expo"
)

// KnownCounters are the request counters of common libraries, best first.
func KnownCounters() []string {
	return []string{
		"flask_http_request_total",                    // prometheus_flask_exporter
		"http_requests_total",                         // convention; prometheus-fastapi-instrumentator
		"starlette_responses_total",                   // starlette-prometheus
		"starlette_requests_total",                    // starlette_exporter
		"fastapi_responses_total",                     //
		"django_http_responses_total_by_status_total", // django-prometheus
		"django_http_responses_total_by_status",       //
		"http_server_requests_total",                  //
		"http_responses_total",                        //
		"http_server_request_duration_seconds_count",  // OpenTelemetry, stable names
		"http_server_duration_milliseconds_count",     // OpenTelemetry, older names
		"http_server_requests_seconds_count",          // Micrometer
		"http_request_duration_seconds_count",         //
		"flask_http_request_duration_seconds_count",   //
		"starlette_request_duration_seconds_count",    //
		"http_request_total",                          //
		"aiohttp_requests_total",                      //
		"sanic_request_count_total",                   //
		"requests_total",                              //
	}
}

// StatusLabels are where common libraries put the response status, by names that
// every version of Prometheus can be asked for.
func StatusLabels() []string {
	return []string{"status", "code", "status_code", "http_status", "http_status_code", "response_code",
		"http_response_status_code", "status_class"}
}

var (
	statusForm = regexp.MustCompile(`^[1-5]([0-9][0-9]|[xX][xX])$`)
	failedForm = regexp.MustCompile(`^5([0-9][0-9]|[xX][xX])$`)
)

// OwnTraffic says whether a series counts health checks or scrapes: those are
// not users, and a canary that gets nothing else gets no traffic.
func OwnTraffic(s expo.Series) bool {
	for _, l := range s.Labels {
		if isPathLabel(l.Name) && isHealth(l.Value) {
			return true
		}
	}
	return false
}

// isPathLabel says whether common libraries put the route there.
func isPathLabel(name string) bool {
	switch name {
	case "path", "path_template", "handler", "endpoint", "route", "http_route", "http.route", "url.path", "url", "uri", "url_rule", "view":
		return true
	}
	return false
}

// isHealth says whether a route is asked by machines only. A page has thousands of
// labels, and is read every few seconds.
func isHealth(path string) bool {
	switch strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")) {
	case "metrics", "prometheus_metrics", "health", "healthz", "healthcheck", "live", "livez", "ready", "readyz", "ping", "status/health", "_status/health":
		return true
	}
	return false
}

// Status returns the label that holds the response status, and its value.
func Status(s expo.Series) (label, value string, ok bool) {
	for _, name := range append(StatusLabels(), "http.response.status_code") {
		if v, ok := s.Label(name); ok {
			return name, v, true
		}
	}
	return "", "", false
}

// FailedByStatus is the default rule for a bad request.
func FailedByStatus(s expo.Series) bool {
	_, v, _ := Status(s)
	return failedForm.MatchString(v)
}

// IsStatus says whether a label's value is a response status, 503 or 5xx.
func IsStatus(v string) bool { return statusForm.MatchString(v) }

// List writes a few names for people.
func List(names []string) string {
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// KnownHistograms are the histograms of response times of common libraries, best
// first.
func KnownHistograms() []string {
	return []string{
		"flask_http_request_duration_seconds",
		"http_request_duration_highr_seconds", // prometheus-fastapi-instrumentator
		"http_request_duration_seconds",
		"starlette_request_duration_seconds",
		"fastapi_requests_duration_seconds",
		"django_http_requests_latency_including_middlewares_seconds",
		"django_http_requests_latency_seconds_by_view_method",
		"http_server_request_duration_seconds", // OpenTelemetry, stable names
		"http_server_duration_milliseconds",    // OpenTelemetry, older names
		"http_server_requests_seconds",
		"request_duration_seconds",
		"aiohttp_request_duration_seconds",
		"sanic_request_latency_sec",
		"nginx_ingress_controller_request_duration_seconds",
	}
}

// ChooseHistogram picks the histogram of response times from names with or
// without _bucket: a known one, or the only one that is about requests. Without
// one it returns "".
func ChooseHistogram(names []string) string {
	found := map[string]bool{}
	for _, name := range names {
		found[strings.TrimSuffix(name, "_bucket")] = true
	}
	for _, name := range KnownHistograms() {
		if found[name] {
			return name
		}
	}
	choice := ""
	for name := range found {
		if !aboutRequests.MatchString(name) {
			continue
		}
		if choice != "" {
			return ""
		}
		choice = name
	}
	return choice
}

var aboutRequests = regexp.MustCompile(`(http|request|response|rpc).*(duration|latency|seconds|_time|_ms$|milliseconds)`)

// UnitMS is the unit of a metric of times, in milliseconds, by its name; seconds
// unless it says otherwise, as Prometheus recommends.
func UnitMS(name string) float64 {
	switch {
	case strings.Contains(name, "millisecond"), strings.HasSuffix(name, "_ms"), strings.Contains(name, "_msec"):
		return 1
	case strings.Contains(name, "microsecond"), strings.HasSuffix(name, "_us"):
		return 1e-3
	default:
		return 1000
	}
}
