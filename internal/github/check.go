package github

import (
	"context"
	"fmt"

	gh "github.com/google/go-github/v92/github"
)

// Annotation is a message at a place in a file.
type Annotation struct {
	Level                string // error, warning or note
	Path                 string
	Line, EndLine        int
	Column, EndColumn    int // 0: none; only within one line
	Title, Message, Hint string
}

// CheckRun is a finished check of a commit.
type CheckRun struct {
	Name, SHA string
	// Key tells this report from others of the same name: a repeat updates it.
	Key         string
	Conclusion  string // success, failure or neutral
	Title       string
	Summary     string // Markdown
	DetailsURL  string
	Annotations []Annotation
}

// Limits of the API.
const (
	maxAnnotations = 50     // per request; more are appended
	maxText        = 65_535 // of summary and message
	maxRuns        = 20     // pages of a listing that are read
)

// Check writes a check run with all its annotations, fifty a request, and
// returns its address. It needs checks: write, which only a GitHub App has; the
// job's own token is one.
func (c *Client) Check(ctx context.Context, r CheckRun) (string, error) {
	const what, need = "writing a check run", "checks: write"
	pages := paged(r.Annotations)
	id, address, have, err := c.findCheck(ctx, r)
	if err != nil {
		return "", err
	}
	if id == 0 {
		o := gh.CreateCheckRunOptions{Name: r.Name, HeadSHA: r.SHA, ExternalID: &r.Key, Status: new("completed"), Conclusion: &r.Conclusion,
			CompletedAt: &gh.Timestamp{Time: c.now().UTC()}, Output: output(r, pages[0])}
		if r.DetailsURL != "" {
			o.DetailsURL = &r.DetailsURL
		}
		err = c.call(ctx, what, need, func() error {
			made, _, err := c.api.Checks.CreateCheckRun(ctx, c.owner, c.name, o)
			if err == nil {
				id, address = made.GetID(), made.GetHTMLURL()
			}
			return err
		}, func() (bool, error) {
			var err error
			id, address, _, err = c.findCheck(ctx, r)
			return id != 0, err
		})
		if err != nil {
			return "", err
		}
		have = len(pages[0])
	}
	for sent, page := 0, 0; page < len(pages); page++ {
		sent += len(pages[page])
		if sent <= have && !(page == 0 && have == 0) {
			continue // created with it, or sent by an earlier try
		}
		o := gh.UpdateCheckRunOptions{Name: r.Name, Status: new("completed"), Conclusion: &r.Conclusion, Output: output(r, pages[page])}
		err = c.call(ctx, what, need, func() error {
			_, _, err := c.api.Checks.UpdateCheckRun(ctx, c.owner, c.name, id, o)
			return err
		}, func() (bool, error) {
			now, _, err := c.api.Checks.GetCheckRun(ctx, c.owner, c.name, id)
			return err == nil && now.GetOutput().GetAnnotationsCount() >= sent, err
		})
		if err != nil {
			return address, err
		}
		have = sent
	}
	return address, nil
}

// findCheck looks for the report that an earlier try made, and how many
// annotations it has.
func (c *Client) findCheck(ctx context.Context, r CheckRun) (id int64, address string, annotations int, err error) {
	o := &gh.ListCheckRunsOptions{CheckName: &r.Name, Filter: new("all"), ListOptions: gh.ListOptions{PerPage: 100}}
	for range maxRuns {
		var list *gh.ListCheckRunsResults
		var resp *gh.Response
		err = c.call(ctx, "looking for the check run", "checks: read", func() (err error) {
			list, resp, err = c.api.Checks.ListCheckRunsForRef(ctx, c.owner, c.name, r.SHA, o)
			return err
		}, nil)
		if err != nil {
			return 0, "", 0, err
		}
		for _, run := range list.CheckRuns {
			if run.GetExternalID() == r.Key && run.GetName() == r.Name {
				return run.GetID(), run.GetHTMLURL(), run.GetOutput().GetAnnotationsCount(), nil
			}
		}
		if resp.NextPage == 0 {
			break
		}
		o.Page = resp.NextPage
	}
	return 0, "", 0, nil
}

// paged cuts annotations into requests; the first one may be empty.
func paged(all []Annotation) [][]Annotation {
	pages := [][]Annotation{nil}
	for len(all) > 0 {
		n := min(len(all), maxAnnotations)
		if pages[0] == nil {
			pages[0] = all[:n]
		} else {
			pages = append(pages, all[:n])
		}
		all = all[n:]
	}
	return pages
}

func output(r CheckRun, page []Annotation) *gh.CheckRunOutput {
	o := &gh.CheckRunOutput{Title: &r.Title, Summary: new(clip(r.Summary, maxText))}
	for _, a := range page {
		level := map[string]string{"error": "failure", "warning": "warning"}[a.Level]
		if level == "" {
			level = "notice"
		}
		end := max(a.EndLine, a.Line)
		x := &gh.CheckRunAnnotation{Path: &a.Path, StartLine: new(max(a.Line, 1)), EndLine: new(max(end, 1)), AnnotationLevel: &level,
			Message: new(clip(a.Message, maxText)), Title: new(clip(a.Title, 255))}
		if a.Hint != "" {
			x.RawDetails = new(clip(a.Hint, maxText))
		}
		if a.Column > 0 && end == a.Line { // columns are for one line only
			x.StartColumn, x.EndColumn = &a.Column, new(max(a.EndColumn, a.Column))
		}
		o.Annotations = append(o.Annotations, x)
	}
	return o
}

// Status writes a commit status, for tokens that may not write check runs. A
// repeat adds an equal one, of which the newest counts. It needs statuses: write.
func (c *Client) Status(ctx context.Context, sha, name, state, description, target string) error {
	s := gh.RepoStatus{State: &state, Context: &name, Description: new(clip(description, 140))}
	if target != "" {
		s.TargetURL = &target
	}
	return c.call(ctx, "writing a commit status", "statuses: write", func() error {
		_, _, err := c.api.Repositories.CreateStatus(ctx, c.owner, c.name, sha, s)
		return err
	}, func() (bool, error) {
		all, _, err := c.api.Repositories.ListStatuses(ctx, c.owner, c.name, sha, &gh.ListOptions{PerPage: 100})
		for _, old := range all {
			if old.GetContext() == name {
				return old.GetState() == state && old.GetDescription() == s.GetDescription(), err
			}
		}
		return false, err
	})
}

// clip cuts s to at most n characters.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// String names a check run for logs.
func (r CheckRun) String() string { return fmt.Sprintf("%s: %s", r.Name, r.Conclusion) }
