package canary

import (
	"math"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// Seen is the traffic a forecast is made for.
type Seen struct {
	// Traffic is in requests per second.
	Traffic seqtest.Traffic
	// BaseRate is the baseline's share of bad requests.
	BaseRate float64
}

// Forecast says how long a verdict takes at some traffic, in seconds; infinite
// when it never comes.
type Forecast struct {
	// FailSeconds is for the regression named in FailRate, PassSeconds for a
	// canary that is as good as the baseline.
	FailSeconds, PassSeconds float64
	FailRate                 float64
	// Blind is true when that regression cannot be seen before the deadline.
	Blind bool
	Text  string
}

// Preview forecasts the plan's first blocking metric. It is about typical runs:
// half take longer.
func Preview(plan Plan, seen Seen) Forecast {
	m := plan.Metrics[0]
	for _, c := range plan.Metrics {
		if c.Gate == Block && c.Kind == KindCount {
			m = c
			break
		}
	}
	f := Forecast{FailRate: 2 * m.Fail.At(seen.BaseRate)}
	if seen.BaseRate > brokenBaseline {
		f.FailSeconds, f.PassSeconds, f.Blind = math.Inf(1), math.Inf(1), true
		f.Text = "the baseline itself fails " + percent(seen.BaseRate) + " of its requests: nothing can be seen before that is mended"
		return f
	}
	f.FailRate = math.Min(f.FailRate, (1+m.Fail.At(seen.BaseRate))/2)
	named := "a doubling of " + m.Name + " (" + percent(seen.BaseRate) + " to " + percent(f.FailRate) + ")"
	switch tolerated := m.Fail.At(seen.BaseRate); {
	case seen.BaseRate < 0.0005:
		// Twice almost nothing is a question of hours; one in a hundred is not.
		f.FailRate = math.Min(math.Max(0.01, f.FailRate), (1+tolerated)/2)
		named = percent(f.FailRate) + " " + m.Name + " where the baseline has " + percent(seen.BaseRate)
	case tolerated > seen.BaseRate:
		named = m.Name + " at twice what is tolerated (" + percent(f.FailRate) + " where the baseline has " + percent(seen.BaseRate) + ")"
	}
	if seen.Traffic.Canary <= 0 || seen.Traffic.Baseline <= 0 {
		f.FailSeconds, f.PassSeconds, f.Blind = math.Inf(1), math.Inf(1), true
		f.Text = "without traffic on both sides there is no verdict; send probes to both, or give the canary a share"
		return f
	}
	lag := 0.0
	if plan.Lag != LagOff {
		lag = 2 * plan.Interval.Seconds()
	}
	// Verdicts come with looks.
	look := func(s float64) float64 {
		every := math.Max(plan.Interval.Seconds(), 1e-3)
		return math.Ceil(s/every-1e-9) * every
	}
	fail := func(tr seqtest.Traffic) float64 {
		return look(seqtest.Forecast(seqtest.Fail, m.Fail, plan.Alpha, tr, f.FailRate, seen.BaseRate)*m.Dispersion +
			lag + plan.WarmUp.Seconds())
	}
	f.FailSeconds = fail(seen.Traffic)
	f.PassSeconds = look(math.Max(plan.earliestPass().Seconds(), lag+plan.WarmUp.Seconds()+
		m.Dispersion*seqtest.Forecast(seqtest.Pass, m.Pass, plan.Beta, seen.Traffic, seen.BaseRate, seen.BaseRate)))
	rate := "at " + number(seen.Traffic.Canary) + " requests/s to the canary and " + number(seen.Traffic.Baseline) + " to the baseline "
	deadline := plan.Deadline.Seconds()
	if f.FailSeconds > deadline {
		f.Blind = true
		f.Text = rate + "this gate cannot see " + named + " within " + duration(deadline) +
			tooLong(f.FailSeconds) + remedy(seen.Traffic, deadline, f.FailSeconds, fail)
		return f
	}
	f.Text = rate + named + " is seen after about " + duration(f.FailSeconds) + ", and " +
		passWords(f.PassSeconds, deadline)
	return f
}

func tooLong(s float64) string {
	if math.IsInf(s, 1) {
		return ""
	}
	return " (it would take " + duration(s) + ")"
}

func passWords(pass, deadline float64) string {
	if pass > deadline {
		return "a pass of a canary that is as good does not come before the deadline"
	}
	return "a canary that is as good passes after about " + duration(pass)
}

// remedy names the share of traffic or the rate of probes that would make the
// deadline.
func remedy(tr seqtest.Traffic, deadline, needed float64, fail func(seqtest.Traffic) float64) string {
	all := tr.Canary + tr.Baseline
	for pct := 1.0; pct <= 50; pct++ {
		w := pct / 100
		if w*all > tr.Canary && fail(seqtest.Traffic{Canary: w * all, Baseline: (1 - w) * all}) <= deadline {
			return "; raise the share to " + number(pct) + " %"
		}
	}
	if needed <= 4*deadline || needed <= 3600 {
		return "; raise the deadline to that"
	}
	for n := 1.0; n <= 1e6; n *= 1.25 {
		if fail(seqtest.Traffic{Canary: tr.Canary + n, Baseline: tr.Baseline + n}) <= deadline {
			return "; add " + number(math.Ceil(n)) + " probes/s to each side"
		}
	}
	return "; raise the deadline"
}
