package scrape

import (
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/finding"
)

// busy is an application under load: every scrape finds a few more requests, of
// which a share failed.
type busy struct {
	mu        sync.Mutex
	rand      *rand.Rand
	share     float64
	good, bad int
	worker    int
	workers   int // separate counters that answer in turn
}

func (b *busy) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range 60 {
		if b.rand.Float64() < b.share {
			b.bad++
		} else {
			b.good++
		}
	}
	start := 1000.0
	if b.workers > 1 {
		b.worker = (b.worker + 1) % b.workers
		start += float64(b.worker) / 10
	}
	_, _ = io.WriteString(w, page(b.good, b.bad, start))
}

// TestGate runs the judge on real pages.
func TestGate(t *testing.T) {
	plan := canary.DefaultPlan()
	plan.Interval, plan.Deadline = 20*time.Millisecond, 10*time.Second
	for _, c := range []struct {
		name    string
		canary  *busy
		verdict finding.Verdict
		ended   canary.Ended
	}{
		{"bad", &busy{share: .1}, finding.Fail, canary.EndedDecided},
		{"good", &busy{}, finding.Pass, canary.EndedDecided},
		{"workers", &busy{share: .1, workers: 3}, finding.Inconclusive, canary.EndedRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, cn := newApp(t), newApp(t)
			base := &busy{rand: rand.New(rand.NewPCG(1, 2))}
			c.canary.rand = rand.New(rand.NewPCG(3, 4))
			b.serve(base.ServeHTTP)
			cn.serve(c.canary.ServeHTTP)
			s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{cn.URL}})
			rep, err := canary.Run(t.Context(), plan, s, canary.Deps{})
			if err != nil || rep.Verdict != c.verdict || rep.Ended != c.ended {
				t.Errorf("%s %s (%s), %v; want %s %s", rep.Verdict, rep.Ended, rep.Reason, err, c.verdict, c.ended)
			}
			if rep.Plan.Lag != canary.LagOn {
				t.Errorf("lag %s", rep.Plan.Lag)
			}
		})
	}
}
