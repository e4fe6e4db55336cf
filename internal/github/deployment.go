package github

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	gh "github.com/google/go-github/v92/github"
)

// Deployment is the one record of a promotion: a projection of the ledger, which
// alone is the truth.
type Deployment struct {
	Environment string
	SHA         string
	// Key is the promotion's place in the ledger, "shop/production#12".
	Key         string
	State       string // in_progress, success, failure, error or inactive
	Description string
	LogURL      string
	URL         string // where the release answers
	// Run is the workflow run: a deployment that its job made by itself is
	// adopted, so that there is one record and not two.
	Run string
}

const needDeployments = "deployments: write"

type payload struct {
	Fairlead string `json:"fairlead"`
}

// Deploy finds or makes the record and sets its state. With success, older ones
// of the environment become inactive. It needs deployments: write.
func (c *Client) Deploy(ctx context.Context, d Deployment) error {
	id, err := c.findDeployment(ctx, d)
	if err != nil {
		return err
	}
	if id == 0 {
		err = c.call(ctx, "creating a deployment", needDeployments, func() error {
			made, _, err := c.api.Repositories.CreateDeployment(ctx, c.owner, c.name, gh.DeploymentRequest{
				Ref: d.SHA, Task: new("deploy"), Environment: &d.Environment, Description: new(clip(d.Description, 140)),
				// Without these GitHub merges branches, and waits for checks that nobody requires.
				AutoMerge: new(false), RequiredContexts: []string{}, Payload: payload{d.Key},
			})
			id = made.GetID()
			return err
		}, func() (bool, error) {
			id, err = c.findDeployment(ctx, d)
			return id != 0, err
		})
		if err != nil {
			return err
		}
	}
	if err := c.setState(ctx, id, d); err != nil {
		return err
	}
	if d.State == "success" {
		return c.retire(ctx, id, d.Environment)
	}
	return nil
}

func (c *Client) findDeployment(ctx context.Context, d Deployment) (int64, error) {
	all, err := c.deployments(ctx, &gh.DeploymentsListOptions{SHA: d.SHA, Environment: d.Environment, ListOptions: gh.ListOptions{PerPage: 100}})
	if err != nil {
		return 0, err
	}
	for _, old := range all {
		var p payload
		if json.Unmarshal(old.Payload, &p) == nil && p.Fairlead == d.Key {
			return old.GetID(), nil
		}
	}
	for _, old := range all {
		var p payload
		if _ = json.Unmarshal(old.Payload, &p); p.Fairlead != "" || d.Run == "" {
			continue
		}
		last, err := c.statuses(ctx, old.GetID())
		if err != nil {
			return 0, err
		}
		for _, s := range last {
			if strings.Contains(s.GetLogURL()+"/", "/actions/runs/"+d.Run+"/") {
				return old.GetID(), nil
			}
		}
	}
	return 0, nil
}

func (c *Client) deployments(ctx context.Context, o *gh.DeploymentsListOptions) (all []*gh.Deployment, err error) {
	err = c.call(ctx, "reading the deployments", needDeployments, func() (err error) {
		all, _, err = c.api.Repositories.ListDeployments(ctx, c.owner, c.name, o)
		return err
	}, nil)
	return all, err
}

func (c *Client) statuses(ctx context.Context, id int64) (all []*gh.DeploymentStatus, err error) {
	err = c.call(ctx, "reading a deployment's states", needDeployments, func() (err error) {
		all, _, err = c.api.Repositories.ListDeploymentStatuses(ctx, c.owner, c.name, id, &gh.ListOptions{PerPage: 30})
		return err
	}, nil)
	return all, err
}

// setState adds a state, unless the newest one says the same.
func (c *Client) setState(ctx context.Context, id int64, d Deployment) error {
	description := clip(d.Description, 140)
	same := func() (bool, error) {
		all, err := c.statuses(ctx, id)
		if err != nil || len(all) == 0 {
			return false, err
		}
		return all[0].GetState() == d.State && all[0].GetDescription() == description, nil
	}
	if done, err := same(); err != nil || done {
		return err
	}
	r := gh.DeploymentStatusRequest{State: d.State, Description: &description, AutoInactive: new(false)}
	if d.LogURL != "" {
		r.LogURL = &d.LogURL
	}
	if strings.HasPrefix(d.URL, "http") {
		r.EnvironmentURL = &d.URL
	}
	return c.call(ctx, "setting a deployment's state", needDeployments, func() error {
		_, _, err := c.api.Repositories.CreateDeploymentStatus(ctx, c.owner, c.name, id, r)
		return err
	}, same)
}

// retire sets older deployments of an environment inactive. GitHub does that by
// itself for some environments only, and never for one that was left in progress.
func (c *Client) retire(ctx context.Context, current int64, environment string) error {
	all, err := c.deployments(ctx, &gh.DeploymentsListOptions{Environment: environment, ListOptions: gh.ListOptions{PerPage: 20}})
	if err != nil {
		return err
	}
	for _, old := range all {
		if old.GetID() >= current {
			continue
		}
		last, err := c.statuses(ctx, old.GetID())
		if err != nil {
			return err
		}
		if len(last) > 0 && (last[0].GetState() == "inactive" || last[0].GetState() == "failure" || last[0].GetState() == "error") {
			continue
		}
		if err := c.setState(ctx, old.GetID(), Deployment{State: "inactive", Description: fmt.Sprintf("replaced by deployment %d", current)}); err != nil {
			return err
		}
	}
	return nil
}
