package counts

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// Client does the requests of a service's API.
type Client struct {
	// Name is the service's, for people.
	Name    string
	Timeout time.Duration
	HTTP    *http.Client
}

// maxBytes bounds an answer.
const maxBytes = 8 << 20

// Do sends a request and returns the body of a 200 and the server's clock in
// seconds. Every error is a *canary.Problem without credentials in it.
func (c *Client) Do(ctx context.Context, req *http.Request) ([]byte, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	res, err := c.HTTP.Do(req.WithContext(ctx))
	if err != nil {
		return nil, 0, c.transport(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBytes+1))
	switch {
	case err != nil:
		return nil, 0, c.transport(err)
	case len(body) > maxBytes:
		return nil, 0, c.Problem("too-large", "the answer is larger than %d MiB", maxBytes>>20)
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode/100 == 4 && throttled(body):
		return nil, 0, c.Problem("status", "answered %d: too many queries; raise --interval", res.StatusCode)
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return nil, 0, c.Problem("status", "answered %d: its credentials are missing, wrong or not allowed to read metrics: %s", res.StatusCode, excerpt(body))
	case res.StatusCode/100 == 4:
		p := c.Problem("query", "refused the query (%d): %s", res.StatusCode, excerpt(body))
		return nil, 0, p
	case res.StatusCode != http.StatusOK:
		return nil, 0, c.Problem("status", "answered %d: %s", res.StatusCode, excerpt(body))
	}
	now, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return nil, 0, c.Problem("not-api", "the answer does not say what time it is (no Date header)")
	}
	return body, now.Unix(), nil
}

// throttled says that AWS refused a request because there were too many, which it
// does with 400 and one of these codes.
func throttled(body []byte) bool {
	for _, code := range []string{"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"} {
		if bytes.Contains(body, []byte("<Code>"+code+"</Code>")) {
			return true
		}
	}
	return false
}

// Problem names what went wrong with the service.
func (c *Client) Problem(kind, format string, args ...any) *canary.Problem {
	return &canary.Problem{Kind: kind, Where: c.Name, Detail: c.Name + ": " + fmt.Sprintf(format, args...)}
}

// transport turns a transport error into a phrase without the address.
func (c *Client) transport(err error) *canary.Problem {
	kind, phrase, rest := canary.Transport(err, c.Timeout)
	if phrase == "" {
		phrase = excerpt([]byte(rest.Error()))
	}
	return c.Problem(kind, "%s", phrase)
}

// excerpt keeps what a service wrote short and on one line.
func excerpt(body []byte) string {
	const most = 200
	s := strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(body[:min(len(body), most)]), ""))
	return strings.TrimSpace(s)
}
