package seqtest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// TestSpread learns of clusters from the run's own ticks, and is not deceived by a
// burst that both sides saw.
func TestSpread(t *testing.T) {
	clustered := func(r *rand.Rand, mean float64) Cohort {
		n := 4 * draw.Poisson(r, mean*.005/4)
		return Cohort{N: n + draw.Poisson(r, mean*.995), Bad: n}
	}
	found, common, alone := 0, 0, 0
	const runs = 100
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 40))
		var a, b, c Spread
		for k := range 80 {
			p := .005
			if k >= 40 && k < 44 {
				p = .1
			}
			a = a.Add(Counts{Baseline: clustered(r, 1350), Canary: clustered(r, 150)})
			// A burst of both, and the canary sees it a tick earlier.
			early := .005
			if k >= 39 && k < 43 {
				early = .1
			}
			b = b.Add(Counts{Baseline: arrivals(r, 1350, p), Canary: arrivals(r, 150, early)})
			c = c.Add(Counts{Baseline: arrivals(r, 1350, p), Canary: arrivals(r, 150, .005)})
		}
		for _, x := range []struct {
			s Spread
			n *int
		}{{a, &found}, {b, &common}, {c, &alone}} {
			if x.s.Measure().Clustered {
				*x.n++
			}
		}
	}
	if found < 95 || common > 15 || alone < 95 {
		t.Errorf("clusters called in %d of %d clustered runs, %d with a burst of both, %d with a burst of the baseline alone", found, runs, common, alone)
	}
	var s Spread
	one := s.Add(sixTicks[0])
	two, other := one.Add(sixTicks[1]), one.Add(sixTicks[2])
	if two.Measure() != (Dispersion{Raw: 1, Bound: 1}) || one.seen.ticks != 0 || two.seen != other.seen {
		t.Error("a few ticks say nothing, and adding changes only what it returns")
	}
}

func TestDispersePods(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	pods := func(clusters bool) Dispersion {
		var all []Cohort
		for range 60 {
			p := .002 + .02*r.Float64() // changes that all pods share
			for range 6 {
				if clusters {
					n := 5 * draw.Poisson(r, 200*p/5)
					all = append(all, Cohort{N: n + draw.Poisson(r, 200*(1-p)), Bad: n})
				} else {
					all = append(all, arrivals(r, 200, p))
				}
			}
		}
		return DispersePods(all, 6)
	}
	if d := pods(false); d.Clustered || math.Abs(d.Raw-1) > .25 {
		t.Errorf("independent, with a rate that wanders: %+v", d)
	}
	if d := pods(true); !d.Clustered || d.Raw < 3 || d.Divisor() < d.Raw {
		t.Errorf("clusters of five: %+v", d)
	}
	for name, h := range map[string][]Cohort{"nothing": nil, "one pod": {{5, 1}}, "impossible": {{5, 9}, {5, 1}, {5, 1}, {5, 1}}} {
		if d := DispersePods(h, 2); d.Divisor() != 1 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestGrowth(t *testing.T) {
	var leak, flat []float64
	r := rand.New(rand.NewPCG(43, 44))
	for i := range 12 {
		leak, flat = append(leak, float64(i)), append(flat, 7)
	}
	if e := GrowthLnE(leak); e < Threshold(.01) {
		t.Errorf("eleven steps up: %v", e)
	}
	if e := GrowthLnE(flat); e != 0 {
		t.Errorf("no steps: %v", e)
	}
	noise, walks := 0, 0
	const runs = 500
	for range runs {
		at := 0.0
		var n, w []float64
		top, topWalk := 0.0, 0.0
		for range 60 {
			at += r.NormFloat64()
			n, w = append(n, r.NormFloat64()), append(w, at)
			top, topWalk = math.Max(top, GrowthLnE(n)), math.Max(topWalk, GrowthLnE(w))
		}
		if top >= Threshold(.01) {
			noise++
		}
		if topWalk >= Threshold(.01) {
			walks++
		}
	}
	if noise > 2 || walks > runs*15/1000 {
		t.Errorf("of %d series that do not grow %d of noise and %d random walks were called growing", runs, noise, walks)
	}
}

// TestPrime: with its neighbour before, the first canary tick counts.
func TestPrime(t *testing.T) {
	test := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: true}
	primed := test.Prime(sixTicks[0].Baseline)
	var plain TestState
	for _, tick := range sixTicks {
		plain = test.Step(plain, tick)
	}
	for _, tick := range sixTicks[1:] {
		primed = test.Step(primed, tick)
	}
	// Plain judges canary ticks 2 to 5 of the six; so does the primed one, which was
	// given the first one's baseline and nothing else of it.
	near(t, "ln E", test.LnE(primed), test.LnE(plain))
	if (Test{Process: test.Process}).Prime(sixTicks[0].Baseline).ticks != 0 {
		t.Error("without the lag rule there is nothing to prime")
	}
}

// TestPairs: what both sides go through together is no doubt about either; what
// only one of them does, is.
func TestPairs(t *testing.T) {
	block := func(canary, baseline int64) Counts {
		return Counts{Canary: Cohort{N: 600, Bad: canary}, Baseline: Cohort{N: 600, Bad: baseline}}
	}
	for name, c := range map[string]struct {
		blocks   []Counts
		min, max float64
	}{
		"nothing":          {nil, 1, 1},
		"no slow ones":     {[]Counts{block(0, 0), block(0, 0)}, 1, 1},
		"shared bursts":    {[]Counts{block(2, 1), block(90, 84), block(0, 1), block(120, 131), block(1, 1)}, 1, 1},
		"one side's pause": {[]Counts{block(1, 1), block(0, 1), block(36, 0), block(1, 2), block(0, 1)}, 8, 60},
		"alternating":      {[]Counts{block(36, 0), block(0, 36), block(36, 0), block(0, 36)}, 36, 90},
		"a longer side":    {[]Counts{{Canary: Cohort{N: 100, Bad: 10}, Baseline: Cohort{N: 900, Bad: 90}}}, 1, 1},
	} {
		var p pairs
		for _, b := range c.blocks {
			p = p.add(b)
		}
		if d := p.divisor(); d < c.min || d > c.max {
			t.Errorf("%s: divisor %v, want %v to %v", name, d, c.min, c.max)
		}
	}
}
