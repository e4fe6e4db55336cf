package seqtest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// TestStretches: what lasts for four ticks is four times as uneven over four ticks
// as over one, and independent ticks are the same over both.
func TestStretches(t *testing.T) {
	for _, c := range []struct {
		lasts       int
		least, most float64 // the bound over stretches, next to that over ticks
	}{{1, .9, 1.6}, {4, 2.2, 4}} {
		r := rand.New(rand.NewPCG(61, 62))
		sum, one := 0.0, 0.0
		for range 100 {
			var s Spread
			p := .05
			for k := range 80 {
				if k%c.lasts == 0 {
					p = []float64{.02, .02, .02, .3}[r.IntN(4)]
				}
				s = s.know(arrivals(r, 500, p))
			}
			sum, one = sum+s.lasting(), one+s.seen.dispersion().Divisor()
		}
		if x := sum / one; x < c.least || x > c.most {
			t.Errorf("rates that last %d ticks: over stretches %.2f times as uneven as over ticks", c.lasts, x)
		}
	}
	var s stretches
	for range stretch - 1 {
		s = s.add(Cohort{N: 100, Bad: 50})
	}
	if s = s.gap().add(Cohort{N: 100}); s.seen.ticks != 0 || s.bound() != 1 {
		t.Errorf("a stretch over a gap: %+v", s)
	}
	if s = s.add(Cohort{N: 1, Bad: 2}).add(Cohort{}); s.all != stretch {
		t.Errorf("ticks that cannot be, or hold nothing: %+v", s)
	}
}

// TestThinned: what comes together at a threshold does at the next one, in
// proportion; what does not is left alone.
func TestThinned(t *testing.T) {
	build := func(bad ...int64) (s Spread) {
		for _, b := range bad {
			s = s.know(Cohort{N: 100, Bad: b})
		}
		return s
	}
	low, high := build(0, 0, 40, 0, 0, 0, 0, 40, 0, 0), build(0, 0, 1, 0, 0, 0, 0, 1, 0, 0)
	var x thinned
	if d := x.divisor(high); d != 1 {
		t.Errorf("two single slow requests: %v", d)
	}
	d := x.divisor(low)
	if want := 1 + (d-1)*2/80; d < 20 || math.Abs(x.divisor(high)-want) > 1e-9 || want < 1.5 {
		t.Errorf("below %v, above %v, want %v", d, x.divisor(high), want)
	}
	if x := (thinned{1}); x.divisor(Spread{}) != 1 {
		t.Error("nothing slow is not clustered")
	}
}

func TestSpells(t *testing.T) {
	var s spells
	if s.rest() != 1 {
		t.Errorf("nothing: %v", s.rest())
	}
	add := func(bad ...int64) {
		for _, b := range bad {
			s = s.add(Cohort{N: 100, Bad: b}, .1, 3)
		}
	}
	add(0, 40, 40, 0, 0, 0, 30, 0)
	if s.rest() > 0 {
		t.Errorf("two spells are not to count: %v", s.rest())
	}
	before := s
	if add(50); s.rest() > 0 || before.ticks != 0 {
		t.Errorf("nor the one under way: %+v, %v", s, s.rest())
	}
	s = spells{}
	add(30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30)
	if s.rest() != .5 {
		t.Errorf("of twelve slow ticks six are left, not %v", s.rest())
	}
}

// TestFalseAlarmsOfSpells: which side has the first slow spells is chance.
func TestFalseAlarmsOfSpells(t *testing.T) {
	const runs, ticks, lasts = 100, 120, 4
	r := rand.New(rand.NewPCG(63, 64))
	usual, slow := []float64{.6, .37, .029, .001}, []float64{.1, .5, .35, .05}
	fails, found := 0, 0
	for run := range 2 * runs {
		var left [2]int
		tick := func(side int, mean float64, worse bool) []int64 {
			if left[side]--; left[side] < -1 && r.Float64() < 1./24 {
				left[side] = lasts
			}
			shares := usual
			if left[side] > 0 && run < runs || worse {
				shares = slow
			}
			out := make([]int64, len(shares))
			for i, p := range shares {
				out[i] = draw.Poisson(r, mean*p)
			}
			return out
		}
		known := addBuckets(tick(0, 450, false), tick(0, 450, false))
		l := NewLatency(known, Null{Rho: 1.2}, Null{Rho: 1.5, Delta: .005}, true)
		s := l.Prime(tick(0, 450, false))
		for k := range ticks {
			s = l.Step(s, Times{Baseline: tick(0, 450, false), Canary: tick(1, 50, run >= runs)})
			if l.LnFail(s, 1) >= Threshold(.01) {
				if run < runs {
					fails++
				} else if k < 12 {
					found++
				}
				break
			}
		}
	}
	if fails > 3 || found < runs-2 {
		t.Errorf("of %d runs with spells on both sides %d failed; of %d with a slow canary %d failed within a minute", runs, fails, runs, found)
	}
}
