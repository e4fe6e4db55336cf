package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// call is one request to a handler.
type call struct {
	r      *http.Request
	params map[string]string
	body   []byte
}

func (c call) number(name string) int {
	n, _ := strconv.Atoi(c.params[name])
	return n
}

func decode[T any](c call) T {
	var v T
	_ = json.Unmarshal(c.body, &v) // it was checked against the description
	return v
}

// handlers are by method and path below the repository.
func handlers() map[string]func(*Server, call) answer {
	return map[string]func(*Server, call) answer{
		"GET /actions/runs/{run_id}":                 (*Server).getRun,
		"POST /check-runs":                           (*Server).createCheck,
		"GET /check-runs/{check_run_id}":             (*Server).getCheck,
		"PATCH /check-runs/{check_run_id}":           (*Server).updateCheck,
		"GET /check-runs/{check_run_id}/annotations": (*Server).listAnnotations,
		"GET /commits/{ref}/check-runs":              (*Server).listChecks,
		"POST /statuses/{sha}":                       (*Server).createStatus,
		"GET /commits/{ref}/statuses":                (*Server).listStatuses,
		"GET /issues/{issue_number}/comments":        (*Server).listComments,
		"POST /issues/{issue_number}/comments":       (*Server).createComment,
		"PATCH /issues/comments/{comment_id}":        (*Server).updateComment,
		"GET /compare/{basehead}":                    (*Server).compare,
		"GET /deployments":                           (*Server).listDeployments,
		"POST /deployments":                          (*Server).createDeployment,
		"GET /deployments/{deployment_id}/statuses":  (*Server).listStates,
		"POST /deployments/{deployment_id}/statuses": (*Server).createState,
	}
}

type checkRequest struct {
	Name       string `json:"name"`
	HeadSHA    string `json:"head_sha"`
	ExternalID string `json:"external_id"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion"`
	DetailsURL string `json:"details_url"`
	Output     *struct {
		Title       string       `json:"title"`
		Summary     string       `json:"summary"`
		Text        string       `json:"text"`
		Annotations []annotation `json:"annotations"`
	} `json:"output"`
}

// apply enters a request, or says why GitHub would refuse it.
func (k *checkRun) apply(q checkRequest) string {
	if q.Status == "completed" && q.Conclusion == "" {
		return "a completed check run needs a conclusion"
	}
	if o := q.Output; o != nil {
		if len(o.Annotations) > 50 {
			return "at most 50 annotations a request"
		}
		if len([]rune(o.Summary)) > 65535 || len([]rune(o.Text)) > 65535 {
			return "summary or text is too long"
		}
		for _, a := range o.Annotations {
			if a.EndLine < a.StartLine || (a.StartColumn != nil || a.EndColumn != nil) && a.StartLine != a.EndLine {
				return "columns are for annotations of one line"
			}
		}
		k.title, k.summary, k.text = o.Title, o.Summary, o.Text
		k.annotations = append(k.annotations, o.Annotations...)
	}
	if q.Status != "" {
		k.status = q.Status
	}
	if q.Conclusion != "" {
		k.status, k.conclusion = "completed", q.Conclusion
	}
	if q.ExternalID != "" {
		k.key = q.ExternalID
	}
	return ""
}

func (s *Server) createCheck(c call) answer {
	q := decode[checkRequest](c)
	k := &checkRun{name: q.Name, sha: q.HeadSHA, detailsURL: q.DetailsURL, status: "queued", at: s.Now()}
	if why := k.apply(q); why != "" {
		s.wrong("creating a check run: %s", why)
		return failed(http.StatusUnprocessableEntity, why)
	}
	k.id = s.id()
	s.state.checks = append(s.state.checks, k)
	return answer{status: http.StatusCreated, body: s.checkJSON(k)}
}

func (s *Server) check(c call) *checkRun {
	for _, k := range s.state.checks {
		if k.id == c.number("check_run_id") {
			return k
		}
	}
	return nil
}

func (s *Server) getCheck(c call) answer {
	k := s.check(c)
	if k == nil {
		return failed(http.StatusNotFound, "Not Found")
	}
	return answer{status: http.StatusOK, body: s.checkJSON(k)}
}

func (s *Server) updateCheck(c call) answer {
	k := s.check(c)
	if k == nil {
		return failed(http.StatusNotFound, "Not Found")
	}
	if why := k.apply(decode[checkRequest](c)); why != "" {
		s.wrong("updating a check run: %s", why)
		return failed(http.StatusUnprocessableEntity, why)
	}
	return answer{status: http.StatusOK, body: s.checkJSON(k)}
}

