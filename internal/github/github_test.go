package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	fake "github.com/fairlead-ci/fairlead/internal/fake/github"
)

const (
	repository = "acme/shop"
	sha        = "1111111111111111111111111111111111111111"
)

// world is a client and the double it talks to; waits are noted, not made.
func world(t *testing.T) (*Client, *fake.Server, *[]time.Duration) {
	t.Helper()
	srv, err := fake.Start(t.Context(), repository)
	if err != nil {
		t.Fatal(err)
	}
	var waits []time.Duration
	c, err := New(Options{API: srv.URL, Repository: repository, Token: "ghs_x", UserAgent: "fairlead/test", Transport: &http.Transport{DisableKeepAlives: true},
		Sleep: func(ctx context.Context, d time.Duration) error { waits = append(waits, d); return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		n, invalid, _ := srv.Requests()
		for _, text := range invalid {
			t.Errorf("against GitHub's API description: %s", text)
		}
		if n == 0 {
			t.Error("nothing was asked")
		}
	})
	return c, srv, &waits
}

func annotations(n int) []Annotation {
	var out []Annotation
	for i := range n {
		out = append(out, Annotation{Level: []string{"error", "warning", "note"}[i%3], Path: "requirements.txt", Line: i + 1, Column: 1, EndColumn: 5, Title: "python/not-pinned", Message: fmt.Sprint("message ", i), Hint: "write =="})
	}
	return out
}

func run(n int) CheckRun {
	return CheckRun{Name: "fairlead / pin-check", SHA: sha, Key: "100-1-pin-check", Conclusion: "failure", Title: "3 errors", Summary: "**fail**", Annotations: annotations(n)}
}

// story is everything that a job reports; each part must exist once in the end.
func story(ctx context.Context, c *Client) error {
	if _, err := c.Check(ctx, run(120)); err != nil {
		return err
	}
	if _, err := c.Comment(ctx, 7, "check", "", "**fail** in 3 places"); err != nil {
		return err
	}
	for _, d := range []Deployment{
		{State: "in_progress", Description: "rolling out"}, {State: "success", Description: "ledger #12", URL: "https://shop.example"},
	} {
		d.Environment, d.SHA, d.Key, d.LogURL = "production", sha, "shop/production#12", "https://github.com/acme/shop/actions/runs/100/job/1"
		if err := c.Deploy(ctx, d); err != nil {
			return err
		}
	}
	return c.Status(ctx, sha, "fairlead / check", "failure", strings.Repeat("long ", 50), "")
}

func once(t *testing.T, srv *fake.Server, what string) {
	t.Helper()
	checks, notes, _, comments, deployments := srv.Counts()
	if checks != 1 || notes != 120 || comments != 1 || deployments != 1 {
		t.Errorf("%s: %d check runs with %d annotations, %d comments, %d deployments\n%s", what, checks, notes, comments, deployments, srv.Dump())
	}
}

func TestReport(t *testing.T) {
	c, srv, _ := world(t)
	for range 2 { // a repeat changes nothing
		if err := story(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		once(t, srv, "report")
	}
	want := "deployment  production                 in_progress → success"
	if d := srv.Dump(); !strings.Contains(d, want) && !strings.Contains(d, "→ success") {
		t.Errorf("dump:\n%s", d)
	}
	n, _, routes := srv.Requests()
	t.Logf("%d requests of %d kinds, all valid by GitHub's API description\n%s", n, len(routes), srv.Dump())
}

// TestEveryRequestFails makes each request of the report fail in turn, in every
// way: the report is made all the same, and nothing stands there twice.
func TestEveryRequestFails(t *testing.T) {
	c, srv, _ := world(t)
	if err := story(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	total, _, _ := srv.Requests()
	faults := map[string]fake.Fault{
		"500": {Status: 500}, "502": {Status: 502, Body: "<html>"}, "lost answer": {Lost: true},
		"secondary limit": {Status: 403, Header: http.Header{"Retry-After": {"3"}}, Body: `{"message": "You have exceeded a secondary rate limit", "documentation_url": "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`},
		"429":             {Status: 429, Header: http.Header{"Retry-After": {"1"}}},
	}
	for name, fault := range faults {
		for k := 1; k <= total; k++ {
			c, srv, waits := world(t)
			srv.Fault = func(n int, _ *http.Request) fake.Fault {
				if n == k {
					return fault
				}
				return fake.Fault{}
			}
			what := fmt.Sprintf("%s at request %d of %d", name, k, total)
			if err := story(t.Context(), c); err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			once(t, srv, what)
			if len(*waits) == 0 {
				t.Errorf("%s: no wait before the next try", what)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	c, srv, waits := world(t)
	c.now = func() time.Time { return now }
	primary := fake.Fault{Status: 403, Header: http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Limit": {"1000"}, "X-Ratelimit-Reset": {fmt.Sprint(now.Add(20 * time.Second).Unix())}}}
	srv.Fault = func(n int, _ *http.Request) fake.Fault {
		if n == 1 {
			return primary
		}
		return fake.Fault{}
	}
	if _, err := c.Check(t.Context(), run(1)); err != nil || len(*waits) != 1 || (*waits)[0] != 20*time.Second {
		t.Errorf("primary limit: %v, waits %v", err, *waits)
	}
	// Beyond the budget it gives up, and says what was wanted.
	c, srv, waits = world(t)
	srv.Fault = func(int, *http.Request) fake.Fault { return fake.Fault{Status: 503} }
	_, err := c.Check(t.Context(), run(1))
	if failure.CodeOf(err) != failure.Service || !strings.Contains(err.Error(), "tries") || len(*waits) != 5 {
		t.Errorf("always 503: %v (code %d), waits %v", err, failure.CodeOf(err), *waits)
	}
}

// A token that may not is told apart from everything else, with the permission.
func TestForbidden(t *testing.T) {
	c, srv, waits := world(t)
	srv.Scopes = map[string][]string{"ghs_x": {"statuses: write"}}
	_, err := c.Check(t.Context(), run(1))
	var no *ErrForbidden
	if !errors.As(err, &no) || no.Need != "checks: write" || len(*waits) != 0 {
		t.Errorf("check run: %v, waits %v", err, *waits)
	}
	if err := c.Status(t.Context(), sha, "fairlead", "success", "ok", ""); err != nil {
		t.Error(err)
	}
	if _, err := c.Comment(t.Context(), 1, "k", "", "x"); !errors.As(err, &no) || no.Need != "pull-requests: write" {
		t.Errorf("comment: %v", err)
	}
	if err := c.Deploy(t.Context(), Deployment{Environment: "e", SHA: sha, State: "success"}); !errors.As(err, &no) || no.Need != "deployments: write" {
		t.Errorf("deployment: %v", err)
	}
}

// Somebody who copies our mark does not get our comment.
func TestCommentOfAStranger(t *testing.T) {
	c, srv, _ := world(t)
	srv.Comment(7, "mallory", "User", "<!-- fairlead: check -->\nhaha")
	for i := range 120 {
		srv.Comment(7, "ann", "User", fmt.Sprint("talk ", i))
	}
	for _, text := range []string{"first", "second", "second"} {
		if _, err := c.Comment(t.Context(), 7, "check", "", text); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, _, n, _ := srv.Counts(); n != 122 {
		t.Errorf("%d comments, want 121 of people and one of ours", n)
	}
	if d := srv.Dump(); !strings.Contains(d, "mallory: haha") || !strings.Contains(d, "github-actions[bot]: second") {
		t.Errorf("dump:\n%s", d)
	}
}

// The record that a job made by itself is adopted; an older one is retired.
func TestDeploymentOfTheJob(t *testing.T) {
	c, srv, _ := world(t)
	old := strings.Repeat("2", 40)
	if err := c.Deploy(t.Context(), Deployment{Environment: "production", SHA: old, Key: "shop/production#11", State: "success", Description: "ledger #11"}); err != nil {
		t.Fatal(err)
	}
	srv.JobDeployment(sha, "production", "100")
	d := Deployment{Environment: "production", SHA: sha, Key: "shop/production#12", State: "success", Description: "ledger #12", Run: "100"}
	if err := c.Deploy(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, n := srv.Counts(); n != 2 {
		t.Errorf("%d deployments, want the old one and the job's\n%s", n, srv.Dump())
	}
	if !strings.Contains(srv.Dump(), "success → inactive") || !strings.Contains(srv.Dump(), "in_progress → success") {
		t.Errorf("dump:\n%s", srv.Dump())
	}
}

func TestNew(t *testing.T) {
	for _, o := range []Options{{}, {Repository: "shop"}, {Repository: "a/b/c"}, {Repository: "a/b", API: "::"}, {Repository: "a/b", API: "ftp://x"}} {
		if _, err := New(o); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
