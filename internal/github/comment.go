package github

import (
	"context"
	"strings"

	gh "github.com/google/go-github/v92/github"
)

// maxComment is how many characters a comment may have.
const maxComment = 65_536

// Comment keeps one comment on a pull request: key names it, and a comment of
// ours with that key is updated. Only comments of an app or of login count as
// ours, since anybody can copy the hidden mark. It needs pull-requests: write.
func (c *Client) Comment(ctx context.Context, number int, key, login, body string) (string, error) {
	const what, need = "writing a comment", "pull-requests: write"
	mark := "<!-- fairlead: " + strings.ReplaceAll(key, "--", "- -") + " -->"
	text := gh.IssueCommentRequest{Body: mark + "\n" + clip(body, maxComment-len(mark)-2)}
	address := ""
	find := func() (int64, string, error) {
		o := &gh.IssueListCommentsOptions{ListOptions: gh.ListOptions{PerPage: 100}}
		for range maxRuns {
			var all []*gh.IssueComment
			var resp *gh.Response
			err := c.call(ctx, "reading the comments", "pull-requests: read", func() (err error) {
				all, resp, err = c.api.Issues.ListComments(ctx, c.owner, c.name, number, o)
				return err
			}, nil)
			if err != nil {
				return 0, "", err
			}
			for _, old := range all {
				ours := old.GetUser().GetType() == "Bot" || login != "" && old.GetUser().GetLogin() == login
				if ours && strings.HasPrefix(old.GetBody(), mark) {
					return old.GetID(), old.GetBody(), nil
				}
			}
			if resp.NextPage == 0 {
				break
			}
			o.Page = resp.NextPage
		}
		return 0, "", nil
	}
	id, old, err := find()
	if err != nil {
		return "", err
	}
	if id != 0 && old == text.Body {
		return "", nil
	}
	if id == 0 {
		err = c.call(ctx, what, need, func() error {
			made, _, err := c.api.Issues.CreateComment(ctx, c.owner, c.name, number, text)
			address = made.GetHTMLURL()
			return err
		}, func() (bool, error) {
			id, _, err := find()
			return id != 0, err
		})
		return address, err
	}
	err = c.call(ctx, what, need, func() error { // the same again is the same
		made, _, err := c.api.Issues.UpdateComment(ctx, c.owner, c.name, id, text)
		address = made.GetHTMLURL()
		return err
	}, nil)
	return address, err
}
