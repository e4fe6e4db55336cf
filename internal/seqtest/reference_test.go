package seqtest

import (
	"math"
	"testing"
)

// The expected values of this file come from independent implementations
// (safestats 0.8.7 in R among them), in double precision.

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-8*math.Max(1, math.Abs(want)) {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

func TestBlockReference(t *testing.T) {
	for _, c := range []struct {
		name           string
		side           Side
		xa, na, xb, nb int64
		thA, thB       float64
		null           Null
		tStar, lnS     float64
	}{
		{"pooled", Fail, 3, 75, 7, 1425, .02, .005, Null{1, 0}, 0.00575, 2.79111081952},
		{"ratio", Fail, 3, 75, 7, 1425, .02, .005, Null{2, 0}, 0.00547857575156, 1.186237576},
		{"both", Fail, 3, 75, 7, 1425, .02, .005, Null{1.5, .002}, 0.00541894674856, 1.35346286608},
		{"difference", Fail, 3, 75, 7, 1425, .02, .005, Null{1, .005}, 0.00526412779482, 1.30559504834},
		{"pass difference", Pass, 0, 150, 6, 1350, .005, .005, Null{1, .005}, 0.00474221942292, 0.686059458264},
		{"pass ratio", Pass, 0, 150, 6, 1350, .004, .005, Null{2, 0}, 0.00445254215182, 0.697041385727},
		{"pass both", Pass, 1, 150, 6, 1350, .003, .005, Null{1.5, .002}, 0.00450435652773, -0.251358524051},
	} {
		t.Run(c.name, func(t *testing.T) {
			counts := Counts{Canary: Cohort{N: c.na, Bad: c.xa}, Baseline: Cohort{N: c.nb, Bad: c.xb}}
			near(t, "t*", border(float64(c.na), float64(c.nb), c.thA, c.thB, c.null), c.tStar)
			near(t, "ln S", lnFactor(c.side, c.null, counts, c.thA, c.thB), c.lnS)
		})
	}
}

// TestBlockAgainstSafestats repeats the blocks of safestats' own example, whose
// plug-in comes from each cohort's earlier blocks.
func TestBlockAgainstSafestats(t *testing.T) {
	a := []int64{1, 0, 2, 0, 1, 3, 0, 1, 2, 0}
	b := []int64{0, 1, 0, 0, 1, 0, 0, 0, 1, 0}
	for prior, want := range map[float64]float64{0.18: 1034.9592929825, 1: 2442.5368599835} {
		var seen Counts
		lnE := 0.0
		for i := range a {
			thA := (float64(seen.Canary.Bad) + prior) / (float64(seen.Canary.N) + 2*prior)
			thB := (float64(seen.Baseline.Bad) + prior) / (float64(seen.Baseline.N) + 2*prior)
			block := Counts{Canary: Cohort{N: 5, Bad: a[i]}, Baseline: Cohort{N: 20, Bad: b[i]}}
			pooled := border(5, 20, thA, thB, Null{Rho: 1})
			lnE += lnRatio(block.Canary, thA, pooled) + lnRatio(block.Baseline, thB, pooled)
			seen = seen.Plus(block)
		}
		near(t, "E", math.Exp(lnE), want)
	}
}

var sixTicks = []Counts{
	{Canary: Cohort{150, 2}, Baseline: Cohort{1350, 6}},
	{Canary: Cohort{148, 1}, Baseline: Cohort{1362, 8}},
	{Canary: Cohort{155, 4}, Baseline: Cohort{1341, 5}},
	{Canary: Cohort{151, 3}, Baseline: Cohort{1350, 7}},
	{Canary: Cohort{149, 5}, Baseline: Cohort{1358, 6}},
	{Canary: Cohort{152, 2}, Baseline: Cohort{1347, 9}},
}

// elevenPoints is the grid of the published simulations.
func elevenPoints() []Alternative {
	var grid []Alternative
	for _, g := range []float64{1.15, 1.35, 1.6, 2, 2.5, 3.2, 4.5, 7, 12, 25, 60} {
		grid = append(grid, Alternative{Odds: g, Weight: 1})
	}
	return grid
}

func TestProcessReference(t *testing.T) {
	for _, c := range []struct {
		name string
		null Null
		grid []Alternative
		d    float64
		want []float64
	}{
		{"5 points", Null{1, 0}, FailGrid(), 1,
			[]float64{0.3985768343, -0.0586827468, 2.2339596602, 3.5858162674, 7.2431745709, 7.2266307907}},
		{"D = 3", Null{1, 0}, FailGrid(), 3,
			[]float64{0.0750741024, -0.1641580978, 0.6135419850, 1.0188601239, 2.1579356214, 2.1049791851}},
		{"1.5 and 0.2 pp", Null{1.5, .002}, FailGrid(), 1,
			[]float64{-0.4350011595, -1.2518039677, -0.0793631565, 0.3565643459, 2.1480027471, 1.6912098646}},
		{"11 points", Null{1, 0}, elevenPoints(), 1,
			[]float64{0.2134291113, -0.1877584466, 1.9433807261, 3.2598179038, 6.9632630091, 6.8430455208}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewProcess(Fail, c.null)
			p.Grid, p.Dispersion = c.grid, c.d
			var s State
			for i, tick := range sixTicks {
				s = p.Step(s, tick)
				near(t, "ln E", p.LnE(s), c.want[i])
			}
		})
	}
}

