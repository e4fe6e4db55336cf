package github

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is GitHub's own OpenAPI description, cut down to the paths that
// are served (command cut).
//
//go:embed openapi.json.gz
var description []byte

// spec checks requests and answers against the description.
type spec struct{ router routers.Router }

// load is done once for all doubles of a process: it takes some 50 ms.
var load = sync.OnceValues(func() (*spec, error) {
	gz, err := gzip.NewReader(bytes.NewReader(description))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(gz)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("reading GitHub's API description: %w", err)
	}
	doc.Servers = openapi3.Servers{{URL: "/"}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("routing by GitHub's API description: %w", err)
	}
	return &spec{router}, nil
})

func options() *openapi3filter.Options {
	return &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: false}
}

// input is a request ready to be checked; body is restored afterwards.
func (s *spec) input(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	c := r.Clone(r.Context())
	c.Body = io.NopCloser(bytes.NewReader(body))
	c.URL = &url.URL{Path: oneSegment(r.URL.Path), RawQuery: r.URL.RawQuery}
	c.Host = ""
	if len(body) > 0 && c.Header.Get("Content-Type") == "" {
		c.Header.Set("Content-Type", "application/json")
	}
	route, params, err := s.router.FindRoute(c)
	if err != nil {
		return nil, fmt.Errorf("%s %s is not in GitHub's API description: %w", r.Method, r.URL.Path, err)
	}
	return &openapi3filter.RequestValidationInput{Request: c, PathParams: params, Route: route, Options: options()}, nil
}

// oneSegment makes parameters that may hold slashes one segment, which is all
// that the router knows.
func oneSegment(path string) string {
	for _, marker := range []string{"/contents/", "/git/ref/", "/git/refs/", "/git/matching-refs/", "/rules/branches/", "/compare/", "/environments/"} {
		if i := strings.Index(path, marker); i >= 0 {
			head, rest := path[:i+len(marker)], path[i+len(marker):]
			tail := ""
			if marker == "/environments/" {
				for _, t := range []string{"/secrets", "/variables"} {
					if strings.HasSuffix(rest, t) {
						rest, tail = strings.TrimSuffix(rest, t), t
					}
				}
			}
			return head + strings.ReplaceAll(rest, "/", "%2F") + tail
		}
	}
	return path
}
