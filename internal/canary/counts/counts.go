// Package counts is the canary source over a monitoring service that sums up
// counts in steps of its own: every step is counted once, when it is old enough
// to be final. The services themselves are the packages that give it a [Fetch].
//
// Times are the service's own: the clock of this machine is not used.
package counts

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Points are the sums by step, which is named by its beginning in seconds since
// 1970. A step without a sum is missing.
type Points map[int64]float64

// Answer is what a service said about both sides.
type Answer struct {
	// Now is the service's clock, in seconds since 1970.
	Now int64
	// Requests and Errors are the baseline's and the canary's sums.
	Requests, Errors [2]Points
	// BoundsMS are thresholds of response times, rising from 0, and Slower how many
	// responses took longer than each, by side; none where they are not asked for. A
	// step without any above 0 has no response times.
	BoundsMS []float64
	Slower   [2][]Points
}

// Fetch asks for the steps that begin in [from, to), or only for the time if both
// are 0. Every error is a *canary.Problem.
type Fetch func(ctx context.Context, from, to int64) (Answer, error)

// most is how many steps are asked for at once: services bound their answers.
const most = 1000

// Source counts steps.
type Source struct {
	fetch Fetch
	// step is the length of a step, delay how long one may still grow, both in
	// seconds.
	step, delay int64
	// next is the first step that is not counted yet, 0 before the origin.
	next int64
	// total are all requests so far, owed failed requests that were counted before
	// their requests: a service puts each into the step in which it learnt of it.
	total, owed [2]int64
	// told is set when it was said that there are no response times.
	told bool
	// every is how many seconds lie between two steps that are worth asking for, due
	// when the next ones are final by this machine's clock, as far as it runs evenly.
	every int64
	now   func() time.Time
	due   time.Time
}

// New is a source of steps that are final after a delay. However often it is looked
// at, the service is asked only when the steps of another while (every) are final:
// services count, and some bill, every question. Now is a clock for that.
func New(fetch Fetch, step, delay, every time.Duration, now func() time.Time) *Source {
	return &Source{fetch: fetch, step: int64(step.Seconds()), delay: int64(delay.Seconds()), every: int64(every.Seconds()), now: now}
}

// wait sets when the service is worth asking again, by what it said its time is.
func (s *Source) wait(service int64) {
	seconds := min(s.next+max(s.every, s.step)+s.delay-service, s.every+s.delay)
	s.due = s.now().Add(time.Duration(max(seconds, 0)) * time.Second)
}

// Aligned is false: a service may put what happened at the edge of a step into
// either.
func (s *Source) Aligned() bool { return false }

// Sample counts the steps that became final. See [canary.Source].
func (s *Source) Sample(ctx context.Context) (canary.Sample, error) {
	if s.now().Before(s.due) {
		return canary.Sample{Pending: true}, nil
	}
	origin := s.next == 0
	to := s.next + most*s.step
	a, err := s.fetch(ctx, s.next, to)
	if err != nil {
		return canary.Sample{}, err
	}
	if origin {
		s.next = (a.Now + s.step - 1) / s.step * s.step
		s.wait(a.Now)
		return canary.Sample{Origin: true, Notes: []string{fmt.Sprintf("counts come in steps of %d s and are taken %d s later, when they are final", s.step, s.delay)}}, nil
	}
	end := min((a.Now-s.delay)/s.step*s.step, to)
	if end <= s.next {
		s.wait(a.Now)
		return canary.Sample{Pending: true}, nil
	}
	var sum [2]seqtest.Cohort
	seen := [2]bool{}
	for side, name := range []string{"baseline", "canary"} {
		for t := s.next; t < end; t += s.step {
			n, ok := a.Requests[side][t]
			bad := a.Errors[side][t]
			seen[side] = seen[side] || ok
			for _, v := range []float64{n, bad} {
				if err := countable(v, name); err != nil {
					return canary.Sample{}, err
				}
			}
			sum[side].N += int64(math.Round(n))
			sum[side].Bad += int64(math.Round(bad))
		}
	}
	owed := s.owed
	for side, name := range []string{"baseline", "canary"} {
		c := &sum[side]
		c.Bad += owed[side]
		owed[side] = max(0, c.Bad-c.N)
		c.Bad -= owed[side]
		const few = 20
		if owed[side] > few+(s.total[side]+c.N)/10 {
			return canary.Sample{}, &canary.Problem{Kind: "bad-value", Cohort: name,
				Detail: fmt.Sprintf("%d failed requests more than requests: do both count the same thing?", owed[side])}
		}
	}
	// A service that shows neither side is behind, or was asked for the wrong
	// thing: no zero is made of it.
	if !seen[0] && !seen[1] {
		return canary.Sample{}, &canary.Problem{Kind: "no-data", Detail: "the service has no sums of either side since the last look: are the queries right?"}
	}
	out := canary.Sample{Counts: map[string]seqtest.Counts{canary.Errors: {Baseline: sum[0], Canary: sum[1]}}}
	for side, name := range []string{"baseline", "canary"} {
		if !seen[side] {
			out.Notes = append(out.Notes, "the service has no sums of the "+name+" in some steps")
		}
	}
	if out.Latency, err = a.latency(s.next, end, s.step); err != nil {
		return canary.Sample{}, err
	}
	if out.Latency == nil && len(a.BoundsMS) > 0 && sum[0].N+sum[1].N > 0 && !s.told {
		s.told = true
		out.Notes = append(out.Notes, "the service has no response times by threshold: it counts them only where it keeps their distribution")
	}
	s.next, s.owed = end, owed
	s.wait(a.Now)
	for side := range sum {
		s.total[side] += sum[side].N
	}
	return out, nil
}

// countable refuses what no sum of counts can be.
func countable(v float64, side string) error {
	if math.IsNaN(v) || v < 0 || v >= 1<<53 || math.Abs(v-math.Round(v)) > 1e-6 {
		return &canary.Problem{Kind: "bad-value", Cohort: side,
			Detail: fmt.Sprintf("a sum is %v, which is not a count: ask for sums of counts, not for rates or averages", v)}
	}
	return nil
}

var _ canary.Source = (*Source)(nil)