func TestLagReference(t *testing.T) {
	test := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: true}
	want := []float64{0, 0, -0.6353253527, 1.4230378315, 2.9333516462, 6.3337100624}
	var s TestState
	for i, tick := range sixTicks {
		s = test.Step(s, tick)
		near(t, "ln E", test.LnE(s), want[i])
	}
}

func TestPassReference(t *testing.T) {
	for want, null := range map[float64]Null{2.2285246414: {2, 0}, 2.5540856702: {1, .005}, 2.1155720963: {1.5, .002}} {
		p := NewProcess(Pass, null)
		p.Grid = alternatives(1, 3, 0.8, 1, 0.5, 1) // that of the published values
		var s State
		for i, tick := range sixTicks {
			tick.Canary.Bad = int64(1 - i%2)
			s = p.Step(s, tick)
		}
		near(t, "ln E", p.LnE(s), want)
	}
}

// TestConditionalBinomialReference checks the engine's ticks and the FAIL grid
// from another side: the conditional binomial test of the same data must come to
// the published value, close to the engine's.
func TestConditionalBinomialReference(t *testing.T) {
	logs := make([]float64, len(FailGrid()))
	for _, tick := range sixTicks {
		x, all := float64(tick.Canary.Bad), float64(tick.Canary.Bad+tick.Baseline.Bad)
		nA, nB := float64(tick.Canary.N), float64(tick.Baseline.N)
		for i, g := range FailGrid() {
			logs[i] += x*math.Log(g.Odds) + all*math.Log((nA+nB)/(g.Odds*nA+nB))
		}
	}
	near(t, "ln E", NewProcess(Fail, Null{Rho: 1}).mix(logs, 1), 7.16302914736)
}

func TestSRMReference(t *testing.T) {
	for _, c := range []struct {
		canary, total int64
		want          float64
	}{{905, 9013, -2.2579391206}, {1050, 9013, 10.5464587715}, {17, 58, 3.2596191051}} {
		near(t, "ln E", SRM(c.canary, c.total, .1), c.want)
	}
}

func TestDispersionReference(t *testing.T) {
	x := []int64{6, 8, 5, 7, 6, 9, 4, 12}
	n := []int64{1350, 1362, 1341, 1350, 1358, 1347, 1350, 1345}
	var history []Cohort
	for i := range x {
		history = append(history, Cohort{N: n[i], Bad: x[i]})
	}
	d := Disperse(history)
	near(t, "rate", d.Rate, 0.00532210292)
	near(t, "raw", d.Raw, 0.90204546)
	near(t, "bound", d.Bound, 1.86637262)
	if d.Clustered || d.Divisor() != 1 {
		t.Errorf("Disperse() = %+v: independent errors must not be called clustered", d)
	}
}

func TestForecastReference(t *testing.T) {
	for _, c := range []struct{ rps, share, pB, pA, minutes float64 }{
		{100, .1, .005, .01, 5.8714},
		{10, .05, .001, .01, 16.2514},
		{100, .1, .005, .0075, 20.7030},
	} {
		tr := Traffic{Canary: c.rps * c.share, Baseline: c.rps * (1 - c.share)}
		got := Forecast(Fail, Null{Rho: 1}, .01, tr, c.pA, c.pB) / 60
		if math.Abs(got-c.minutes) > 5e-5 {
			t.Errorf("Forecast(%+v) = %.4f min, want %.4f", c, got, c.minutes)
		}
	}
}
