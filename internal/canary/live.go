package canary

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/clock"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Live turns ticks into one line for people who watch.
type Live struct {
	plan Plan
	last Tick
}

// NewLive is the view of a run of a plan.
func NewLive(plan Plan) *Live { return &Live{plan: plan} }

// Line is what is known after a tick: time, counts, and how far the evidence has
// come towards each verdict. It has at most so many characters: where they are few,
// counts are left out, the first metric's last.
func (l *Live) Line(t Tick, width int) string {
	begin := []string{duration(math.Floor(t.Seconds))}
	switch t.State {
	case TickSkipped:
		begin = append(begin, printable(t.Why))
	case TickOrigin:
		begin = append(begin, "begins")
	case TickWarmUp:
		begin = append(begin, "warms up")
	case TickJudged:
		l.last = t
	}
	if t.Share > 0 && len(l.plan.Steps) > 0 {
		begin = append(begin, percent(t.Share)+" of the traffic")
	}
	var metrics, counts, meters []string
	for _, m := range l.plan.Metrics {
		e, ok := l.last.Evidence[m.Name]
		if !ok || m.Gate != Block || l.last.Total[m.Name].Canary.N == 0 {
			continue
		}
		c := l.last.Total[m.Name]
		counts = append(counts, " "+share(c.Canary)+" against "+share(c.Baseline)+" ")
		meters = append(meters, "fail "+meter(e.LnEFail/l.plan.failThreshold())+" pass "+meter(e.LnEPass/seqtest.Threshold(l.plan.Beta)))
		metrics = append(metrics, printable(m.Name))
	}
	for with := len(counts); ; with-- {
		parts := slices.Clone(begin)
		for i, name := range metrics {
			if i < with {
				name += counts[i]
			}
			parts = append(parts, name+" "+meters[i])
		}
		if l.last.Why != "" {
			parts = append(parts, printable(l.last.Why))
		}
		line := []rune(strings.Join(parts, " · "))
		if len(line) <= width {
			return string(line)
		}
		if with <= 0 {
			return string(append(line[:max(0, width-1)], '…'))
		}
	}
}

// meter is five characters that fill as evidence comes in.
func meter(part float64) string {
	const width = 5
	full := int(min(max(part, 0), 1) * width)
	return strings.Repeat("▰", full) + strings.Repeat("▱", width-full)
}

// Look watches a source for three looks, to say what traffic there is.
func Look(ctx context.Context, plan Plan, src Source) (Seen, error) {
	var sum seqtest.Counts
	var begin time.Time
	var seconds float64
	for looks := 0; looks < 3; {
		s, err := src.Sample(ctx)
		if err != nil {
			return Seen{}, err
		}
		switch {
		case begin.IsZero():
			begin = time.Now()
		case !s.Pending:
			looks++
			for _, m := range plan.Metrics {
				if c, ok := s.Counts[m.Name]; ok && m.Kind == KindCount {
					sum = sum.Plus(c)
					break
				}
			}
			seconds = time.Since(begin).Seconds()
		}
		if looks < 3 {
			if err := clock.Sleep(ctx, plan.Interval); err != nil {
				return Seen{}, err
			}
		}
	}
	return Seen{
		Traffic:  seqtest.Traffic{Canary: float64(sum.Canary.N) / seconds, Baseline: float64(sum.Baseline.N) / seconds},
		BaseRate: sum.Baseline.Rate(),
	}, nil
}
