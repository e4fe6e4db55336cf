package github

import (
	"context"
	"strconv"

	gh "github.com/google/go-github/v92/github"
)

const needActions = "actions: read"

// Ended says how a workflow run of the repository ended (success, failure,
// cancelled, …), "" for one that goes on and for what is no run's number. In a
// private repository it needs actions: read.
func (c *Client) Ended(ctx context.Context, run string) (string, error) {
	id, err := strconv.ParseInt(run, 10, 64)
	if err != nil {
		return "", nil
	}
	var found *gh.WorkflowRun
	err = c.call(ctx, "looking at run "+run, needActions, func() (err error) {
		found, _, err = c.api.Actions.GetWorkflowRunByID(ctx, c.owner, c.name, id)
		return err
	}, nil)
	if err != nil || found.GetStatus() != "completed" {
		return "", err
	}
	return found.GetConclusion(), nil
}
