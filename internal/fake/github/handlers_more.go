package github

import (
	"encoding/json"
	"fmt"
	"net/http"
)

func (s *Server) listComments(c call) answer {
	all := []any{}
	for _, x := range s.state.comments {
		if x.number == c.number("issue_number") {
			all = append(all, s.commentJSON(x))
		}
	}
	page, h := paging(c, all)
	return answer{http.StatusOK, page, h}
}

func (s *Server) createComment(c call) answer {
	q := decode[struct{ Body string }](c)
	if len([]rune(q.Body)) > 65536 {
		s.wrong("creating a comment: longer than 65536 characters")
		return failed(http.StatusUnprocessableEntity, "body is too long")
	}
	x := &comment{s.id(), c.number("issue_number"), "github-actions[bot]", "Bot", q.Body, s.Now()}
	s.state.comments = append(s.state.comments, x)
	return answer{status: http.StatusCreated, body: s.commentJSON(x)}
}

func (s *Server) updateComment(c call) answer {
	for _, x := range s.state.comments {
		if x.id == c.number("comment_id") {
			x.body = decode[struct{ Body string }](c).Body
			return answer{status: http.StatusOK, body: s.commentJSON(x)}
		}
	}
	return failed(http.StatusNotFound, "Not Found")
}

func (s *Server) commentJSON(x *comment) map[string]any {
	return map[string]any{"id": x.id, "node_id": fmt.Sprint("IC_", x.id), "url": s.api(fmt.Sprint("issues/comments/", x.id)),
		"html_url": s.html(fmt.Sprintf("pull/%d#issuecomment-%d", x.number, x.id)), "body": x.body, "user": user(x.login, x.kind), "created_at": stamp(x.at), "updated_at": stamp(x.at),
		"issue_url": s.api(fmt.Sprint("issues/", x.number)), "author_association": "NONE"}
}

func (s *Server) listDeployments(c call) answer {
	q := c.r.URL.Query()
	all := []any{}
	for _, d := range newestFirst(s.state.deployments) {
		if (q.Get("sha") == "" || q.Get("sha") == d.sha) && (q.Get("environment") == "" || q.Get("environment") == d.env) && (q.Get("task") == "" || q.Get("task") == d.task) {
			all = append(all, s.deploymentJSON(d))
		}
	}
	page, h := paging(c, all)
	return answer{http.StatusOK, page, h}
}

func (s *Server) createDeployment(c call) answer {
	q := decode[struct {
		Ref              string          `json:"ref"`
		Task             string          `json:"task"`
		Environment      string          `json:"environment"`
		Description      string          `json:"description"`
		Payload          json.RawMessage `json:"payload"`
		AutoMerge        *bool           `json:"auto_merge"`
		RequiredContexts *[]string       `json:"required_contexts"`
	}](c)
	switch {
	case q.AutoMerge == nil || *q.AutoMerge:
		s.wrong("creating a deployment: auto_merge is on, GitHub would merge the default branch instead (202)")
	case q.RequiredContexts == nil:
		s.wrong("creating a deployment: without required_contexts GitHub waits for every check of the commit (409)")
	}
	d := &deployment{id: s.id(), sha: q.Ref, task: q.Task, env: q.Environment, description: q.Description, payload: q.Payload, at: s.Now()}
	s.state.deployments = append(s.state.deployments, d)
	return answer{status: http.StatusCreated, body: s.deploymentJSON(d)}
}

func (s *Server) deploymentJSON(d *deployment) map[string]any {
	payload := d.payload
	if len(payload) == 0 {
		payload = json.RawMessage("{}")
	}
	return map[string]any{"id": d.id, "node_id": fmt.Sprint("D_", d.id), "url": s.api(fmt.Sprint("deployments/", d.id)), "sha": d.sha, "ref": d.sha, "task": d.task, "payload": payload,
		"environment": d.env, "original_environment": d.env, "description": d.description, "creator": user("github-actions[bot]", "Bot"), "created_at": stamp(d.at), "updated_at": stamp(d.at),
		"statuses_url": s.api(fmt.Sprint("deployments/", d.id, "/statuses")), "repository_url": s.URL + "/repos/" + s.Repository, "transient_environment": false, "production_environment": d.env == "production"}
}

func (s *Server) deployment(c call) *deployment {
	for _, d := range s.state.deployments {
		if d.id == c.number("deployment_id") {
			return d
		}
	}
	return nil
}

func (s *Server) listStates(c call) answer {
	d := s.deployment(c)
	if d == nil {
		return failed(http.StatusNotFound, "Not Found")
	}
	all := []any{}
	for _, x := range newestFirst(d.states) {
		all = append(all, s.stateJSON(d, x))
	}
	page, h := paging(c, all)
	return answer{http.StatusOK, page, h}
}

func (s *Server) createState(c call) answer {
	d := s.deployment(c)
	if d == nil {
		return failed(http.StatusNotFound, "Not Found")
	}
	q := decode[struct {
		State       string `json:"state"`
		Description string `json:"description"`
		LogURL      string `json:"log_url"`
		URL         string `json:"environment_url"`
	}](c)
	if len([]rune(q.Description)) > 140 {
		s.wrong("creating a deployment's state: the description is longer than 140 characters")
		return failed(http.StatusUnprocessableEntity, "description is too long")
	}
	x := &deploymentState{s.id(), q.State, q.Description, q.LogURL, q.URL, s.Now()}
	d.states = append(d.states, x)
	return answer{status: http.StatusCreated, body: s.stateJSON(d, x)}
}

func (s *Server) stateJSON(d *deployment, x *deploymentState) map[string]any {
	return map[string]any{"id": x.id, "node_id": fmt.Sprint("DS_", x.id), "url": s.api(fmt.Sprint("deployments/", d.id, "/statuses/", x.id)), "state": x.state,
		"creator": user("github-actions[bot]", "Bot"), "description": x.description, "environment": d.env, "environment_url": x.url, "log_url": x.logURL, "target_url": x.logURL,
		"created_at": stamp(x.at), "updated_at": stamp(x.at), "deployment_url": s.api(fmt.Sprint("deployments/", d.id)), "repository_url": s.URL + "/repos/" + s.Repository}
}
