package gha

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// maxEvent bounds the payload that is read; GitHub's own limit is 25 MB.
const maxEvent = 32 << 20

// Event is what started the workflow, as far as a tool needs it: from the
// variables that the runner sets and the payload in GITHUB_EVENT_PATH.
type Event struct {
	// Name is push, pull_request, pull_request_target, merge_group,
	// workflow_dispatch, repository_dispatch, schedule, workflow_run or another.
	Name   string
	Action string // of the payload: opened, synchronize, checks_requested, …
	// Repository is OWNER/NAME, DefaultBranch its main branch.
	Repository, DefaultBranch string
	// Ref and SHA are GITHUB_REF and GITHUB_SHA. For pull_request they are those
	// of the merge that GitHub tries out.
	Ref, SHA string
	// Head is the commit that people wrote and that a check belongs to; Base the
	// one that it is compared with, "" where the event has none.
	Head, Base string
	// Number is the pull request's; 0 without one.
	Number int
	// Fork says that the head comes from another repository: the token is
	// read-only and there are no secrets.
	Fork bool
	// Foreign says that the workflow runs with this repository's rights while the
	// head is not this repository's default branch: pull_request_target, or a
	// workflow_run after a pull request.
	Foreign bool
	// ClientPayload is what a repository_dispatch carries; Inputs what a
	// workflow_dispatch was given.
	ClientPayload, Inputs map[string]any
}

type repository struct {
	FullName      string `json:"full_name"`
	DefaultBranch string `json:"default_branch"`
}

type side struct {
	SHA  string      `json:"sha"`
	Repo *repository `json:"repo"` // null when the fork was deleted
}

type payload struct {
	Action      string     `json:"action"`
	Repository  repository `json:"repository"`
	Before      string     `json:"before"`
	After       string     `json:"after"`
	PullRequest *struct {
		Number int  `json:"number"`
		Head   side `json:"head"`
		Base   side `json:"base"`
	} `json:"pull_request"`
	MergeGroup *struct {
		HeadSHA string `json:"head_sha"`
		BaseSHA string `json:"base_sha"`
	} `json:"merge_group"`
	WorkflowRun *struct {
		Event          string     `json:"event"`
		HeadSHA        string     `json:"head_sha"`
		HeadRepository repository `json:"head_repository"`
		PullRequests   []struct {
			Number int `json:"number"`
		} `json:"pull_requests"`
	} `json:"workflow_run"`
	ClientPayload map[string]any `json:"client_payload"`
	Inputs        map[string]any `json:"inputs"`
}

// Event reads the event. Outside Actions it is the zero Event.
func (r *Runtime) Event() (Event, error) {
	if !r.Active() {
		return Event{}, nil
	}
	e := Event{Name: r.getenv("GITHUB_EVENT_NAME"), Repository: r.getenv("GITHUB_REPOSITORY"), Ref: r.getenv("GITHUB_REF"), SHA: r.getenv("GITHUB_SHA")}
	e.Head = e.SHA
	path := r.getenv("GITHUB_EVENT_PATH")
	if path == "" {
		return e, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return e, fmt.Errorf("reading the event: %w", err)
	}
	if info.Size() > maxEvent {
		return e, fmt.Errorf("reading the event: %s has %d bytes", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return e, fmt.Errorf("reading the event: %w", err)
	}
	var p payload
	if err := json.Unmarshal(text, &p); err != nil {
		return e, fmt.Errorf("reading the event %s: %w", path, err)
	}
	e.fill(p)
	return e, nil
}

// fill enters what the payload says.
func (e *Event) fill(p payload) {
	e.Action, e.DefaultBranch = p.Action, p.Repository.DefaultBranch
	e.ClientPayload, e.Inputs = p.ClientPayload, p.Inputs
	if e.Repository == "" {
		e.Repository = p.Repository.FullName
	}
	switch {
	case p.PullRequest != nil:
		e.Number, e.Head, e.Base = p.PullRequest.Number, p.PullRequest.Head.SHA, p.PullRequest.Base.SHA
		e.Fork = p.PullRequest.Head.Repo == nil || !strings.EqualFold(p.PullRequest.Head.Repo.FullName, e.Repository)
		e.Foreign = e.Name == "pull_request_target"
	case p.MergeGroup != nil:
		e.Head, e.Base = p.MergeGroup.HeadSHA, p.MergeGroup.BaseSHA
	case p.WorkflowRun != nil:
		e.Head = p.WorkflowRun.HeadSHA
		e.Fork = !strings.EqualFold(p.WorkflowRun.HeadRepository.FullName, e.Repository)
		e.Foreign = e.Fork || strings.HasPrefix(p.WorkflowRun.Event, "pull_request")
		if len(p.WorkflowRun.PullRequests) == 1 {
			e.Number = p.WorkflowRun.PullRequests[0].Number
		}
	case e.Name == "push":
		if strings.Trim(p.Before, "0") != "" {
			e.Base = p.Before
		}
	}
	if e.Head == "" {
		e.Head = e.SHA
	}
}
