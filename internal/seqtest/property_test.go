package seqtest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// binomial is the probability of x of n at rate p.
func binomial(n, x int64, p float64) float64 {
	ln, _ := math.Lgamma(float64(n + 1))
	lx, _ := math.Lgamma(float64(x + 1))
	ly, _ := math.Lgamma(float64(n - x + 1))
	switch {
	case p <= 0:
		return map[bool]float64{true: 1}[x == 0]
	case p >= 1:
		return map[bool]float64{true: 1}[x == n]
	}
	return math.Exp(ln - lx - ly + float64(x)*math.Log(p) + float64(n-x)*math.Log1p(-p))
}

// mean is E[f] when canary and baseline have rates pA and pB, by enumeration.
func mean(nA, nB int64, pA, pB float64, f func(Counts) float64) float64 {
	sum := 0.0
	for xa := range nA + 1 {
		for xb := range nB + 1 {
			c := Counts{Canary: Cohort{N: nA, Bad: xa}, Baseline: Cohort{N: nB, Bad: xb}}
			sum += binomial(nA, xa, pA) * binomial(nB, xb, pB) * f(c)
		}
	}
	return sum
}

func randomNull(r *rand.Rand) Null {
	switch r.IntN(3) {
	case 0:
		return Null{Rho: 1}
	case 1:
		return Null{Rho: 0.5 + 2.5*r.Float64()}
	default:
		return Null{Rho: 0.5 + 2.5*r.Float64(), Delta: -0.01 + 0.06*r.Float64()}
	}
}

// TestEVariable enumerates every outcome of a tick: nowhere in the null may the
// factor's mean exceed 1.
func TestEVariable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	informative := 0
	for range 800 {
		null := randomNull(r)
		side := Side(r.IntN(2))
		nA, nB := 1+r.Int64N(9), 1+r.Int64N(12)
		thA, thB := clamp(math.Pow(r.Float64(), 3)), clamp(math.Pow(r.Float64(), 3))
		lnS := func(c Counts) float64 { return math.Exp(lnFactor(side, null, c, thA, thB)) }
		if lnFactor(side, null, Counts{Canary: Cohort{N: nA}, Baseline: Cohort{N: nB}}, thA, thB) != 0 {
			informative++
		}
		worst := 0.0
		for i := range 41 {
			pB := float64(i) / 40
			for _, off := range []float64{0, 0.02, 0.2} {
				pA := null.At(pB) - off
				if side == Pass {
					pA = null.At(pB) + off
				}
				if pA < 0 || pA > 1 {
					continue
				}
				worst = math.Max(worst, mean(nA, nB, pA, pB, lnS))
			}
		}
		if worst > 1+1e-9 {
			t.Fatalf("side %v, null %+v, n %d:%d, th %v:%v: E[S] = %.12f", side, null, nA, nB, thA, thB, worst)
		}
	}
	if informative < 200 {
		t.Errorf("only %d of 800 designs bet on anything", informative)
	}
}

// TestSupermartingale enumerates two ticks of the whole process, so that the
// plug-in of the second depends on the first, with rates that change between.
func TestSupermartingale(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		side, null := Side(r.IntN(2)), randomNull(r)
		p := NewProcess(side, null)
		p.Prior = Prior{Rate: 0.02 + 0.5*r.Float64(), Weight: 3}
		p.Dispersion = 1 + float64(r.IntN(2))
		rates := func() (float64, float64) {
			pB := r.Float64()
			return math.Min(1, math.Max(0, null.At(pB))), pB
		}
		a1, b1 := rates()
		a2, b2 := rates()
		if side == Fail && (a1 > null.At(b1) || a2 > null.At(b2)) || side == Pass && (a1 < null.At(b1) || a2 < null.At(b2)) {
			continue // the clipped point left the null
		}
		got := mean(4, 5, a1, b1, func(first Counts) float64 {
			s := p.Step(State{}, first)
			return mean(3, 4, a2, b2, func(second Counts) float64 { return math.Exp(p.LnE(p.Step(s, second))) })
		})
		if got > 1+1e-9 {
			t.Fatalf("%v %+v: E after two ticks has mean %.12f", side, null, got)
		}
	}
}

