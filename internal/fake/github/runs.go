package github

import (
	"fmt"
	"net/http"
	"strings"
)

// SetRun enters a workflow run: how it ended, "" for one that goes on. Of others
// the token may know nothing, as in a private repository without actions: read.
func (s *Server) SetRun(id int, conclusion string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.runs == nil {
		s.state.runs = map[int]string{}
	}
	s.state.runs[id] = conclusion
}

func (s *Server) getRun(c call) answer {
	id := c.number("run_id")
	conclusion, ok := s.state.runs[id]
	if !ok {
		return failed(http.StatusForbidden, "Resource not accessible by integration")
	}
	at := s.api(fmt.Sprint("actions/runs/", id))
	body := map[string]any{
		"id": id, "node_id": fmt.Sprint("WFR_", id), "head_branch": "main", "run_number": 1, "display_title": "deploy", "event": "push", "status": "in_progress", "conclusion": nil,
		"head_sha": strings.Repeat("1", 40), "path": ".github/workflows/deploy.yml", "workflow_id": 1, "url": at, "html_url": s.html(fmt.Sprint("actions/runs/", id)),
		"created_at": stamp(s.Now()), "updated_at": stamp(s.Now()), "head_commit": nil, "head_repository": s.minimalJSON(), "repository": s.minimalJSON(), "pull_requests": []any{},
	}
	for _, name := range []string{"jobs", "logs", "check_suite", "cancel", "rerun", "artifacts", "workflow"} {
		body[name+"_url"] = at + "/" + name
	}
	if conclusion != "" {
		body["status"], body["conclusion"] = "completed", conclusion
	}
	return answer{status: http.StatusOK, body: body}
}

// minimalJSON is the repository as it stands inside other answers.
func (s *Server) minimalJSON() map[string]any {
	owner, name, _ := strings.Cut(s.Repository, "/")
	body := map[string]any{"id": 1, "node_id": "R_1", "name": name, "full_name": s.Repository, "private": true, "fork": false, "description": nil,
		"owner": user(owner, "Organization"), "html_url": s.html(""), "url": s.api("")}
	for _, what := range []string{"archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare", "contents", "contributors", "deployments", "downloads",
		"events", "forks", "git_commits", "git_refs", "git_tags", "hooks", "issue_comment", "issue_events", "issues", "keys", "labels", "languages", "merges", "milestones",
		"notifications", "pulls", "releases", "stargazers", "statuses", "subscribers", "subscription", "tags", "teams", "trees"} {
		body[what+"_url"] = s.api(what)
	}
	return body
}