func (s *Server) listAnnotations(c call) answer {
	k := s.check(c)
	if k == nil {
		return failed(http.StatusNotFound, "Not Found")
	}
	out := []any{}
	for _, a := range k.annotations {
		out = append(out, map[string]any{"path": a.Path, "start_line": a.StartLine, "end_line": a.EndLine, "start_column": a.StartColumn, "end_column": a.EndColumn,
			"annotation_level": a.AnnotationLevel, "title": a.Title, "message": a.Message, "raw_details": a.RawDetails, "blob_href": s.html("blob/" + k.sha + "/" + a.Path)})
	}
	page, h := paging(c, out)
	return answer{http.StatusOK, page, h}
}

func (s *Server) listChecks(c call) answer {
	all := []any{}
	for _, k := range newestFirst(s.state.checks) {
		if name := c.r.URL.Query().Get("check_name"); k.sha == c.params["ref"] && (name == "" || name == k.name) {
			all = append(all, s.checkJSON(k))
		}
	}
	page, h := paging(c, all)
	return answer{http.StatusOK, map[string]any{"total_count": len(all), "check_runs": page}, h}
}

func (s *Server) html(path string) string { return "https://github.com/" + s.Repository + "/" + path }

func (s *Server) api(path string) string { return s.URL + "/repos/" + s.Repository + "/" + path }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (s *Server) checkJSON(k *checkRun) map[string]any {
	var conclusion, completed any
	if k.conclusion != "" {
		conclusion, completed = k.conclusion, stamp(k.at)
	}
	return map[string]any{
		"id": k.id, "node_id": fmt.Sprint("CR_", k.id), "name": k.name, "head_sha": k.sha, "external_id": k.key, "url": s.api(fmt.Sprint("check-runs/", k.id)),
		"html_url": s.html(fmt.Sprint("runs/", k.id)), "details_url": k.detailsURL, "status": k.status, "conclusion": conclusion, "started_at": stamp(k.at), "completed_at": completed,
		"output": map[string]any{"title": k.title, "summary": k.summary, "text": k.text, "annotations_count": len(k.annotations),
			"annotations_url": s.api(fmt.Sprint("check-runs/", k.id, "/annotations"))},
		"check_suite": map[string]any{"id": 1}, "app": nil, "pull_requests": []any{},
	}
}

func (s *Server) createStatus(c call) answer {
	q := decode[struct {
		State       string `json:"state"`
		Context     string `json:"context"`
		Description string `json:"description"`
		TargetURL   string `json:"target_url"`
	}](c)
	if len([]rune(q.Description)) > 140 {
		s.wrong("creating a status: the description is longer than 140 characters")
		return failed(http.StatusUnprocessableEntity, "description is too long")
	}
	x := &status{s.id(), c.params["sha"], q.State, q.Context, q.Description, q.TargetURL, s.Now()}
	s.state.statuses = append(s.state.statuses, x)
	return answer{status: http.StatusCreated, body: s.statusJSON(x)}
}

func (s *Server) listStatuses(c call) answer {
	all := []any{}
	for _, x := range newestFirst(s.state.statuses) {
		if x.sha == c.params["ref"] {
			all = append(all, s.statusJSON(x))
		}
	}
	page, h := paging(c, all)
	return answer{http.StatusOK, page, h}
}

func (s *Server) statusJSON(x *status) map[string]any {
	return map[string]any{"id": x.id, "node_id": fmt.Sprint("SC_", x.id), "url": s.api("statuses/" + x.sha), "avatar_url": nil, "state": x.state, "context": x.context,
		"description": x.description, "target_url": x.target, "created_at": stamp(x.at), "updated_at": stamp(x.at), "creator": user("github-actions[bot]", "Bot")}
}

func user(login, kind string) map[string]any {
	u := "https://api.github.com/users/" + login
	return map[string]any{"login": login, "id": 41898282, "node_id": "U_1", "avatar_url": u, "gravatar_id": "", "url": u, "html_url": u, "followers_url": u, "following_url": u,
		"gists_url": u, "starred_url": u, "subscriptions_url": u, "organizations_url": u, "repos_url": u, "events_url": u, "received_events_url": u, "type": kind, "site_admin": false}
}
