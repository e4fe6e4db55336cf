package seqtest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// cell is a simulated service: 15 s ticks, 60 minutes, errors as Poisson counts.
type cell struct{ rps, share, base, canary float64 }

const (
	ticksPerHour = 240
	tickSeconds  = 15
)

func (c cell) tick(r *rand.Rand) Counts {
	n := tickSeconds * c.rps
	return Counts{Canary: arrivals(r, n*c.share, c.canary), Baseline: arrivals(r, n*(1-c.share), c.base)}
}

// minutes runs a test on a cell and returns when it rejects, or 0 when never.
func (c cell) minutes(r *rand.Rand, test Test, level float64) float64 {
	var s TestState
	for k := range ticksPerHour {
		s = test.Step(s, c.tick(r))
		if test.LnE(s) >= Threshold(level) {
			return float64(k+1) * tickSeconds / 60
		}
	}
	return 0
}

// TestFalseAlarms looks at every tick for an hour with no difference at all: at
// a nominal 1 %, few of the runs may alarm.
func TestFalseAlarms(t *testing.T) {
	const runs = 300
	for _, lag := range []bool{false, true} {
		test := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: lag}
		all := 0
		for _, c := range []cell{
			{100, .1, .001, .001}, {100, .5, .001, .001}, {10, .05, .05, .05}, {100, .1, .005, .005}, {1000, .05, .3, .3},
		} {
			r := rand.New(rand.NewPCG(11, 12))
			alarms := 0
			for range runs {
				if c.minutes(r, test, .01) > 0 {
					alarms++
				}
			}
			all += alarms
			if alarms > runs*2/100 {
				t.Errorf("lag %v, %+v: %d false alarms in %d runs", lag, c, alarms, runs)
			}
		}
		if all > 5*runs/100 {
			t.Errorf("lag %v: %d false alarms in %d runs", lag, all, 5*runs)
		}
	}
}

// TestWrongPass has canaries exactly at the margin: at a nominal 5 %, few pass.
func TestWrongPass(t *testing.T) {
	const runs = 300
	for _, c := range []struct {
		cell
		null Null
	}{
		{cell{100, .1, .005, .01}, Null{1, .005}}, {cell{100, .1, .005, .01}, Null{2, 0}}, {cell{10, .5, .005, .01}, Null{1, .005}},
		{cell{1000, .5, 0, .005}, Null{1, .005}},
	} {
		r := rand.New(rand.NewPCG(13, 14))
		wrong := 0
		for range runs {
			if c.minutes(r, Test{Process: NewProcess(Pass, c.null)}, .05) > 0 {
				wrong++
			}
		}
		if wrong > runs*8/100 {
			t.Errorf("%+v: %d wrong passes in %d runs", c, wrong, runs)
		}
	}
}

// TestTimeToDetect holds the speed: medians in minutes.
func TestTimeToDetect(t *testing.T) {
	fail, pass := NewProcess(Fail, Null{Rho: 1}), NewProcess(Pass, Null{1, .005})
	for _, c := range []struct {
		name    string
		test    Test
		level   float64
		cell    cell
		atMost  float64
		atLeast float64
	}{
		{"0.5 to 1 %", Test{Process: fail}, .01, cell{100, .1, .005, .01}, 6, 4},
		{"0.5 to 1 % with lag", Test{Process: fail, Lag: true}, .01, cell{100, .1, .005, .01}, 6.75, 4},
		{"0.1 to 1 %", Test{Process: fail}, .01, cell{100, .1, .001, .01}, 1.25, .5},
		{"0.1 to 1 % at 10/10", Test{Process: fail}, .01, cell{10, .1, .001, .01}, 9, 6},
		{"0.5 to 0.75 %", Test{Process: fail}, .01, cell{100, .5, .005, .0075}, 9, 6},
		{"0.5 to 5 % at 10/5", Test{Process: fail}, .01, cell{10, .05, .005, .05}, 3.5, 2},
		{"pass at 0.5 %", Test{Process: pass}, .05, cell{100, .1, .005, .005}, 3.25, 2},
		{"pass at 0.1 % at 10/50", Test{Process: pass}, .05, cell{10, .5, .001, .001}, 3.75, 2.5},
	} {
		r := rand.New(rand.NewPCG(15, 16))
		var times []float64
		for range 200 {
			if m := c.cell.minutes(r, c.test, c.level); m > 0 {
				times = append(times, m)
			} else {
				times = append(times, 2*ticksPerHour)
			}
		}
		slices.Sort(times)
		median := times[len(times)/2]
		t.Logf("%s: %v min", c.name, median)
		if median > c.atMost || median < c.atLeast {
			t.Errorf("%s: median %v min, want %v to %v", c.name, median, c.atLeast, c.atMost)
		}
	}
}

// TestMisalignedOutage has an outage of both cohorts, seen later in the
// baseline's scrapes: the bare test takes it for a difference, the lag-robust
// one does not.
func TestMisalignedOutage(t *testing.T) {
	const runs, skew = 100, 10.0
	rate := func(second float64) float64 {
		if second >= 600 && second < 900 {
			return .5
		}
		return .005
	}
	// bad adds up a window of 15 s that starts at a second.
	window := func(r *rand.Rand, lambda, from float64) Cohort {
		var c Cohort
		for s := range tickSeconds {
			c = c.Plus(arrivals(r, lambda, rate(from+float64(s))))
		}
		return c
	}
	alarms := func(lag bool) int {
		r := rand.New(rand.NewPCG(17, 18))
		test := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: lag}
		n := 0
		for range runs {
			var s TestState
			for k := range 80 {
				at := float64(k * tickSeconds)
				s = test.Step(s, Counts{Canary: window(r, 10, at+skew), Baseline: window(r, 90, at)})
				if test.LnE(s) >= Threshold(.01) {
					n++
					break
				}
			}
		}
		return n
	}
	if bare := alarms(false); bare < runs/2 {
		t.Errorf("the bare test alarmed in %d of %d runs: the scenario proves nothing", bare, runs)
	}
	if robust := alarms(true); robust > 1 {
		t.Errorf("the lag-robust test alarmed in %d of %d runs", robust, runs)
	}
}

func BenchmarkTickWithInterval(b *testing.B) {
	r := rand.New(rand.NewPCG(19, 20))
	test := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: true}
	ratio := NewRatio(test, .01)
	s := ratio.Start()
	var f TestState
	for b.Loop() {
		c := cell{100, .1, .005, .005}.tick(r)
		f, s = test.Step(f, c), ratio.Step(s, c)
	}
}
