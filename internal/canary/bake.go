package canary

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Bake turns a plan and the time before a rollout into a plan and a source that
// compare the time after it with that. The source is one that sees what runs now
// on its canary's side; the samples are what ran before, on their baseline's side,
// oldest first.
//
// Before and after are different times, and nothing keeps their rates equal but
// the release: a changed mix of requests or a slow database looks the same. The
// evidence is therefore always divided by how much the rate used to vary over
// stretches up to a quarter of the time before, and the report says what such a
// comparison can prove. It watches until the deadline: what is to be found are
// faults that take their time.
func Bake(plan Plan, src Source, before []Sample) (Plan, Source, error) {
	if len(before) < minBefore {
		return plan, nil, failure.New(failure.Usage, "give a report of a gate that watched for longer, or more history",
			"%d looks at the time before the rollout are not enough to compare with; at least %d", len(before), minBefore)
	}
	// The first tenth is the prior, and is not judged.
	known := max(1, len(before)/10)
	window := plan.Interval.Seconds()
	plan.History = NewHistory(before[:known], window)
	all := NewHistory(before, window)
	plan.Bake, plan.Lag, plan.Share, plan.Steps = true, LagOff, 0, nil
	plan.MinDuration = max(plan.MinDuration, plan.Deadline-plan.Interval)
	plan.Metrics = slices.Clone(plan.Metrics)
	for i := range plan.Metrics {
		m := &plan.Metrics[i]
		if m.Kind == KindGauge || m.Kind == KindRestarts {
			continue
		}
		ticks := all.Ticks[m.Name]
		if m.Kind == KindLatency || m.AboveMS > 0 {
			ticks = slowTicks(before, m.AboveMS)
		}
		m.Dispersion = max(m.Dispersion, drift(ticks))
	}
	// A source that looks more rarely than it is asked makes fewer looks.
	looks := max(1, int(plan.Deadline.Seconds()/max(window, before[0].Seconds)))
	return plan, &beforeAfter{src: src, before: before[known:], looks: looks}, nil
}

// minBefore is the number of looks that a time before must have.
const minBefore = 20

// drift is the dispersion of a series over stretches from one tick to a quarter
// of them all: the most cautious of all that can be measured.
func drift(ticks []seqtest.Cohort) float64 {
	worst := 1.0
	for size := 1; len(ticks)/size >= 4; size *= 2 {
		var blocks []seqtest.Cohort
		for i := 0; i+size <= len(ticks); i += size {
			var sum seqtest.Cohort
			for _, c := range ticks[i : i+size] {
				sum = sum.Plus(c)
			}
			blocks = append(blocks, sum)
		}
		if d := seqtest.Disperse(blocks); size == 1 || d.Clustered {
			worst = max(worst, d.Bound)
		}
	}
	return worst
}

// slowTicks are the counts of slow responses, for a threshold or else for the one
// that about one in twenty exceeds.
func slowTicks(samples []Sample, aboveMS float64) []seqtest.Cohort {
	h := NewHistory(samples, 1)
	if h.Times == nil {
		return nil
	}
	at := typical(h.Times)
	if aboveMS > 0 {
		at = boundAt(h.BoundsMS, aboveMS)
	}
	var out []seqtest.Cohort
	for _, s := range samples {
		if s.Latency != nil && len(s.Latency.Baseline) == len(h.Times) {
			out = append(out, seqtest.Times{Baseline: s.Latency.Baseline}.Slower(at).Baseline)
		}
	}
	return out
}

// beforeAfter puts a part of the time before beside every look at what runs now.
type beforeAfter struct {
	src    Source
	before []Sample
	looks  int
	next   int
}

// Aligned is true: there is no other moment that a baseline could be seen at.
func (b *beforeAfter) Aligned() bool { return true }