func TestHugeCountsStayFinite(t *testing.T) {
	nulls := []Null{{1, 0}, {2, 0}, {1, .005}, {1.5, .002}, {64, 0}, {1. / 16, 0}, {1, -.01}, {3, .9}}
	ticks := []Counts{
		{Canary: Cohort{1e9, 0}, Baseline: Cohort{1e9, 0}},
		{Canary: Cohort{1e9, 1e9}, Baseline: Cohort{1e9, 0}},
		{Canary: Cohort{1e9, 0}, Baseline: Cohort{1e9, 1e9}},
		{Canary: Cohort{1e9, 1e9}, Baseline: Cohort{1e9, 1e9}},
		{Canary: Cohort{1, 1}, Baseline: Cohort{1e9, 5}},
		{Canary: Cohort{1e9, 5}},
		{Baseline: Cohort{1e9, 5}},
		{},
	}
	for _, null := range nulls {
		for _, side := range []Side{Fail, Pass} {
			p := NewProcess(side, null)
			var s State
			for range 3 {
				for _, c := range ticks {
					s = p.Step(s, c)
					if e := p.LnE(s); math.IsNaN(e) || math.IsInf(e, 0) {
						t.Fatalf("%v %+v after %+v: ln E = %v", side, null, c, e)
					}
				}
			}
		}
	}
	if e := SRM(1e9, 4e9, .25); math.IsNaN(e) || e > 0 {
		t.Errorf("SRM of a perfect share = %v", e)
	}
}

func TestImpossibleCountsAreNoEvidence(t *testing.T) {
	p := NewProcess(Fail, Null{Rho: 1})
	s := p.Step(State{}, sixTicks[0])
	for _, c := range []Counts{
		{Canary: Cohort{-1, 0}}, {Canary: Cohort{5, 6}}, {Baseline: Cohort{5, -1}}, {Canary: Cohort{math.MaxInt64, 1}},
	} {
		if c.Check() == nil {
			t.Errorf("Check(%+v) = nil", c)
		}
		if got := p.Step(s, c); p.LnE(got) != p.LnE(s) || got.Seen != s.Seen {
			t.Errorf("Step(%+v) changed the state", c)
		}
	}
}

func TestStepsDoNotChangeTheirInput(t *testing.T) {
	for _, lag := range []bool{false, true} {
		test := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: lag}
		var s TestState
		for _, c := range sixTicks[:4] {
			s = test.Step(s, c)
		}
		before := test.LnE(s)
		first := test.LnE(test.Step(s, sixTicks[4]))
		test.Step(s, sixTicks[5])
		if test.LnE(s) != before || test.LnE(test.Step(s, sixTicks[4])) != first {
			t.Errorf("lag %v: stepping from one state twice gave two answers", lag)
		}
	}
}

func TestRatioAgreesWithTheVerdict(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	test := Test{Process: NewProcess(Fail, Null{Rho: 1})}
	ratio := NewRatio(test, .01)
	for range 20 {
		s, iv, crossed := TestState{}, ratio.Start(), false
		pA := []float64{.002, .01, .03}[r.IntN(3)]
		for range 30 {
			c := Counts{Canary: arrivals(r, 300, pA), Baseline: arrivals(r, 900, .004)}
			s, iv = test.Step(s, c), ratio.Step(iv, c)
			crossed = crossed || test.LnE(s) >= Threshold(.01)
			if crossed != (iv.Low >= 1) {
				t.Fatalf("FAIL crossed: %v, but the ratio is at least %v", crossed, iv.Low)
			}
			if iv.Low > iv.High {
				t.Fatalf("empty interval %v – %v", iv.Low, iv.High)
			}
		}
	}
}

