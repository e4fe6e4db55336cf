package canary

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Calibration is what the baseline's own past says about the gate: how clustered
// its errors are, how often the gate would have raised an alarm without reason,
// and what it can see at all.
type Calibration struct {
	Schema  int                 `json:"schema"`
	Tool    string              `json:"tool"`
	Looks   int                 `json:"looks"`
	Seconds float64             `json:"seconds"`
	Metrics []MetricCalibration `json:"metrics"`
	Alpha   float64             `json:"alpha"`
	// DeadlineSeconds is the plan's.
	DeadlineSeconds float64 `json:"deadline_seconds"`
}

// MetricCalibration is one metric's.
type MetricCalibration struct {
	Name              string         `json:"name"`
	Baseline          seqtest.Cohort `json:"baseline"`
	RequestsPerSecond float64        `json:"requests_per_second"`
	// Dispersion is the variance of the looks over that of independent requests,
	// Bound what it may be at most, Divisor what the gate divides evidence by.
	Dispersion float64 `json:"dispersion"`
	Bound      float64 `json:"bound"`
	Divisor    float64 `json:"divisor"`
	Clustered  bool    `json:"clustered"`
	// FalseAlarms is the share of runs that failed when the baseline was compared
	// with itself, FalseAlarmsBare that without the divisor.
	FalseAlarms     float64      `json:"false_alarms"`
	FalseAlarmsBare float64      `json:"false_alarms_bare"`
	Runs            int          `json:"runs"`
	Detectable      []Detectable `json:"detectable"`
}

// Detectable is what can be seen at a share of the traffic.
type Detectable struct {
	Share float64 `json:"share"`
	// FailSeconds is until a canary with FailRate is seen (twice the errors, or 1 %
	// where there are next to none), PassSeconds until one that is as good passes;
	// -1 for never.
	FailRate    float64 `json:"fail_rate"`
	FailSeconds float64 `json:"fail_seconds"`
	PassSeconds float64 `json:"pass_seconds"`
	// Smallest is the smallest ratio that is seen before the deadline in half of
	// all cases, 0 for none.
	Smallest float64 `json:"smallest_ratio"`
}

// aaRuns is the number of comparisons of the baseline with itself.
const aaRuns = 1000

// Calibrate asks the baseline's past, looks of so many seconds.
func Calibrate(plan Plan, past []Sample, window float64) Calibration {
	h := NewHistory(past, window)
	out := Calibration{Schema: 1, Tool: "canary-gate calibrate", Looks: len(past), Seconds: h.Seconds, Metrics: []MetricCalibration{},
		Alpha: plan.Alpha, DeadlineSeconds: plan.Deadline.Seconds()}
	for _, m := range plan.Metrics {
		ticks := h.Ticks[m.Name]
		if m.Kind == KindLatency || m.AboveMS > 0 {
			ticks = slowTicks(past, m.AboveMS)
		}
		if m.Kind == KindGauge || m.Kind == KindRestarts || len(ticks) < 2 || h.Seconds <= 0 {
			continue
		}
		out.Metrics = append(out.Metrics, m.calibrate(plan, ticks, h.Seconds))
	}
	return out
}

func (m Metric) calibrate(plan Plan, ticks []seqtest.Cohort, seconds float64) MetricCalibration {
	var all seqtest.Cohort
	for _, c := range ticks {
		all = all.Plus(c)
	}
	d := seqtest.Disperse(ticks)
	out := MetricCalibration{Name: m.Name, Baseline: all, RequestsPerSecond: float64(all.N) / seconds,
		Dispersion: d.Raw, Bound: d.Bound, Divisor: d.Divisor(), Clustered: d.Clustered, Runs: aaRuns}
	out.FalseAlarms, out.FalseAlarmsBare = m.againstItself(plan, ticks, d.Divisor())

	p := plan
	p.Metrics = []Metric{m.WithHistory(ticks)}
	p.Metrics[0].Gate, p.Metrics[0].Kind, p.Metrics[0].IfSeen = Block, KindCount, false
	rate := all.Rate()
	for _, share := range []float64{.01, .05, .1, .25, .5} {
		tr := seqtest.Traffic{Canary: out.RequestsPerSecond * share, Baseline: out.RequestsPerSecond * (1 - share)}
		f := Preview(p, Seen{Traffic: tr, BaseRate: rate})
		out.Detectable = append(out.Detectable, Detectable{Share: share, FailRate: f.FailRate, FailSeconds: orNever(f.FailSeconds), PassSeconds: orNever(f.PassSeconds), Smallest: p.smallest(tr, rate)})
	}
	return out
}

