package seqtest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

func TestBandReference(t *testing.T) {
	for _, c := range []struct {
		p        float64
		n, best  int64
		r        float64
		from, to int64
	}{{.99, 10000, 5000, 6.2273776847, 9868, 9928}, {.5, 1000, 1000, 31.2514024481, 453, 547}} {
		near(t, "r", bandRadius(c.p, c.best, .05), c.r)
		if low, high := Band(c.p, c.n, c.best, .05); low != c.from || high != c.to {
			t.Errorf("Band(%v, %d) = [%d, %d], want [%d, %d]", c.p, c.n, low, high, c.from, c.to)
		}
	}
	if low, high := Band(.99, 3, 1000, .05); low != 0 || high != 3 {
		t.Errorf("three requests: [%d, %d]", low, high)
	}
	if _, high := Band(.99, 1e9, 5000, .05); float64(high) < .98*1e9 || high >= 1e9 {
		t.Errorf("10^9 requests: up to %d", high)
	}
}

func TestBandOfBuckets(t *testing.T) {
	bounds := []float64{100, 250, 500}
	// p50 lies between 100 and 250, p99 is above 500.
	low, high := BandOf(bounds, []int64{3000, 4000, 2700, 300}, .5, 5000, .01)
	if low != 100 || high != 250 {
		t.Errorf("p50 in [%v, %v]", low, high)
	}
	if low, high = BandOf(bounds, []int64{3000, 4000, 2700, 300}, .99, 5000, .01); low != 500 || !math.IsInf(high, 1) {
		t.Errorf("p99 in [%v, %v]", low, high)
	}
	if low, high = BandOf(bounds, make([]int64, 4), .99, 5000, .01); low != 0 || !math.IsInf(high, 1) {
		t.Errorf("nothing: [%v, %v]", low, high)
	}
}

// TestBandHolds watches a quantile for 2000 requests: the band may miss the truth
// in at most alpha of the runs, at any time.
func TestBandHolds(t *testing.T) {
	const runs, alpha = 400, .1
	r := rand.New(rand.NewPCG(21, 22))
	missed := 0
	for range runs {
		var below int64
		for n := int64(1); n <= 2000; n++ {
			if r.Float64() < .9 { // below the true p90
				below++
			}
			if n%20 == 0 {
				if low, high := Band(.9, n, 1000, alpha); below < low || below > high {
					missed++
					break
				}
			}
		}
	}
	if missed > runs*alpha*1.2 {
		t.Errorf("missed in %d of %d runs", missed, runs)
	}
}

// lognormal draws response times in buckets: median 80 ms, sigma 0.6, all times
// multiplied by scale.
func lognormal(r *rand.Rand, bounds []float64, mean, scale float64) []int64 {
	out := make([]int64, len(bounds)+1)
	for i, p := range shares(bounds, scale) {
		out[i] = draw.Poisson(r, mean*p)
	}
	return out
}

func shares(bounds []float64, scale float64) []float64 {
	out := make([]float64, len(bounds)+1)
	last := 0.0
	for i := range out {
		c := 1.0
		if i < len(bounds) {
			c = .5 * math.Erfc(-math.Log(bounds[i]/(80*scale))/(.6*math.Sqrt2))
		}
		out[i], last = c-last, c
	}
	return out
}

var defaultBounds = []float64{5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000}

func TestLatencyThresholds(t *testing.T) {
	known := []int64{0, 0, 10, 2000, 4000, 3900, 80, 8, 2, 0, 0, 0}
	l := NewLatency(known, Null{Rho: 1}, Null{1.5, .005}, false)
	// 25 ms is exceeded by nearly all, 2.5 s by nearly none; 2.5 s is kept as the
	// first of those.
	want := []int{3, 4, 5, 6, 7}
	if len(l.Bounds) != len(want)+1 && len(l.Bounds) != len(want) {
		t.Fatalf("bounds %v", l.Bounds)
	}
	for i, w := range want {
		if l.Bounds[i] != w {
			t.Errorf("bounds %v", l.Bounds)
		}
	}
	var none Latency
	if s := none.Step(none.Start(), Times{}); none.LnFail(s, 1) != 0 || none.LnPass(s, 1) != 0 || none.Loudest(s, 1) != -1 {
		t.Error("nothing watched, nothing known")
	}
}