// arrivals is one tick of a cohort: Poisson arrivals, as in the simulations.
func arrivals(r *rand.Rand, lambda, p float64) Cohort {
	n, bad := draw.Requests(r, lambda, p)
	return Cohort{N: n, Bad: bad}
}

func TestCombineAndCulprits(t *testing.T) {
	e := func(lnE float64) Evidence { return Evidence{LnE: lnE, Weight: 1} }
	near(t, "Combine", Combine([]Evidence{e(math.Log(10)), e(math.Log(30))}), math.Log(20))
	near(t, "weighted", Combine([]Evidence{{math.Log(10), 3}, {math.Log(30), 1}}), math.Log(15))
	if !math.IsInf(Combine(nil), -1) {
		t.Error("the mean of nothing is no evidence")
	}
	for _, c := range []struct {
		name string
		es   []Evidence
		want []int
	}{
		{"one bad", []Evidence{e(-3), e(20), e(0)}, []int{1}},
		{"two bad", []Evidence{e(9), e(-700), e(12)}, []int{0, 2}},
		{"joint, one named", []Evidence{e(4.5), e(4.75)}, []int{1}},
		{"none", []Evidence{e(4), e(1)}, nil},
		{"alone", []Evidence{e(4.7)}, []int{0}},
	} {
		got := Culprits(c.es, .01)
		if len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: Culprits() = %v, want %v", c.name, got, c.want)
		}
	}
	// By brute force over all subsets.
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		es := make([]Evidence, 1+r.IntN(6))
		for i := range es {
			es[i] = Evidence{LnE: 4 + 4*r.NormFloat64(), Weight: 0.5 + r.Float64()}
		}
		named := map[int]bool{}
		for _, m := range Culprits(es, .01) {
			named[m] = true
		}
		for m := range es {
			least := math.Inf(1)
			for set := range 1 << len(es) {
				if set>>m&1 == 0 {
					continue
				}
				var subset []Evidence
				for i := range es {
					if set>>i&1 == 1 {
						subset = append(subset, es[i])
					}
				}
				least = math.Min(least, Combine(subset))
			}
			if named[m] != (least >= Threshold(.01)) {
				t.Fatalf("metric %d of %v: named %v, least %v", m, es, named[m], least)
			}
		}
	}
}

func TestClusteredHistoryIsSeen(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	clustered, independent, sparse := 0, 0, 0
	const runs = 200
	for range runs {
		var a, b, c []Cohort
		for range 60 {
			x := arrivals(r, 1350, .005)
			b = append(b, x)
			clusters := draw.Poisson(r, 1350*.005/3)
			a = append(a, Cohort{N: 1350, Bad: 3 * clusters})
			c = append(c, arrivals(r, 100, .0005))
		}
		for _, h := range []struct {
			history []Cohort
			count   *int
		}{{a, &clustered}, {b, &independent}, {c, &sparse}} {
			if Disperse(h.history).Clustered {
				*h.count++
			}
		}
	}
	if clustered < runs*95/100 || independent > runs*3/100 || sparse > runs*4/100 {
		t.Errorf("called clustered: %d of %d clustered, %d independent, %d sparse histories", clustered, runs, independent, sparse)
	}
	if d := Disperse([]Cohort{{100, 1}}); d.Divisor() != 1 || d.Bound != 1 {
		t.Errorf("one tick of history: %+v", d)
	}
}

func TestForecastLimits(t *testing.T) {
	null := Null{Rho: 1}
	if f := Forecast(Fail, null, .01, Traffic{}, .02, .01); !math.IsInf(f, 1) {
		t.Errorf("without traffic: %v", f)
	}
	if f := Forecast(Fail, null, .01, Traffic{10, 10}, .01, .01); !math.IsInf(f, 1) {
		t.Errorf("without difference: %v", f)
	}
	if f := Forecast(Pass, Null{1, .005}, .05, Traffic{250, 250}, 0, 0); !(f > 1 && f < 10) {
		t.Errorf("PASS of 0 against 0 at 250/s: %v s", f)
	}
}

