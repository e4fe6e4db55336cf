// Package github is a double of GitHub's REST API for tests: stateful, for the
// calls that Fairlead makes, with every request and every answer checked against
// GitHub's own OpenAPI description. What the description does not say, such as
// that a completed check run has a conclusion, is checked here.
package github

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
)

// Fault makes a request fail. The zero value does nothing.
type Fault struct {
	Status int         // answer with this status instead
	Header http.Header // of that answer
	Body   string
	// Lost lets the request take effect and cuts the connection instead of answering.
	Lost bool
	// Twice lets it take effect twice, as a proxy that repeats it would.
	Twice bool
	Delay time.Duration
}

// Server is the double. Its zero value is not useful; see Start.
type Server struct {
	*httptest.Server
	// Repository is the one that exists, "OWNER/NAME".
	Repository string
	// Fault is asked before each request, numbered from 1; nil for no faults.
	Fault func(n int, r *http.Request) Fault
	// Scopes are what a token may do: "checks: write" and so on; nil for all.
	// Reading is always allowed.
	Scopes map[string][]string
	Now    func() time.Time
	// Mirrors are bare git repositories of actions, by OWNER/NAME.
	Mirrors map[string]string

	mu       sync.Mutex
	spec     *spec
	state    state
	requests int
	invalid  []string // what broke the description
	routes   map[string]int
}

// Start serves a repository until the context ends.
func Start(ctx context.Context, repository string) (*Server, error) {
	sp, err := load()
	if err != nil {
		return nil, err
	}
	s := &Server{Repository: repository, spec: sp, Now: time.Now, routes: map[string]int{}}
	s.Server = httptest.NewServer(s)
	context.AfterFunc(ctx, s.Server.Close)
	return s, nil
}

// Requests is how many were served, Invalid what was wrong with them or with the
// answers, by GitHub's description.
func (s *Server) Requests() (n int, invalid []string, routes map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, append([]string(nil), s.invalid...), s.routes
}

// answer is what a handler says.
type answer struct {
	status int
	body   any
	header http.Header
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.requests++
	n, fault := s.requests, Fault{}
	if s.Fault != nil {
		fault = s.Fault(n, r)
	}
	s.mu.Unlock()
	if fault.Delay > 0 {
		time.Sleep(fault.Delay)
	}
	if fault.Status != 0 {
		for k, v := range fault.Header {
			w.Header()[k] = v
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(fault.Status)
		if fault.Body == "" {
			fault.Body = `{"message": "made to fail", "documentation_url": "https://docs.github.com"}`
		}
		_, _ = io.WriteString(w, fault.Body)
		return
	}
	if s.serveGit(w, r) {
		return
	}
	s.mu.Lock()
	a := s.handle(r, body)
	if fault.Twice {
		a = s.handle(r, body)
	}
	s.mu.Unlock()
	if fault.Lost {
		panic(http.ErrAbortHandler)
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	var text []byte
	if a.body != nil {
		text, _ = json.Marshal(a.body)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(text)
}

// handle checks, serves and checks again. The lock is held.
func (s *Server) handle(r *http.Request, body []byte) answer {
	in, err := s.spec.input(r, body)
	if err != nil {
		s.wrong("%v", err)
		return failed(http.StatusNotFound, err.Error())
	}
	s.routes[r.Method+" "+in.Route.Path]++
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		s.wrong("%s %s: request: %v", r.Method, r.URL, err)
		return failed(http.StatusUnprocessableEntity, err.Error())
	}
	a := s.serve(r, in.PathParams, in.Route.Path, body)
	text, _ := json.Marshal(a.body)
	if a.body == nil {
		text = nil
	}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: a.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text)), Options: options(),
	})
	// GitHub answers 403 where its description forgets to say so.
	if err != nil && a.status != http.StatusForbidden && a.status != http.StatusUnauthorized {
		s.wrong("%s %s: answer %d: %v\n%s", r.Method, r.URL, a.status, err, text)
	}
	return a
}

func (s *Server) wrong(format string, args ...any) {
	s.invalid = append(s.invalid, fmt.Sprintf(format, args...))
}

func failed(status int, message string) answer {
	return answer{status: status, body: map[string]any{"message": message, "documentation_url": "https://docs.github.com/rest", "status": fmt.Sprint(status)}}
}

// scopes names the permission that a path needs for writing.
var scopes = []struct{ part, scope string }{
	{"/check-runs", "checks"}, {"/statuses/", "statuses"}, {"/deployments", "deployments"}, {"/comments", "pull-requests"}, {"/git/", "contents"},
}

func (s *Server) serve(r *http.Request, params map[string]string, route string, body []byte) answer {
	if name := params["owner"] + "/" + params["repo"]; name != s.Repository && s.Mirrors[name] == "" {
		return failed(http.StatusNotFound, "Not Found")
	}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if r.Method != http.MethodGet {
		if token == "" {
			return failed(http.StatusUnauthorized, "Requires authentication")
		}
		for _, p := range scopes {
			if s.Scopes != nil && strings.Contains(route, p.part) {
				if !allowed(s.Scopes[token], p.scope) {
					return failed(http.StatusForbidden, "Resource not accessible by integration")
				}
				break
			}
		}
	}
	h := handlers()[r.Method+" "+strings.TrimPrefix(route, "/repos/{owner}/{repo}")]
	if h == nil {
		s.wrong("%s %s is described, but the double does not serve it", r.Method, route)
		return failed(http.StatusNotFound, "Not Found")
	}
	return h(s, call{r, params, body})
}

func allowed(have []string, scope string) bool {
	for _, h := range have {
		if h == scope+": write" {
			return true
		}
	}
	return false
}