func TestLatency(t *testing.T) {
	for _, c := range []struct {
		name                string
		scale               float64
		fails, passes       int // of 40 runs, in 10 minutes
		minFails, minPasses int
	}{{"the same", 1, 1, 40, 0, 38}, {"1.2 times as slow", 1.2, 40, 0, 38, 0}, {"twice as fast", .5, 0, 40, 0, 40}} {
		r := rand.New(rand.NewPCG(23, 24))
		fails, passes := 0, 0
		for range 40 {
			known := lognormal(r, defaultBounds, 90*15*20, 1)
			l := NewLatency(known, Null{Rho: 1}, Null{1.5, .005}, true)
			s := l.Start()
			for range 40 {
				s = l.Step(s, Times{Baseline: lognormal(r, defaultBounds, 90*15, 1), Canary: lognormal(r, defaultBounds, 10*15, c.scale)})
				if l.LnFail(s, 1) >= Threshold(.01) {
					fails++
					break
				}
				if l.LnPass(s, 1) >= Threshold(.05) {
					passes++
					break
				}
			}
		}
		if fails > c.fails || fails < c.minFails || passes > c.passes || passes < c.minPasses {
			t.Errorf("%s: %d of 40 failed, %d passed", c.name, fails, passes)
		}
	}
}

// TestLatencyThroughStalls: stalls that both sides share neither fail a canary nor
// keep an equal one from passing, and do not help one that is slower.
func TestLatencyThroughStalls(t *testing.T) {
	for _, c := range []struct {
		scale              float64
		minPasses, maxPass int // of 40 runs, in 10 minutes
	}{{1, 36, 40}, {1.35, 0, 2}} {
		r := rand.New(rand.NewPCG(33, 34))
		fails, passes := 0, 0
		for range 40 {
			l := NewLatency(lognormal(r, defaultBounds, 200*15*20, 1), Null{Rho: 1.2}, Null{1.5, .005}, true)
			s := l.Start()
			pass, fail := false, false
			for k := range 40 {
				stall := 1.0
				if k%4 == 1 {
					stall = 5
				}
				s = l.Step(s, Times{Baseline: lognormal(r, defaultBounds, 40*15, stall), Canary: lognormal(r, defaultBounds, 40*15, stall*c.scale)})
				fail = fail || l.LnFail(s, 1) >= Threshold(.01)
				pass = pass || l.LnPass(s, 1) >= Threshold(.05)
			}
			if fail {
				fails++
			}
			if pass {
				passes++
			}
		}
		if c.scale == 1 && fails > 1 || passes < c.minPasses || passes > c.maxPass {
			t.Errorf("%v times as slow: %d of 40 failed, %d passed", c.scale, fails, passes)
		}
	}
}

// TestQuantile passes an equal canary, does not pass one that is exactly at the
// margin, and fails one that is far beyond it.
func TestQuantile(t *testing.T) {
	var bounds []float64
	for i := range 28 { // around the baseline's p99 of 323 ms
		bounds = append(bounds, 323*.55*math.Pow(1.9/.55, float64(i)/27))
	}
	q := Quantile{P: .99, Margin: .25, Bounds: bounds}
	run := func(r *rand.Rand, scale float64) (pass, fail bool) {
		sum := Times{Baseline: make([]int64, 29), Canary: make([]int64, 29)}
		for range 60 {
			for i, n := range lognormal(r, bounds, 500*15, 1) {
				sum.Baseline[i] += n
			}
			for i, n := range lognormal(r, bounds, 500*15, scale) {
				sum.Canary[i] += n
			}
			pass = pass || q.LnPass(sum) >= Threshold(.05)
			fail = fail || q.LnFail(sum) >= Threshold(.01)
		}
		return pass, fail
	}
	for _, c := range []struct {
		scale                    float64
		passes, fails            int
		atLeastPass, atLeastFail int
	}{{1, 60, 0, 58, 0}, {1.25, 3, 1, 0, 0}, {1.7, 0, 60, 0, 58}} {
		r := rand.New(rand.NewPCG(25, 26))
		passes, fails := 0, 0
		for range 60 {
			p, f := run(r, c.scale)
			if p {
				passes++
			}
			if f {
				fails++
			}
		}
		if passes > c.passes || passes < c.atLeastPass || fails > c.fails || fails < c.atLeastFail {
			t.Errorf("scale %v: %d of 60 passed, %d failed", c.scale, passes, fails)
		}
	}
	if q.LnPass(Times{}) != 0 || q.LnFail(Times{Baseline: []int64{1}, Canary: []int64{1}}) != 0 {
		t.Error("other bounds are no evidence")
	}
	// Default buckets are further apart than the margin: nothing can be proven.
	wide := Quantile{P: .99, Margin: .25, Bounds: defaultBounds}
	r := rand.New(rand.NewPCG(27, 28))
	all := Times{Baseline: lognormal(r, defaultBounds, 1e6, 1), Canary: lognormal(r, defaultBounds, 1e6, 1)}
	if e := wide.LnPass(all); e > 0 {
		t.Errorf("wide buckets prove %v", e)
	}
}

