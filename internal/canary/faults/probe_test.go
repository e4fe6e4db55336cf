package faults

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/probe"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

// TestProbeFaults is the table for probes, in real time.
func TestProbeFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		page  func(n int64, side string, w http.ResponseWriter, r *http.Request)
		want  finding.Verdict // empty: anything but fail
		named string
		stop  time.Duration
	}{
		{name: "both hang for a while", page: func(n int64, _ string, _ http.ResponseWriter, r *http.Request) {
			if n < 40 {
				select {
				case <-r.Context().Done():
				case <-time.After(300 * time.Millisecond):
				}
			}
		}, named: "errors"},
		{name: "both fail", page: func(_ int64, _ string, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, want: finding.Inconclusive, named: "an outage that is not the canary's"},
		{name: "both break off", page: func(int64, string, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: finding.Inconclusive, named: "an outage that is not the canary's"},
		{name: "the canary alone fails in an outage", page: func(n int64, side string, w http.ResponseWriter, _ *http.Request) {
			if side == "canary" || n%10 == 0 {
				w.WriteHeader(503)
			}
		}, want: finding.Fail},
		{name: "interrupted", page: func(int64, string, http.ResponseWriter, *http.Request) {}, want: finding.Inconclusive, stop: 120 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := map[string]string{}
			for _, side := range []string{"baseline", "canary"} {
				var n atomic.Int64
				srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.page(n.Add(1), side, w, r) }))
				srv.Config.ErrorLog = nil
				t.Cleanup(srv.Close)
				url[side] = srv.URL
			}
			src, err := probe.New(probe.Config{Baseline: url["baseline"], Canary: url["canary"], Rate: 300, Timeout: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.stop > 0 {
				time.AfterFunc(c.stop, cancel)
			}
			plan := canary.DefaultPlan()
			plan.Interval, plan.Deadline, plan.StartWithin = 100*time.Millisecond, 4*time.Second, time.Second
			plan.Metrics = plan.Metrics[:1] // this machine's own pauses are no subject here
			// The margin is wide, since an overloaded machine lets probes time out.
			plan.Metrics[0].Pass.Delta = 0.1
			rep, _ := canary.Run(ctx, plan, src, canary.Deps{})
			if c.want == "" && rep.Verdict == finding.Fail || c.want != "" && rep.Verdict != c.want || !strings.Contains(told(rep), c.named) {
				t.Errorf("%s, want %s and %q:\n%s", rep.Verdict, c.want, c.named, told(rep))
			}
		})
	}
}
