package main

import (
	"math"
	"math/rand/v2"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// Response times are lognormal: median 80 ms, sigma 0.6, so that p99 is 323 ms.
const (
	medianMS = 80.0
	sigma    = 0.6
	z95, z99 = 1.6448536269514722, 2.3263478740408408
)

// defaultBounds are those of prometheus_client, as far as they matter.
func defaultBounds() []float64 {
	return []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}
}

// change is what happened to the canary's response times: all of them times
// scale, and those above p95 stretched so that p99 becomes tail times as long.
type change struct{ scale, tail float64 }

// cdf is the share of the canary's responses within a bound.
func (c change) cdf(ms float64) float64 {
	if c.tail > 1 {
		p95, p99 := medianMS*math.Exp(sigma*z95), medianMS*math.Exp(sigma*z99)
		if k := (c.tail*p99 - p95) / (p99 - p95); ms > p95 {
			ms = p95 + (ms-p95)/k
		}
	}
	return .5 * math.Erfc(-math.Log(ms/(medianMS*c.scale))/(sigma*math.Sqrt2))
}

// shares are those of the buckets.
func (c change) shares(bounds []float64) []float64 {
	out, last := make([]float64, len(bounds)+1), 0.0
	for i := range out {
		p := 1.0
		if i < len(bounds) {
			p = c.cdf(bounds[i])
		}
		out[i], last = p-last, p
	}
	return out
}

func buckets(r *rand.Rand, mean float64, shares []float64) []int64 {
	out := make([]int64, len(shares))
	for i, p := range shares {
		out[i] = draw.Poisson(r, mean*p)
	}
	return out
}

// slowJudge watches one run of response times.
type slowJudge interface {
	names() []string
	step(t seqtest.Times) []bool
}

// latencyOurs is the engine over the default buckets: bare, or with the lag rule
// as shipped; FAIL and PASS.
type latencyOurs struct {
	label []string
	test  seqtest.Latency
	state seqtest.LatencyState
}

func newLatency(label string, history [][]int64, lag bool, every float64) *latencyOurs {
	tolerated := seqtest.Null{Rho: 1}
	n := len(history)
	var last []int64
	if lag { // as shipped
		tolerated.Rho = 1.2
		history, last = history[:n-1], history[n-1]
	}
	l := seqtest.NewLatency(sumOf(history), tolerated, seqtest.Null{Rho: 1.5, Delta: .005}, lag)
	l.Least = int(math.Max(4, math.Min(8, 60/every))) // as the gate: a minute's, 4 to 8
	l = l.Usual(history)
	return &latencyOurs{label: []string{label, label + " PASS"}, test: l, state: l.Prime(last)}
}

func sumOf(ticks [][]int64) []int64 {
	sum := make([]int64, len(ticks[0]))
	for _, t := range ticks {
		for i, n := range t {
			sum[i] += n
		}
	}
	return sum
}

func (l *latencyOurs) names() []string { return l.label }

func (l *latencyOurs) step(t seqtest.Times) []bool {
	l.state = l.test.Step(l.state, t)
	return []bool{l.test.LnFail(l.state, 1) >= seqtest.Threshold(alpha), l.test.LnPass(l.state, 1) >= seqtest.Threshold(beta)}
}

// p99s gathers minutes and shows their p99s, interpolated within the bucket as
// Prometheus does it.
type p99s struct {
	label []string
	look  func(a, b []float64) []bool
	now   seqtest.Times
	a, b  []float64
	k     int
}

func (p *p99s) names() []string { return p.label }

func (p *p99s) step(t seqtest.Times) []bool {
	p.now = p.now.Plus(t)
	if p.k++; p.k%(60/tickSeconds) != 0 {
		return make([]bool, len(p.label))
	}
	p.a, p.b = append(p.a, interpolated(p.now.Canary)), append(p.b, interpolated(p.now.Baseline))
	p.now = seqtest.Times{}
	return p.look(p.a, p.b)
}

func interpolated(counts []int64) float64 {
	bounds := defaultBounds()
	total := 0.0
	for _, n := range counts {
		total += float64(n)
	}
	rank, sum := .99*total, 0.0
	for i, n := range counts {
		if sum+float64(n) >= rank && i < len(bounds) {
			from := 0.0
			if i > 0 {
				from = bounds[i-1]
			}
			return from + (bounds[i]-from)*(rank-sum)/math.Max(1, float64(n))
		}
		sum += float64(n)
	}
	return bounds[len(bounds)-1]
}

func kayentaSlow() slowJudge {
	return &p99s{label: []string{"Kayenta, once", "Kayenta, every minute"}, look: func(a, b []float64) []bool {
		high := len(a) >= 5 && kayentaHigh(a, b)
		return []bool{high && len(a) == 60, high}
	}}
}

func flaggerSlow() slowJudge {
	failed := 0
	return &p99s{label: []string{"Flagger"}, look: func(a, _ []float64) []bool {
		if a[len(a)-1] > 500 {
			failed++
		}
		return []bool{failed >= 5}
	}}
}

// simulateLatency plays runs of response times, after an hour of the baseline's
// history.
func simulateLatency(c cell, ch change, runs int, seed uint64) result {
	out := result{}
	r := rand.New(rand.NewPCG(seed, 0x1a7e))
	bounds := defaultBounds()
	before, after := (change{1, 1}).shares(bounds), ch.shares(bounds)
	a, b := c.lambdas()
	for range runs {
		known := times(ticks, func(int) []int64 { return buckets(r, b, before) })
		js := []slowJudge{newLatency("bare", known, false, c.seconds()), newLatency("default", known, true, c.seconds()), kayentaSlow(), flaggerSlow()}
		at := map[string]float64{}
		for _, j := range js {
			for _, n := range j.names() {
				at[n] = math.Inf(1)
			}
		}
		for k := range ticks {
			tick := seqtest.Times{Canary: buckets(r, a, after), Baseline: buckets(r, b, before)}
			for _, j := range js {
				// Nobody waits for a PASS of what has failed.
				if _, ok := j.(*latencyOurs); ok && !math.IsInf(at[j.names()[0]], 1) {
					continue
				}
				for x, fired := range j.step(tick) {
					if n := j.names()[x]; fired && math.IsInf(at[n], 1) {
						at[n] = float64(k+1) * tickSeconds / 60
					}
				}
			}
			if !math.IsInf(at["bare"], 1) && !math.IsInf(at["default"], 1) && !math.IsInf(at["Kayenta, once"], 1) {
				break
			}
		}
		for n, t := range at {
			out[n] = append(out[n], t)
		}
	}
	return out
}