func TestChecks(t *testing.T) {
	for _, n := range []Null{{0, 0}, {-1, .5}, {math.NaN(), 0}, {1, 1}, {1, -1}, {.1, -.5}, {math.Inf(1), 0}} {
		if n.Check() == nil {
			t.Errorf("Check(%+v) = nil", n)
		}
	}
	good := NewProcess(Pass, Null{1, .005})
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Process){
		"null":       func(p *Process) { p.Null.Rho = 0 },
		"grid":       func(p *Process) { p.Grid = nil },
		"odds":       func(p *Process) { p.Grid = []Alternative{{Weight: 1}} },
		"prior":      func(p *Process) { p.Prior.Rate = 1 },
		"weight":     func(p *Process) { p.Prior.Weight = math.NaN() },
		"dispersion": func(p *Process) { p.Dispersion = .5 },
	} {
		p := NewProcess(Fail, Null{Rho: 1})
		spoil(&p)
		if p.Check() == nil {
			t.Errorf("%s: Check() = nil", name)
		}
	}
	if Fail.String() != "FAIL" || Pass.String() != "PASS" {
		t.Error("sides have names")
	}
}

func FuzzStep(f *testing.F) {
	f.Add(int64(150), int64(2), int64(1350), int64(6), 1.0, 0.0, false)
	f.Add(int64(1e9), int64(1e9), int64(0), int64(0), 1.5, .002, true)
	f.Add(int64(0), int64(0), int64(7), int64(7), 64.0, -.5, true)
	f.Fuzz(func(t *testing.T, na, xa, nb, xb int64, rho, delta float64, pass bool) {
		side := Fail
		if pass {
			side = Pass
		}
		p := NewProcess(side, Null{Rho: rho, Delta: delta})
		if p.Check() != nil {
			t.Skip()
		}
		var s State
		for range 3 {
			s = p.Step(s, Counts{Canary: Cohort{na, xa}, Baseline: Cohort{nb, xb}})
			if e := p.LnE(s); math.IsNaN(e) || math.IsInf(e, 0) {
				t.Fatalf("ln E = %v", e)
			}
		}
	})
}

// TestBorderSearch compares with plain bisection, in designs from a canary of one
// request to a million to one, and rates at both ends.
func TestBorderSearch(t *testing.T) {
	bisect := func(nA, nB, thA, thB float64, null Null) float64 {
		const edge = 1e-12
		lo, hi := max(edge, (edge-null.Delta)/null.Rho), min(1-edge, (1-edge-null.Delta)/null.Rho)
		for range 200 {
			x := lo + (hi-lo)/2
			a := null.At(x)
			if -nA*null.Rho*(thA-a)/(a*(1-a))-nB*(thB-x)/(x*(1-x)) < 0 {
				lo = x
			} else {
				hi = x
			}
		}
		return lo
	}
	r := rand.New(rand.NewPCG(71, 72))
	rate := func() float64 { return clamp(math.Pow(10, -9*r.Float64()) * r.Float64()) }
	for range 20_000 {
		null := Null{Rho: 0.3 + 4*r.Float64(), Delta: 0.06*r.Float64() - 0.01}
		nA, nB := math.Floor(math.Pow(10, 6*r.Float64())), math.Floor(math.Pow(10, 6*r.Float64()))
		thA, thB := rate(), rate()
		if r.IntN(10) == 0 {
			thA = 1 - thA
		}
		if r.IntN(10) == 0 {
			nA = 0
		}
		got, want := searchBorder(nA, nB, thA, thB, null), bisect(nA, nB, thA, thB, null)
		// What counts is the divergence at the point, which is flat there.
		at := func(x float64) float64 { return nA*kl(thA, clamp(null.At(x))) + nB*kl(thB, clamp(x)) }
		if d := at(got) - at(want); !(d <= 1e-6*(1+at(want))) {
			t.Fatalf("n %v:%v, rates %v %v, null %+v: %v, bisection finds %v: divergence %v more", nA, nB, thA, thB, null, got, want, d)
		}
	}
}
