package counts

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// TestFailuresOfAnotherStep: a failed request may be summed up in a step before or
// after its request; what fails more often than it is asked is another thing.
func TestFailuresOfAnotherStep(t *testing.T) {
	now := int64(0)
	requests := Points{60: 100, 120: 0, 180: 5, 240: 0, 300: 100}
	failed := Points{60: 1, 120: 2, 180: 5, 240: 3, 300: 0}
	s := New(func(context.Context, int64, int64) (Answer, error) {
		return Answer{Now: now, Requests: [2]Points{requests, requests}, Errors: [2]Points{{}, failed}}, nil
	}, time.Minute, 0, time.Minute, func() time.Time { return time.Unix(now, 0) })
	var sum seqtest.Counts
	for ; now <= 360; now += 60 {
		got, err := s.Sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if c := got.Counts[canary.Errors]; c.Check() != nil {
			t.Errorf("at %d: %+v", now, c)
		} else {
			sum = sum.Plus(c)
		}
	}
	if want := (seqtest.Counts{Baseline: seqtest.Cohort{N: 205}, Canary: seqtest.Cohort{N: 205, Bad: 11}}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
	requests[360], failed[360] = 10, 60
	now = 420
	var p *canary.Problem
	if _, err := s.Sample(t.Context()); !errors.As(err, &p) || p.Kind != "bad-value" || !strings.Contains(p.Detail, "50 failed requests more than requests") {
		t.Errorf("%v", err)
	}
	failed[360] = 1 // the service corrects itself: the window is counted as if nothing had been
	got, err := s.Sample(t.Context())
	if want := (seqtest.Cohort{N: 10, Bad: 1}); err != nil || got.Counts[canary.Errors].Canary != want {
		t.Errorf("%+v, %v", got.Counts, err)
	}
}

// TestThrottled: AWS says 400 to too many requests.
func TestThrottled(t *testing.T) {
	for body, want := range map[string]string{
		"<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>": "too many queries",
		"<ErrorResponse><Error><Code>ValidationError</Code></Error></ErrorResponse>":                                               "refused the query",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(body))
		}))
		req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := Client{Name: "cloudwatch", Timeout: time.Minute, HTTP: http.DefaultClient}
		if _, _, err := c.Do(t.Context(), req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		srv.Close()
	}
}