func TestGaugeReference(t *testing.T) {
	near(t, "half width", GaugeBound(12, .15, 10, .01), 0.14534495473)
	near(t, "half width", GaugeBound(40, 1, 40, .01), 0.53050347775)
	if !math.IsInf(GaugeBound(0, 1, 10, .01), 1) {
		t.Error("no batches, no bound")
	}
}

func TestGaugeExcess(t *testing.T) {
	r := rand.New(rand.NewPCG(29, 30))
	// autocorrelated readings, coefficient 0.9
	series := func(n int, level float64) []float64 {
		var out []float64
		x := 0.0
		for range n {
			x = .9*x + r.NormFloat64()*math.Sqrt(1-.81)
			out = append(out, level+x)
		}
		return out
	}
	if tau := AutocorrelationTime(series(20000, 5)); tau < 14 || tau > 24 {
		t.Errorf("autocorrelation time %v, want about 19", tau)
	}
	if tau := AutocorrelationTime([]float64{1, 1, 1, 1, 1}); tau != 1 {
		t.Errorf("constant series: %v", tau)
	}
	higher, same := 0, 0
	for range 100 {
		b := series(4000, 5)
		if low, ok := GaugeExcess(b, series(4000, 6), Null{Rho: 1}, 190, 20, .01); ok && low > 0 {
			higher++
		}
		if low, ok := GaugeExcess(b, series(4000, 5), Null{Rho: 1}, 190, 20, .01); ok && low > 0 {
			same++
		}
	}
	if higher < 95 || same > 5 {
		t.Errorf("called higher: %d of 100 that are, %d of 100 that are not", higher, same)
	}
	if _, ok := GaugeExcess(series(50, 1), series(50, 9), Null{Rho: 1}, 10, 10, .01); ok {
		t.Error("five batches are not enough")
	}
	if low, ok := GaugeExcess([]float64{math.NaN()}, []float64{1}, Null{Rho: 1}, 1, 10, .01); ok || !math.IsInf(low, -1) {
		t.Error("what was not seen is no reading")
	}
}

// TestCalibrated holds what a known horizon is worth, and that it never costs.
func TestCalibrated(t *testing.T) {
	p := Test{Process: NewProcess(Fail, Null{Rho: 1})}
	h := Horizon{Ticks: 240, Canary: 150, Baseline: 1350, Rate: .005}
	got := p.Calibrated(h, .01, 3000)
	if got < 2.8 || got > 4.3 {
		t.Errorf("threshold %v, want 3.2 to 4.1", got)
	}
	if robust := (Test{Process: p.Process, Lag: true}).Calibrated(h, .01, 3000); robust > got+.6 {
		t.Errorf("with the lag rule %v, without %v", robust, got)
	}
	if again := p.Calibrated(h, .01, 3000); again != got {
		t.Errorf("%v, then %v: a seed decides everything", got, again)
	}
	if many := p.Calibrated(Horizon{Ticks: 100, Canary: 1500, Baseline: 13500, Rate: .3}, .01, 200); many < 1 {
		t.Errorf("a great many requests: %v is reached by no evidence at all", many)
	}
	for name, h := range map[string]Horizon{"no ticks": {Ticks: 0, Canary: 1, Baseline: 1, Rate: .01}, "no traffic": {Ticks: 10, Canary: 0, Baseline: 10, Rate: .01}} {
		if got := p.Calibrated(h, .01, 100); got != Threshold(.01) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestTempered: a divisor asked for afterwards is the divisor from the start.
func TestTempered(t *testing.T) {
	for _, lag := range []bool{false, true} {
		bare := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: lag}
		divided := bare
		divided.Process.Dispersion = 3
		var a, b TestState
		for _, tick := range sixTicks {
			a, b = bare.Step(a, tick), divided.Step(b, tick)
			near(t, "tempered", bare.Tempered(a, 3), divided.LnE(b))
		}
	}
}

func BenchmarkLatencyTick(b *testing.B) {
	r := rand.New(rand.NewPCG(31, 32))
	l := NewLatency(lognormal(r, defaultBounds, 20000, 1), Null{Rho: 1}, Null{1.5, .005}, true)
	s := l.Start()
	tick := Times{Baseline: lognormal(r, defaultBounds, 1350, 1), Canary: lognormal(r, defaultBounds, 150, 1)}
	for b.Loop() {
		s = l.Step(s, tick)
		l.LnFail(s, 1)
	}
}
