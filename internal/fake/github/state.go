package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// state is what the repository holds.
type state struct {
	runs        map[int]string // how each ended
	next        int
	checks      []*checkRun
	statuses    []*status
	comments    []*comment
	deployments []*deployment
}

type checkRun struct {
	id                                             int
	name, sha, key, status, conclusion, detailsURL string
	title, summary, text                           string
	annotations                                    []annotation
	at                                             time.Time
}

type annotation struct {
	Path            string `json:"path"`
	StartLine       int    `json:"start_line"`
	EndLine         int    `json:"end_line"`
	StartColumn     *int   `json:"start_column"`
	EndColumn       *int   `json:"end_column"`
	AnnotationLevel string `json:"annotation_level"`
	Message         string `json:"message"`
	Title           string `json:"title"`
	RawDetails      string `json:"raw_details"`
}

type status struct {
	id                                       int
	sha, state, context, description, target string
	at                                       time.Time
}

type comment struct {
	id, number  int
	login, kind string
	body        string
	at          time.Time
}

type deployment struct {
	id                          int
	sha, task, env, description string
	payload                     json.RawMessage
	states                      []*deploymentState
	at                          time.Time
}

type deploymentState struct {
	id                              int
	state, description, logURL, url string
	at                              time.Time
}

func (s *Server) id() int { s.state.next++; return s.state.next }

// Comment adds one by hand, as a person would; kind is User or Bot.
func (s *Server) Comment(number int, login, kind, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.comments = append(s.state.comments, &comment{s.id(), number, login, kind, body, s.Now()})
}

// JobDeployment adds the deployment that a job with an environment makes.
func (s *Server) JobDeployment(sha, env, run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.deployments = append(s.state.deployments, &deployment{id: s.id(), sha: sha, task: "deploy", env: env, payload: json.RawMessage(`""`), at: s.Now(),
		states: []*deploymentState{{s.id(), "in_progress", "", "https://github.com/" + s.Repository + "/actions/runs/" + run + "/job/1", "", s.Now()}}})
}

// Dump is everything that a person would see, oldest first.
func (s *Server) Dump() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, c := range s.state.checks {
		fmt.Fprintf(&b, "check run   %-26s %-9s on %.7s  %s  (%d annotations)\n", c.name, c.conclusion, c.sha, c.title, len(c.annotations))
	}
	for _, x := range s.state.statuses {
		fmt.Fprintf(&b, "status      %-26s %-9s on %.7s  %s\n", x.context, x.state, x.sha, x.description)
	}
	for _, c := range s.state.comments {
		first, _, _ := strings.Cut(strings.TrimSpace(c.body[strings.Index(c.body, "-->")+len("-->"):]), "\n")
		fmt.Fprintf(&b, "comment     #%d by %s: %s\n", c.number, c.login, first)
	}
	for _, d := range s.state.deployments {
		var states []string
		for _, x := range d.states {
			states = append(states, x.state)
		}
		last := ""
		if n := len(d.states); n > 0 {
			last = d.states[n-1].description
		}
		fmt.Fprintf(&b, "deployment  %-26s %-9s of %.7s  %s\n", d.env, strings.Join(states, " → "), d.sha, last)
	}
	return b.String()
}

// Counts are how many there are of each kind.
func (s *Server) Counts() (checks, annotations, statuses, comments, deployments int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.state.checks {
		annotations += len(c.annotations)
	}
	return len(s.state.checks), annotations, len(s.state.statuses), len(s.state.comments), len(s.state.deployments)
}

// paging cuts a listing and says where the next page is.
func paging[T any](c call, all []T) ([]T, http.Header) {
	q := c.r.URL.Query()
	size, _ := strconv.Atoi(q.Get("per_page"))
	if size == 0 {
		size = 30
	}
	page, _ := strconv.Atoi(q.Get("page"))
	page = max(page, 1)
	from := min((page-1)*size, len(all))
	to := min(from+size, len(all))
	h := http.Header{}
	if to < len(all) {
		q.Set("page", strconv.Itoa(page+1))
		h.Set("Link", fmt.Sprintf(`<http://%s%s?%s>; rel="next"`, c.r.Host, c.r.URL.Path, q.Encode()))
	}
	return all[from:to], h
}

func newestFirst[T any](all []T) []T {
	out := append([]T(nil), all...)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}
