package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/expo"
)

// answer is one page with the server's own clock, where it sends one.
type answer struct {
	page expo.Page
	date time.Time
}

// fetch scrapes one address by a client. Every error is a *canary.Problem.
func (s *Source) fetch(ctx context.Context, by *http.Client, in *instance) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	problem := func(kind, format string, args ...any) error {
		return &canary.Problem{Kind: kind, Cohort: in.cohort, Where: in.where, Detail: fmt.Sprintf(format, args...)}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, in.url, nil)
	if err != nil {
		return answer{}, problem("down", "the address cannot be requested")
	}
	for name, values := range s.cfg.Header {
		req.Header[name] = values
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	res, err := by.Do(req)
	if err != nil {
		kind, detail := s.reason(err)
		return answer{}, problem(kind, "%s", detail)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return answer{}, problem("status", "answered %d, a redirect: give the final address", res.StatusCode)
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return answer{}, problem("status", "answered %d: the page needs credentials (http://NAME:PASSWORD@…)", res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return answer{}, problem("status", "answered %d instead of metrics", res.StatusCode)
	}
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	switch media = strings.ToLower(strings.TrimSpace(media)); media {
	case "text/html", "application/xhtml+xml":
		return answer{}, problem("not-metrics", "answered an HTML page instead of metrics: is the path right?")
	case "application/json", "application/vnd.google.protobuf":
		return answer{}, problem("not-metrics", "answered %s instead of metrics as text", media)
	}
	body := &limited{r: res.Body, left: s.cfg.MaxBytes}
	page, err := in.reader.Parse(body)
	switch {
	case body.exceeded:
		return answer{}, problem("too-large", "the page is larger than %d MiB", s.cfg.MaxBytes>>20)
	case body.failed != nil:
		kind, detail := s.reason(body.failed)
		return answer{}, problem(kind, "the answer broke off: %s", detail)
	case err != nil:
		return answer{}, problem("not-metrics", "the page is not in the Prometheus text format: %v", err)
	}
	date, _ := http.ParseTime(res.Header.Get("Date"))
	return answer{page: page, date: date}, nil
}

// reason turns a transport error into a kind and a phrase without the address,
// which may hold credentials.
func (s *Source) reason(err error) (kind, detail string) {
	kind, phrase, rest := canary.Transport(err, s.cfg.Timeout)
	if phrase != "" {
		return kind, phrase
	}
	text := rest.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return kind, text
}

// limited is an io.LimitedReader that tells the limit from the end.
type limited struct {
	r        io.Reader
	left     int64
	exceeded bool
	failed   error
}

var errLimit = errors.New("the page is too large")

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		l.exceeded = true
		return 0, errLimit
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		l.failed = err
	}
	return n, err
}