func orNever(s float64) float64 {
	if math.IsInf(s, 1) {
		return -1
	}
	return s
}

// smallest is the smallest ratio that is typically seen before the deadline.
func (p Plan) smallest(tr seqtest.Traffic, rate float64) float64 {
	m := p.Metrics[0]
	seen := func(ratio float64) bool {
		return m.Dispersion*seqtest.Forecast(seqtest.Fail, m.Fail, p.Alpha, tr, math.Min(ratio*rate, .999), rate) <= p.Deadline.Seconds()
	}
	const most = 1000
	if rate <= 0 || !seen(math.Min(most, .999/rate)) {
		return 0
	}
	lo, hi := 1.0, math.Min(most, .999/rate)
	for range 50 {
		if mid := math.Sqrt(lo * hi); seen(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

// againstItself compares the baseline with itself: of every two neighbouring looks
// one plays the canary, drawn by lot. Neighbours, so that slow changes of the rate
// are common to both; whole looks, so that clusters stay whole.
func (m Metric) againstItself(plan Plan, ticks []seqtest.Cohort, divisor float64) (divided, bare float64) {
	r := rand.New(rand.NewPCG(1, 0xca11b))
	m = m.WithHistory(ticks)
	test := m.test(seqtest.Fail, false)
	alarms, bareAlarms := 0, 0
	for range aaRuns {
		var s seqtest.TestState
		a, b := false, false
		for i := 0; i+1 < len(ticks); i += 2 {
			k := r.IntN(2)
			s = test.Step(s, seqtest.Counts{Canary: ticks[i+k], Baseline: ticks[i+1-k]})
			a = a || test.Tempered(s, divisor) >= seqtest.Threshold(plan.Alpha)
			b = b || test.LnE(s) >= seqtest.Threshold(plan.Alpha)
		}
		if a {
			alarms++
		}
		if b {
			bareAlarms++
		}
	}
	return float64(alarms) / aaRuns, float64(bareAlarms) / aaRuns
}

// Text writes the calibration for people.
func (c Calibration) Text(w io.Writer) error {
	var b strings.Builder
	if len(c.Metrics) == 0 {
		b.WriteString("nothing to calibrate with: the history holds no requests\n")
	}
	for _, m := range c.Metrics {
		fmt.Fprintf(&b, "%s: %s of %s requests in %s (%s requests/s), %d looks\n", printable(m.Name), percent(m.Baseline.Rate()), count(m.Baseline.N), duration(c.Seconds), number(m.RequestsPerSecond), c.Looks)
		if m.Clustered {
			fmt.Fprintf(&b, "  clusters      several requests fail of one cause: the variance is %s times that of independent ones, so evidence is divided by %s\n", number(m.Dispersion), number(m.Divisor))
		} else {
			fmt.Fprintf(&b, "  clusters      none are seen (dispersion %s, at most %s): evidence counts in full\n", number(m.Dispersion), number(m.Bound))
		}
		fmt.Fprintf(&b, "  false alarms  %s of %s comparisons of the baseline with itself; at most %s was asked for", percent(m.FalseAlarms), count(int64(m.Runs)), percent(c.Alpha))
		if m.Divisor > 1 {
			fmt.Fprintf(&b, " (without the divisor it would be %s)", percent(m.FalseAlarmsBare))
		}
		b.WriteString("\n")
		for _, d := range m.Detectable {
			fmt.Fprintf(&b, "  share %-5s   %s\n", percent(d.Share), d.words(c.DeadlineSeconds))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (d Detectable) words(deadline float64) string {
	var parts []string
	if d.FailSeconds >= 0 && d.FailSeconds <= deadline {
		parts = append(parts, percent(d.FailRate)+" is seen after about "+duration(d.FailSeconds))
	}
	if d.Smallest > 0 {
		parts = append(parts, "within "+duration(deadline)+" from "+atMost(d.Smallest)+" times as many on")
	}
	if len(parts) == 0 {
		parts = append(parts, "nothing can be seen within "+duration(deadline))
	}
	if d.PassSeconds >= 0 && d.PassSeconds <= deadline {
		parts = append(parts, "passes after about "+duration(d.PassSeconds))
	} else {
		parts = append(parts, "a pass takes longer")
	}
	return strings.Join(parts, "; ")
}
