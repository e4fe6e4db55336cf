package gha

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEvent(t *testing.T) {
	const repo = `"repository": {"full_name": "acme/shop", "default_branch": "main"}`
	for _, c := range []struct {
		name, payload string
		want          Event
	}{
		{"push", `{` + repo + `, "before": "b0", "after": "h0"}`, Event{Head: "sha", Base: "b0"}},
		{"push", `{` + repo + `, "before": "0000000000000000000000000000000000000000", "after": "h0"}`, Event{Head: "sha"}},
		{"pull_request", `{` + repo + `, "action": "opened", "pull_request": {"number": 7, "head": {"sha": "h1", "repo": {"full_name": "Acme/shop"}}, "base": {"sha": "b1"}}}`,
			Event{Action: "opened", Head: "h1", Base: "b1", Number: 7}},
		{"pull_request", `{` + repo + `, "pull_request": {"number": 8, "head": {"sha": "h2", "repo": {"full_name": "eve/shop"}}, "base": {"sha": "b2"}}}`,
			Event{Head: "h2", Base: "b2", Number: 8, Fork: true}},
		{"pull_request", `{` + repo + `, "pull_request": {"number": 8, "head": {"sha": "h2", "repo": null}, "base": {"sha": "b2"}}}`,
			Event{Head: "h2", Base: "b2", Number: 8, Fork: true}},
		{"pull_request_target", `{` + repo + `, "pull_request": {"number": 9, "head": {"sha": "h3", "repo": {"full_name": "eve/shop"}}, "base": {"sha": "b3"}}}`,
			Event{Head: "h3", Base: "b3", Number: 9, Fork: true, Foreign: true}},
		{"merge_group", `{` + repo + `, "action": "checks_requested", "merge_group": {"head_sha": "h4", "base_sha": "b4"}}`, Event{Action: "checks_requested", Head: "h4", Base: "b4"}},
		{"workflow_run", `{` + repo + `, "workflow_run": {"event": "pull_request", "head_sha": "h5", "head_repository": {"full_name": "acme/shop"}, "pull_requests": [{"number": 3}]}}`,
			Event{Head: "h5", Number: 3, Foreign: true}},
		{"workflow_run", `{` + repo + `, "workflow_run": {"event": "push", "head_sha": "h6", "head_repository": {"full_name": "acme/shop"}}}`, Event{Head: "h6"}},
		{"workflow_dispatch", `{` + repo + `, "inputs": {"digest": "sha256:1"}}`, Event{Head: "sha"}},
		{"repository_dispatch", `{` + repo + `, "action": "deploy", "client_payload": {"x": 1}}`, Event{Action: "deploy", Head: "sha"}},
		{"schedule", `{` + repo + `, "schedule": "0 0 * * *"}`, Event{Head: "sha"}},
	} {
		path := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(path, []byte(c.payload), 0o644); err != nil {
			t.Fatal(err)
		}
		env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": c.name, "GITHUB_EVENT_PATH": path, "GITHUB_REPOSITORY": "acme/shop", "GITHUB_SHA": "sha", "GITHUB_REF": "refs/heads/x"}
		got, err := New(func(k string) string { return env[k] }, io.Discard).Event()
		if err != nil {
			t.Fatal(err)
		}
		if c.name == "workflow_dispatch" && got.Inputs["digest"] != "sha256:1" || c.name == "repository_dispatch" && got.ClientPayload["x"] != 1.0 {
			t.Errorf("%s: %+v", c.name, got)
		}
		got.Inputs, got.ClientPayload = nil, nil
		c.want.Name, c.want.Repository, c.want.DefaultBranch, c.want.SHA, c.want.Ref = c.name, "acme/shop", "main", "sha", "refs/heads/x"
		if got.Name != c.want.Name || got.Action != c.want.Action || got.Head != c.want.Head || got.Base != c.want.Base || got.Number != c.want.Number || got.Fork != c.want.Fork || got.Foreign != c.want.Foreign {
			t.Errorf("%s %s:\n got %+v\nwant %+v", c.name, c.payload, got, c.want)
		}
	}
}

func TestEventErrors(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, filepath.Join(dir, "none")} {
		env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": path}
		if _, err := New(func(k string) string { return env[k] }, io.Discard).Event(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if e, err := New(func(string) string { return "" }, io.Discard).Event(); err != nil || e.Name != "" {
		t.Errorf("outside Actions: %+v, %v", e, err)
	}
}
