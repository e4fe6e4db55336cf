package scrape

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/expo"
)

// knownCounters are the request counters of common libraries, best first.
func knownCounters() []string {
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

func statusLabels() []string {
	return []string{"status", "code", "status_code", "http_status", "http_status_code", "response_code",
		"http_response_status_code", "status_class"}
}

var (
	statusForm = regexp.MustCompile(`^[1-5]([0-9][0-9]|[xX][xX])$`)
	failedForm = regexp.MustCompile(`^5([0-9][0-9]|[xX][xX])$`)
	healthForm = regexp.MustCompile(`(?i)^/?(metrics|prometheus_metrics|health|healthz|healthcheck|livez?|readyz?|ping|_?status/health)/?$`)
)

// pathLabels name the route in common libraries.
func pathLabels() []string {
	return []string{"path", "path_template", "handler", "endpoint", "route", "http_route", "url", "uri", "url_rule", "view"}
}

// ownTraffic says whether a series counts health checks or scrapes: those are
// not users, and a canary that gets nothing else gets no traffic.
func ownTraffic(s expo.Series) bool {
	for _, name := range pathLabels() {
		if v, ok := s.Label(name); ok && healthForm.MatchString(v) {
			return true
		}
	}
	return false
}

// status returns the label that holds the response status, and its value.
func status(s expo.Series) (label, value string, ok bool) {
	for _, name := range statusLabels() {
		if v, ok := s.Label(name); ok {
			return name, v, true
		}
	}
	return "", "", false
}

// failedByStatus is the default rule for a bad request.
func failedByStatus(s expo.Series) bool {
	_, v, _ := status(s)
	return failedForm.MatchString(v)
}

// detect chooses the request counter all pages are read by. It returns a
// Problem when there is none yet, or (fatal) when there are several to choose
// from.
func detect(pages []expo.Page) (string, error) {
	found := map[string]bool{} // name → has a status label wherever it stands
	for _, p := range pages {
		for _, s := range p.Series {
			_, v, ok := status(s)
			ok = ok && statusForm.MatchString(v)
			if before, seen := found[s.Name]; seen {
				ok = ok && before
			}
			found[s.Name] = ok
		}
	}
	for _, name := range knownCounters() {
		if found[name] {
			return name, nil
		}
		// Declared, but nothing was counted yet.
		for _, p := range pages {
			if _, seen := found[name]; !seen && p.Types[name] == "counter" {
				return name, nil
			}
		}
	}
	var fits, others []string
	for name, ok := range found {
		switch {
		case !strings.HasSuffix(name, "_total") && !strings.HasSuffix(name, "_count"):
		case ok:
			fits = append(fits, name)
		default:
			others = append(others, name)
		}
	}
	slices.Sort(fits)
	slices.Sort(others)
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(fits) > 1:
		return "", &canary.Problem{Kind: "no-counter", Fatal: true,
			Detail: "several counters have a status label (" + list(fits) + "): choose one with --requests-metric"}
	case len(others) > 0:
		return "", &canary.Problem{Kind: "no-counter",
			Detail: "no counter with a status label yet (there are " + list(others) +
				"): name it with --requests-metric and the failed ones with --bad-labels"}
	}
	return "", &canary.Problem{Kind: "no-counter",
		Detail: "the pages show no request counter yet: name it with --requests-metric, or send a first request"}
}

func list(names []string) string {
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