// Sample implements [Source].
func (b *beforeAfter) Sample(ctx context.Context) (Sample, error) {
	s, err := b.src.Sample(ctx)
	var known *Problem
	if errors.As(err, &known) { // there is one side only
		own := *known
		own.Cohort = ""
		if own.Where != "" {
			own.Detail = own.Where + ": " + own.Detail
		}
		return s, &own
	}
	s.Notes = slices.Clone(s.Notes)
	for i := range s.Notes {
		s.Notes[i] = strings.TrimPrefix(s.Notes[i], "canary ")
	}
	if err != nil || s.Origin || s.Pending {
		return s, err
	}
	from := min(b.next*len(b.before)/b.looks, len(b.before))
	b.next++
	to := min(b.next*len(b.before)/b.looks, len(b.before))
	past := NewHistory(b.before[from:to], 1)
	counts := map[string]seqtest.Counts{}
	for name, c := range s.Counts {
		var sum seqtest.Cohort
		for _, x := range past.Ticks[name] {
			sum = sum.Plus(x)
		}
		counts[name] = seqtest.Counts{Canary: c.Canary, Baseline: sum}
	}
	s.Counts, s.Gauges, s.Conditions = counts, b.gauges(b.next-1, s.Gauges), nil
	if l := s.Latency; l != nil {
		base := make([]int64, len(l.BoundsMS)+1)
		if sameBounds(past.BoundsMS, l.BoundsMS) {
			base = past.Times
		}
		s.Latency = &Latency{BoundsMS: l.BoundsMS, Baseline: base, Canary: l.Canary}
	}
	return s, nil
}

// gauges puts the readings of the time before beside those of now. They are taken
// look by look from as long before the rollout as the bake watches after it, so that
// what grew before is not held against what grows now.
func (b *beforeAfter) gauges(look int, now map[string]Gauge) map[string]Gauge {
	i := look * len(b.before) / b.looks
	if spare := len(b.before) - b.looks; spare >= 0 {
		i = look + spare
	}
	if i >= len(b.before) {
		return nil
	}
	out := map[string]Gauge{}
	for name, g := range now {
		if was, ok := b.before[i].Gauges[name]; ok {
			out[name] = Gauge{Baseline: was.Baseline, Canary: g.Canary}
		}
	}
	return out
}

var _ Source = (*beforeAfter)(nil)

// Before is what a report saw of its baseline, as the time before a rollout, or
// of the release that it let pass, if after is true.
func Before(rep Report, after bool) []Sample {
	var out []Sample
	for _, t := range rep.Ticks {
		if t.State != TickJudged && t.State != TickWarmUp {
			continue
		}
		s := Sample{Counts: map[string]seqtest.Counts{}}
		for name, c := range t.Counts {
			if c.Check() != nil {
				continue
			}
			if after {
				c.Baseline = c.Canary
			}
			s.Counts[name] = seqtest.Counts{Baseline: c.Baseline}
		}
		for name, g := range t.Gauges {
			if after {
				g.Baseline = g.Canary
			}
			if s.Gauges == nil {
				s.Gauges = map[string]Gauge{}
			}
			s.Gauges[name] = Gauge{Baseline: g.Baseline, Canary: math.NaN()}
		}
		if t.Times != nil && rep.Latency != nil {
			side := t.Times.Baseline
			if after {
				side = t.Times.Canary
			}
			s.Latency = &Latency{BoundsMS: rep.Latency.BoundsMS, Baseline: side, Canary: make([]int64, len(side))}
		}
		out = append(out, s)
	}
	return out
}

// sides are the words for what is compared.
func (r PlanReport) sides() (canary, baseline string) {
	if r.Bake {
		return "after", "before"
	}
	return "canary", "baseline"
}

// reworded says before and after where a bake has no canary and no baseline.
func (r PlanReport) reworded(s string) string {
	if !r.Bake {
		return s
	}
	return strings.NewReplacer("(canary)", "(after)", "(baseline)", "(before)", "the canary gets no traffic", "there is no traffic since the rollout",
		"the baseline gets no traffic", "there was no traffic before the rollout", "the baseline itself is broken", "it was broken before the rollout",
		"errors come in clusters, so", "the rate used to vary, so", "slow responses come in clusters, so", "the rate used to vary, so",
		"the baseline's", "what it was before").Replace(s)
}

// what names the comparison at the beginning of a line.
func (r PlanReport) what() string {
	if r.Bake {
		return "bake"
	}
	return "canary"
}
