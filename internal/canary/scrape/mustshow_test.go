package scrape

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// TestTwoAddressesAndNothingElse is the gate as somebody uses it for the first
// time: two pages, no settings, 50 requests/s on each side, on a clock that only
// sleeping moves.
func TestTwoAddressesAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		name    string
		bad     float64
		verdict finding.Verdict
		within  time.Duration // 0: what the preview says
	}{{"0 against 2 %", .02, finding.Fail, 2 * time.Minute}, {"0 against 0", 0, finding.Pass, 0}} {
		t.Run(c.name, func(t *testing.T) {
			slowest, ticks := 0.0, 0
			var cpu time.Duration
			for seed := range uint64(10) {
				now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
				begin := now
				r := rand.New(rand.NewPCG(seed, 50))
				serve := func(p float64) *app {
					a := newApp(t)
					last := begin
					var good, bad int
					a.serve(func(w http.ResponseWriter, _ *http.Request) {
						lambda := 50 * now.Sub(last).Seconds()
						last = now
						bad += int(draw.Poisson(r, lambda*p))
						good += int(draw.Poisson(r, lambda*(1-p)))
						_, _ = io.WriteString(w, page(good, bad, 1000))
					})
					return a
				}
				b, cn := serve(0), serve(c.bad)
				s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{cn.URL}})
				plan := canary.DefaultPlan()
				before := used(t)
				rep, err := canary.Run(t.Context(), plan, s, canary.Deps{Now: func() time.Time { return now }, Sleep: func(_ context.Context, d time.Duration) error {
					now = now.Add(d)
					return nil
				}})
				cpu += used(t) - before
				if err != nil || rep.Verdict != c.verdict {
					t.Fatalf("seed %d: %s (%s), %v", seed, rep.Verdict, rep.Reason, err)
				}
				within := c.within.Seconds()
				if within == 0 {
					within = canary.Preview(rep.Plan.Plan(), canary.Seen{Traffic: seqtest.Traffic{Canary: 50, Baseline: 50}}).PassSeconds
				}
				if rep.DecidedAfterSeconds > within {
					t.Errorf("seed %d: %s after %.0f s, allowed %.0f s", seed, rep.Verdict, rep.DecidedAfterSeconds, within)
				}
				slowest = max(slowest, rep.DecidedAfterSeconds)
				ticks += len(rep.Ticks)
				if seed == 9 {
					t.Logf("%s; allowed %.0f s; the slowest of 10 runs took %.0f s; %v of CPU per tick, both pages served and read included", rep.Headline(), within, slowest, (cpu / time.Duration(ticks)).Round(time.Microsecond))
				}
			}
			if per := cpu / time.Duration(ticks); per > 5*time.Millisecond { // 1 ms on a machine that has nothing else to do
				t.Errorf("%v of CPU per tick", per)
			}
		})
	}
}

// used is the CPU time of this process.
func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
