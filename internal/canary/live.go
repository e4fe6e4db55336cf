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
// come towards each verdict. It has at most so many characters: where they are few,
// the counts are left out.
func (l *Live) Line(t Tick, width int) string {
	parts := []string{"canary-gate " + duration(t.Seconds)}
	short := []string{duration(t.Seconds)} // without counts, for a narrow terminal
	if t.State == TickSkipped {
		parts, short = append(parts, printable(t.Why)), append(short, printable(t.Why))
	} else if t.State != TickJudged {
		state := strings.ReplaceAll(string(t.State), "_", "-")
		parts, short = append(parts, state), append(short, state)
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
		meters := fmt.Sprintf("fail %s pass %s", meter(e.LnEFail/l.plan.failThreshold()), meter(e.LnEPass/seqtest.Threshold(l.plan.Beta)))
		parts = append(parts, fmt.Sprintf("%s %s against %s  %s", printable(m.Name), share(c.Canary), share(c.Baseline), meters))
		short = append(short, printable(m.Name)+" "+meters)
	}
	if l.last.Why != "" {
		parts, short = append(parts, printable(l.last.Why)), append(short, printable(l.last.Why))
	}
	line := []rune(strings.Join(parts, " · "))
	if len(line) > width {
		line = []rune(strings.Join(short, " · "))
	}
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
