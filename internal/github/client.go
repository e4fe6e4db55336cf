package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	gh "github.com/google/go-github/v92/github"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/failure"
)

// Options say where GitHub is, and as whom to talk to it.
type Options struct {
	// API is GITHUB_API_URL, "https://api.github.com" if empty.
	API string
	// Repository is OWNER/NAME.
	Repository string
	Token      string
	UserAgent  string
	// Transport carries the requests; nil for one of our own.
	Transport http.RoundTripper
	// Budget bounds the time spent waiting between tries of one call; zero means
	// one minute.
	Budget time.Duration
	// Sleep waits, or returns the context's error; nil for the clock's.
	Sleep func(context.Context, time.Duration) error
	Now   func() time.Time
}

// Client talks to one repository's API.
type Client struct {
	api         *gh.Client
	owner, name string
	budget      time.Duration
	sleep       func(context.Context, time.Duration) error
	now         func() time.Time
}

// New returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	owner, name, ok := strings.Cut(o.Repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, failure.New(failure.Usage, "", "repository %q is not OWNER/NAME", o.Repository)
	}
	base := strings.TrimSuffix(o.API, "/")
	if base == "" {
		base = "https://api.github.com"
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, failure.New(failure.Usage, "", "GITHUB_API_URL %q is not an address", o.API)
	}
	base += "/"
	// Taken as it is: WithEnterpriseURLs would add api/v3/ to hosts it does not know.
	opts := []gh.ClientOptionsFunc{gh.WithURLs(&base, &base), gh.WithTimeout(30 * time.Second), gh.WithDisableRateLimitCheck()}
	if o.Token != "" {
		opts = append(opts, gh.WithAuthToken(o.Token))
	}
	if o.UserAgent != "" {
		opts = append(opts, gh.WithUserAgent(o.UserAgent))
	}
	if o.Transport != nil {
		opts = append(opts, gh.WithTransport(o.Transport))
	}
	api, err := gh.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing GitHub's API client: %w", err)
	}
	c := &Client{api: api, owner: owner, name: name, budget: o.Budget, sleep: o.Sleep, now: o.Now}
	if c.budget == 0 {
		c.budget = time.Minute
	}
	if c.sleep == nil {
		c.sleep = clock.Sleep
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// ErrForbidden says that the token may not do something.
type ErrForbidden struct {
	What string // "writing a check run"
	Need string // "checks: write"
	err  error
}

// Error implements error.
func (e *ErrForbidden) Error() string {
	return fmt.Sprintf("%s: this token may not (it needs %s, and pull requests of forks never get it)", e.What, e.Need)
}

// Unwrap returns GitHub's answer.
func (e *ErrForbidden) Unwrap() error { return e.err }

// call runs one API call, again where GitHub is busy, slow or broken. what and
// need are for its errors. found, for calls that create something, looks for
// what an earlier try may have made although its answer was lost; it says true
// when there is nothing left to do.
func (c *Client) call(ctx context.Context, what, need string, do func() error, found func() (bool, error)) error {
	spent := time.Duration(0)
	for try := 0; ; try++ {
		err := do()
		if err == nil {
			return nil
		}
		pause, ambiguous, again := c.judge(err, try)
		if !again {
			return explain(what, need, err)
		}
		if spent += pause; spent > c.budget || try == 5 {
			return failure.New(failure.Service, "GitHub may be busy or down (githubstatus.com); run again later", "%s: gave up after %d tries: %w", what, try+1, err)
		}
		if err := c.sleep(ctx, pause); err != nil {
			return err
		}
		if ambiguous && found != nil {
			if done, err := found(); err == nil && done {
				return nil
			}
			// Whether it cannot be found or cannot be looked for: the next try
			// comes back here before it counts.
		}
	}
}

// judge says how long to wait before another try, and whether the request may
// have taken effect.
func (c *Client) judge(err error, try int) (pause time.Duration, ambiguous, again bool) {
	pause = time.Second << try // 1, 2, 4, 8, 16 s
	var primary *gh.RateLimitError
	var secondary *gh.AbuseRateLimitError
	var answer *gh.ErrorResponse
	switch {
	case errors.As(err, &primary):
		return max(primary.Rate.Reset.Sub(c.now()), time.Second), false, true
	case errors.As(err, &secondary):
		if secondary.RetryAfter != nil {
			return max(*secondary.RetryAfter, time.Second), false, true
		}
		return time.Minute, false, true
	case errors.As(err, &answer):
		code := answer.Response.StatusCode
		if code == http.StatusTooManyRequests {
			return time.Minute, false, true
		}
		return pause, true, code >= 500
	case errors.Is(err, context.Canceled):
		return 0, false, false
	default: // no answer, or half of one
		return pause, true, true
	}
}

func explain(what, need string, err error) error {
	var answer *gh.ErrorResponse
	if !errors.As(err, &answer) {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch code := answer.Response.StatusCode; code {
	case http.StatusForbidden, http.StatusNotFound:
		return &ErrForbidden{what, need, err}
	case http.StatusUnauthorized:
		return failure.New(failure.Usage, "a job's token ends with the job; give github-token the job's own, or a fresh one of a GitHub App", "%s: GitHub does not know this token (401)", what)
	default:
		return failure.New(failure.Service, "", "%s: GitHub answered %d: %s", what, code, answerText(answer))
	}
}

// answerText is GitHub's message with its details.
func answerText(a *gh.ErrorResponse) string {
	text := a.Message
	for _, e := range a.Errors {
		text += fmt.Sprintf("; %s %s %s %s", e.Resource, e.Field, e.Code, e.Message)
	}
	return strings.TrimSpace(text)
}
