package canary

import (
	"context"
	"fmt"
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
// come towards each verdict. It has at most so many characters.
func (l *Live) Line(t Tick, width int) string {
	parts := []string{"canary-gate " + duration(t.Seconds)}
	if t.State == TickSkipped {
		parts = append(parts, printable(t.Why))
	} else if t.State != TickJudged {
		parts = append(parts, strings.ReplaceAll(string(t.State), "_", "-"))
	}
	if t.Share > 0 && len(l.plan.Steps) > 0 {
		parts = append(parts, percent(t.Share)+" of the traffic")
	}
	if t.State == TickJudged {
		l.last = t
	}
	for _, m := range l.plan.Metrics {
		e, ok := l.last.Evidence[m.Name]
		if !ok || m.Gate != Block || l.last.Total[m.Name].Canary.N == 0 {
			continue
		}
		c := l.last.Total[m.Name]
		parts = append(parts, fmt.Sprintf("%s %s against %s  fail %s pass %s", printable(m.Name), share(c.Canary), share(c.Baseline),
			meter(e.LnEFail/l.plan.failThreshold()), meter(e.LnEPass/seqtest.Threshold(l.plan.Beta))))
	}
	if l.last.Why != "" {
		parts = append(parts, printable(l.last.Why))
	}
	line := []rune(strings.Join(parts, " · "))
	if len(line) > width {
		line = append(line[:max(0, width-1)], '…')
	}
	return string(line)
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
