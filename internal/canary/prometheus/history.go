package prometheus

import (
	"context"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// History counts the baseline's past in windows of a length: its requests, and for
// a bake its response times, too. See [canary.Historian].
func (s *Source) History(ctx context.Context, before time.Time, length, width time.Duration) ([]canary.Sample, error) {
	at, err := s.client.now(ctx)
	if err != nil {
		return nil, err
	}
	if !s.chosen {
		if _, err := s.choose(ctx, at); err != nil {
			return nil, err
		}
	}
	switch {
	case !before.IsZero():
		at = min(at, before.UnixMilli())
	case s.tally.Origin != 0:
		at = s.tally.Origin
	}
	b, err := s.fetch(ctx, at, length.Milliseconds(), [...]cohort{baseline, baseline})
	if err != nil {
		return nil, err
	}
	s.unsaid = append(s.unsaid, b.notes...)
	if err := b.check(); err != nil {
		return nil, err
	}
	first, last := int64(0), int64(0)
	for _, t := range b.targets {
		if t.first != 0 && (first == 0 || t.first < first) {
			first = t.first
		}
		last = max(last, t.newest)
	}
	step := max(width.Milliseconds(), interval(b))
	if first == 0 || step <= 0 {
		return nil, nil
	}
	past := newTally()
	past.Interval = interval(b)
	if s.cfg.Alone {
		past.Latency.UnitMS = s.tally.Latency.UnitMS
		past.Latency.choose(b, true)
	}
	var out []canary.Sample
	for end := first; end <= last; end += step {
		w, err := past.advance(b, end)
		if err != nil {
			return nil, err
		}
		if end == first {
			continue
		}
		sample := canary.Sample{Counts: map[string]seqtest.Counts{}, Notes: w.notes, Seconds: float64(step) / 1000}
		for metric, c := range w.counts {
			sample.Counts[metric] = seqtest.Counts{Baseline: c[baseline]}
		}
		sample.Latency = past.Latency.Take()
		if s.cfg.Alone {
			sample.Gauges = past.readings(b, end, true)
		}
		out = append(out, sample)
	}
	if s.cfg.Alone && s.tally.Origin == 0 && past.Latency.Bounds != nil {
		// What comes after is counted in the same buckets, or not at all.
		s.tally.Latency.Bounds = past.Latency.Bounds
		s.tally.Latency.Restart()
	}
	return out, nil
}
