package main

import (
	"math"
	"math/rand/v2"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

const alpha, beta = 0.01, 0.05

// A judge watches one run. step says for each of its rules whether it fires now.
type judge interface {
	names() []string
	step(c seqtest.Counts) []bool
}

// a bench is judges for a cell, built anew for each run.
type bench func(c cell, history []seqtest.Cohort, thresholds *calibration) []judge

// calibration remembers the thresholds of cells: without the lag rule and with it.
type calibration struct {
	runs int
	seen map[cell][2]float64
}

func (m *calibration) of(c cell) (bare, robust float64) {
	if m.seen == nil {
		m.seen = map[cell][2]float64{}
	}
	key := cell{c.rps, c.share, c.base, 0, c.every}
	if _, ok := m.seen[key]; !ok {
		m.seen[key] = [2]float64{m.find(c, false), m.find(c, true)}
	}
	return m.seen[key][0], m.seen[key][1]
}

// plain is no calibration.
func plain(c cell) *calibration {
	t := seqtest.Threshold(alpha)
	return &calibration{seen: map[cell][2]float64{{c.rps, c.share, c.base, 0, c.every}: {t, t}}}
}

func (m *calibration) find(c cell, lag bool) float64 {
	a, b := c.lambdas()
	h := seqtest.Horizon{Ticks: c.ticks(), Canary: a, Baseline: b, Rate: c.base}
	if lag { // as shipped
		h.History = b * float64(c.ticks())
	}
	return seqtest.Test{Process: seqtest.NewProcess(seqtest.Fail, seqtest.Null{Rho: 1}), Lag: lag}.Calibrated(h, alpha, m.runs)
}

// ours is the engine in one configuration: bare, or as shipped. Each threshold
// is a rule of its own.
type ours struct {
	label      []string
	thresholds []float64
	test       seqtest.Test
	state      seqtest.TestState
	spread     *seqtest.Spread
	jumps      seqtest.Jumps
	// fixed divides the evidence instead of a measured dispersion.
	fixed float64
}

func (o *ours) names() []string { return o.label }

// evidence is divided by what the dispersion is now.
func (o *ours) evidence() float64 {
	if o.spread == nil {
		return o.test.LnE(o.state)
	}
	d, _ := seqtest.Doubt(*o.spread, o.jumps)
	return o.test.Tempered(o.state, d)
}

func (o *ours) step(c seqtest.Counts) []bool {
	o.state = o.test.Step(o.state, c)
	e := o.test.LnE(o.state)
	clustered := false
	// Only evidence that would decide is worth a look at the dispersion.
	if o.spread != nil {
		*o.spread, o.jumps = o.spread.Add(c), o.jumps.Add(c.Canary)
		if e >= o.thresholds[len(o.thresholds)-1] {
			d := o.spread.Measure().Divisor()
			if o.test.Process.Side == seqtest.Fail {
				d, _ = seqtest.Doubt(*o.spread, o.jumps)
			}
			e, clustered = o.test.Tempered(o.state, d), d > 1
		}
	} else if o.fixed > 1 {
		e = o.test.Tempered(o.state, o.fixed)
	}
	fired := make([]bool, len(o.thresholds))
	for i, t := range o.thresholds {
		if clustered { // a calibrated threshold is for independent errors
			t = o.thresholds[0]
		}
		fired[i] = e >= t
	}
	return fired
}

// bare is the engine alone: no lag rule, no dispersion, no history.
func bare(label string, null seqtest.Null, more ...float64) *ours {
	o := &ours{label: []string{label}, thresholds: []float64{seqtest.Threshold(alpha)}, test: seqtest.Test{Process: seqtest.NewProcess(seqtest.Fail, null)}}
	if len(more) > 0 {
		o.label, o.thresholds = append(o.label, label+", calibrated"), append(o.thresholds, more...)
	}
	return o
}

// shipped is the default: the lag rule, the prior from the baseline's history, and
// the dispersion where the history rejects independence.
func shipped(label string, history []seqtest.Cohort, more ...float64) *ours {
	o := bare(label, seqtest.Null{Rho: 1}, more...)
	o.test.Lag = true
	spread := seqtest.NewSpread(history)
	o.spread = &spread
	if n := len(history); n > 0 {
		o.test.Process.Prior = priorOf(history[:n-1])
		o.state = o.test.Prime(history[n-1])
	}
	return o
}

// priorOf is what the gate makes of a history.
func priorOf(history []seqtest.Cohort) seqtest.Prior {
	var all seqtest.Cohort
	for _, c := range history {
		all = all.Plus(c)
	}
	return seqtest.HistoryPrior(all)
}

// passing is the PASS side with a margin.
func passing(label string, null seqtest.Null, lag bool, history []seqtest.Cohort) *ours {
	o := &ours{label: []string{label}, thresholds: []float64{seqtest.Threshold(beta)},
		test: seqtest.Test{Process: seqtest.NewProcess(seqtest.Pass, null), Lag: lag}}
	if n := len(history); lag && n > 0 {
		o.test.Process.Prior = priorOf(history[:n-1])
		o.state = o.test.Prime(history[n-1])
		spread := seqtest.NewSpread(history)
		o.spread = &spread
	}
	return o
}

// sprt knows both rates: nobody can be faster at this level.
type sprt struct {
	c   cell
	lnE float64
}

func (s *sprt) names() []string { return []string{"SPRT"} }

func (s *sprt) step(c seqtest.Counts) []bool {
	if s.c.canary == s.c.base {
		return []bool{false}
	}
	good := float64(c.Canary.N - c.Canary.Bad)
	s.lnE += float64(c.Canary.Bad)*math.Log(s.c.canary/s.c.base) + good*(math.Log1p(-s.c.canary)-math.Log1p(-s.c.base))
	return []bool{s.lnE >= seqtest.Threshold(alpha)}
}

// minutely gathers ticks into minutes and shows them to rules that look then.
type minutely struct {
	label []string
	look  func(minute int, all []seqtest.Counts) []bool
	all   []seqtest.Counts
	now   seqtest.Counts
	k     int
}

func (m *minutely) names() []string { return m.label }

func (m *minutely) step(c seqtest.Counts) []bool {
	m.now = m.now.Plus(c)
	if m.k++; m.k%(60/tickSeconds) != 0 {
		return make([]bool, len(m.label))
	}
	m.all = append(m.all, m.now)
	m.now = seqtest.Counts{}
	return m.look(len(m.all), m.all)
}

// kayenta is its Mann-Whitney judge on the error rate of each minute: once at
// the end of the hour, and every minute from the fifth.
func kayenta() judge {
	var a, b []float64
	return &minutely{label: []string{"Kayenta, once", "Kayenta, every minute"}, look: func(n int, all []seqtest.Counts) []bool {
		a, b = append(a, all[n-1].Canary.Rate()), append(b, all[n-1].Baseline.Rate())
		if n < 5 {
			return []bool{false, false}
		}
		high := kayentaHigh(a, b)
		return []bool{high && n == 60, high}
	}}
}

// flagger is the rule of its documentation's example: a minute with more than
// 1 % errors is a failed check, five of them fail. argo is that of Argo
// Rollouts' documentation: every five minutes, success below 95 %, more than
// three times.
func flagger() judge {
	failed := 0
	return &minutely{label: []string{"Flagger"}, look: func(n int, all []seqtest.Counts) []bool {
		if all[n-1].Canary.Rate() > .01 {
			failed++
		}
		return []bool{failed >= 5}
	}}
}

func argo() judge {
	failed := 0
	return &minutely{label: []string{"Argo"}, look: func(n int, all []seqtest.Counts) []bool {
		if n%5 == 0 {
			var five seqtest.Cohort
			for _, c := range all[n-5:] {
				five = five.Plus(c.Canary)
			}
			if five.N > 0 && 1-five.Rate() < .95 {
				failed++
			}
		}
		return []bool{failed > 3}
	}}
}

// ztest is the pooled two-proportion z-test: once at the end of the hour, and
// every minute at a sixtieth of the level.
func ztest() judge {
	var sum seqtest.Counts
	const once, sixtieth = 2.3263478740408408, 3.5873
	return &minutely{label: []string{"z-test, once", "z-test, Bonferroni"}, look: func(n int, all []seqtest.Counts) []bool {
		sum = sum.Plus(all[n-1])
		z := zscore(sum)
		return []bool{n == 60 && z > once, z > sixtieth}
	}}
}

func zscore(c seqtest.Counts) float64 {
	nA, nB := float64(c.Canary.N), float64(c.Baseline.N)
	p := float64(c.Canary.Bad+c.Baseline.Bad) / math.Max(1, nA+nB)
	v := p * (1 - p) * (1/math.Max(1, nA) + 1/math.Max(1, nB))
	if v <= 0 {
		return 0
	}
	return (c.Canary.Rate() - c.Baseline.Rate()) / math.Sqrt(v)
}

// everybody is the field for error rates.
func everybody(c cell, history []seqtest.Cohort, m *calibration) []judge {
	t, robust := m.of(c)
	return []judge{bare("bare", seqtest.Null{Rho: 1}, t), shipped("default", history, robust), &sprt{c: c},
		kayenta(), flagger(), argo(), ztest()}
}

// result is when each rule fired, in minutes, by rule: infinite for never.
type result map[string][]float64

// simulate plays runs of a model and asks the judges.
func simulate(m model, c cell, judges bench, cal *calibration, runs int, seed uint64) result {
	out := result{}
	r := rand.New(rand.NewPCG(seed, 0xca9a12))
	for range runs {
		js := judges(c, m.history(r), cal)
		at := map[string]float64{}
		open := 0
		for _, j := range js {
			for _, n := range j.names() {
				at[n] = math.Inf(1)
				open++
			}
		}
		done := make([]int, len(js))
		for k := 0; k < c.ticks() && open > 0; k++ {
			tick := m.tick(r, k)
			for i, j := range js {
				if done[i] == len(j.names()) {
					continue
				}
				for x, fired := range j.step(tick) {
					if n := j.names()[x]; fired && math.IsInf(at[n], 1) {
						at[n] = float64(k+1) * c.seconds() / 60
						done[i]++
						open--
					}
				}
			}
		}
		for n, t := range at {
			out[n] = append(out[n], t)
		}
	}
	return out
}
