package main

import (
	"math"
	"math/rand/v2"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// A run is an hour of ticks of 15 seconds.
const (
	tickSeconds = 15
	ticks       = 240
)

// cell is a service: requests per second in total, the canary's share of them,
// the share of bad requests on both sides, and the seconds between two looks if
// they are not 15.
type cell struct{ rps, share, base, canary, every float64 }

func (c cell) seconds() float64 {
	if c.every > 0 {
		return c.every
	}
	return tickSeconds
}

// ticks is the number of looks in an hour.
func (c cell) ticks() int { return int(3600 / c.seconds()) }

func (c cell) lambdas() (canary, baseline float64) {
	n := c.seconds() * c.rps
	return n * c.share, n * (1 - c.share)
}

// model makes the ticks of one run. Before it, history makes the baseline's ticks
// of the hour before the canary.
type model interface {
	history(r *rand.Rand) []seqtest.Cohort
	tick(r *rand.Rand, k int) seqtest.Counts
}

func cohort(r *rand.Rand, mean, p float64) seqtest.Cohort {
	n, bad := draw.Requests(r, mean, p)
	return seqtest.Cohort{N: n, Bad: bad}
}

// steady is independent requests at constant rates.
type steady struct{ cell }

func (m steady) history(r *rand.Rand) []seqtest.Cohort {
	_, b := m.lambdas()
	return times(m.ticks(), func(int) seqtest.Cohort { return cohort(r, b, m.base) })
}

func (m steady) tick(r *rand.Rand, _ int) seqtest.Counts {
	a, b := m.lambdas()
	return seqtest.Counts{Canary: cohort(r, a, m.canary), Baseline: cohort(r, b, m.base)}
}

func times[T any](n int, f func(int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

// clusters has errors that come in clusters of geometric size with a mean, each
// within one side and one tick; the overall share of errors is as in steady.
type clusters struct {
	cell
	mean float64
	// clients counts the failed clients instead: one for each cluster.
	clients bool
	// alone are the canary's: the baseline's errors come one by one.
	alone bool
}

func (m clusters) side(r *rand.Rand, lambda, p float64) seqtest.Cohort {
	var bad int64
	n := draw.Poisson(r, lambda*p/m.mean)
	if m.clients || m.mean <= 1 {
		bad = n
	} else {
		for range n {
			bad += geometric(r, m.mean)
		}
	}
	return seqtest.Cohort{N: bad + draw.Poisson(r, lambda*(1-p)), Bad: bad}
}

func geometric(r *rand.Rand, mean float64) int64 {
	return 1 + int64(math.Log(1-r.Float64())/math.Log1p(-1/mean))
}

func (m clusters) history(r *rand.Rand) []seqtest.Cohort {
	_, b := m.lambdas()
	return times(m.ticks(), func(int) seqtest.Cohort { return m.baseline().side(r, b, m.base) })
}

func (m clusters) baseline() clusters {
	if m.alone {
		m.mean = 1
	}
	return m
}

func (m clusters) tick(r *rand.Rand, _ int) seqtest.Counts {
	a, b := m.lambdas()
	return seqtest.Counts{Canary: m.side(r, a, m.canary), Baseline: m.baseline().side(r, b, m.base)}
}

// varying has a rate of its own for every second, the same for both sides, and a
// baseline that is seen offset seconds earlier than the canary.
type varying struct {
	cell
	factor func(second float64) float64
	offset float64
}

func (m varying) window(r *rand.Rand, lambda, from float64) seqtest.Cohort {
	var c seqtest.Cohort
	for s := range tickSeconds {
		p := math.Min(1, m.base*m.factor(from+float64(s)))
		c = c.Plus(cohort(r, lambda/tickSeconds, p))
	}
	return c
}

func (m varying) history(r *rand.Rand) []seqtest.Cohort { return steady{m.cell}.history(r) }

func (m varying) tick(r *rand.Rand, k int) seqtest.Counts {
	a, b := m.lambdas()
	at := float64(k * tickSeconds)
	return seqtest.Counts{Canary: m.window(r, a, at+m.offset), Baseline: m.window(r, b, at)}
}

// bursts is a factor of ten for a minute, ten minutes apart.
func bursts(second float64) float64 {
	if math.Mod(second, 600) >= 300 && math.Mod(second, 600) < 360 {
		return 10
	}
	return 1
}

// outage multiplies the rate for five minutes.
func outage(factor float64) func(float64) float64 {
	return func(s float64) float64 {
		if s >= 600 && s < 900 {
			return factor
		}
		return 1
	}
}

// resets loses what a restarted process had counted since the last scrape: each
// tick of each side with the given chance loses a part of itself.
type resets struct {
	cell
	chance float64
}

func (m resets) history(r *rand.Rand) []seqtest.Cohort { return steady{m.cell}.history(r) }

func (m resets) tick(r *rand.Rand, _ int) seqtest.Counts {
	a, b := m.lambdas()
	if r.Float64() < m.chance {
		a *= r.Float64()
	}
	if r.Float64() < m.chance {
		b *= r.Float64()
	}
	return seqtest.Counts{Canary: cohort(r, a, m.canary), Baseline: cohort(r, b, m.base)}
}

// ramp raises the canary's share every ten minutes.
type ramp struct {
	cell
	shares []float64
}

func (m ramp) at(k int) cell {
	c := m.cell
	c.share = m.shares[min(k*tickSeconds/600, len(m.shares)-1)]
	return c
}

func (m ramp) history(r *rand.Rand) []seqtest.Cohort { return steady{m.at(0)}.history(r) }

func (m ramp) tick(r *rand.Rand, k int) seqtest.Counts { return steady{m.at(k)}.tick(r, k) }
