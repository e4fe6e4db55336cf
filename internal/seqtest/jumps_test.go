package seqtest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// clustered draws a tick whose failures come in clusters of a geometric size.
func clustered(r *rand.Rand, mean, p, size float64) Cohort {
	var bad int64
	for range draw.Poisson(r, mean*p/size) {
		bad++
		if size > 1 {
			bad += int64(math.Log(1-r.Float64()) / math.Log1p(-1/size))
		}
	}
	return Cohort{N: bad + draw.Poisson(r, mean*(1-p)), Bad: bad}
}

// TestJumps: the variance of neighbours is that of the ticks, clusters are told
// from single errors, and a rate that rises for good is none.
func TestJumps(t *testing.T) {
	for _, c := range []struct {
		name           string
		mean, p, later float64
		size           float64
		least, most    float64 // dispersion, on average
		often, seldom  int     // how many of 200 are called clustered
	}{
		{"single", 500, .01, .01, 1, .95, 1.05, 0, 12},
		{"sparse", 50, .005, .005, 1, .9, 1.1, 0, 30},
		{"clusters of 3", 500, .01, .01, 3, 4.5, 5.5, 198, 200},
		{"a late rise", 500, .01, .1, 1, 1.3, 1.8, 0, 200},
		{"nothing fails", 500, 0, 0, 1, .999, 1.001, 0, 0},
		{"everything fails", 500, 1, 1, 1, .999, 1.001, 0, 0},
	} {
		r := rand.New(rand.NewPCG(5, 6))
		sum, told := 0.0, 0
		for range 200 {
			var j Jumps
			for k := range 100 {
				p := c.p
				if k >= 70 {
					p = c.later
				}
				j = j.Add(clustered(r, c.mean, p, c.size))
			}
			raw, _ := j.raw()
			sum += raw / 200
			if j.divisor() > 1 {
				told++
			}
		}
		if sum < c.least || sum > c.most || told < c.often || told > c.seldom {
			t.Errorf("%s: dispersion %.2f, clustered in %d of 200", c.name, sum, told)
		}
	}
}

// TestDoubt: without a history evidence counts for less, until looks have shown that
// errors come one by one; with one it counts in full.
func TestDoubt(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var history []Cohort
	for range 60 {
		history = append(history, clustered(r, 1000, .01, 1))
	}
	if d, unknown := Doubt(NewSpread(history), Jumps{}); d != 1 || unknown {
		t.Errorf("with a history: %v, %v", d, unknown)
	}
	for _, size := range []float64{1, 3} {
		var s Spread
		var j Jumps
		last := math.Inf(1)
		for k := range 80 {
			d, unknown := Doubt(s, j)
			switch {
			case k == 0 && (d != doubtRaw || !unknown):
				t.Errorf("at first %v, %v", d, unknown)
			case k == 20 && size == 1 && (d > 1.6 || !unknown):
				t.Errorf("after 20 ticks of single errors %v, %v", d, unknown)
			case k > doubtUntil && (unknown || size == 1 && d != 1 || size == 3 && d < 2):
				t.Errorf("clusters of %v, after %d ticks: %v, %v", size, k, d, unknown)
			}
			c := Counts{Baseline: clustered(r, 1000, .01, size), Canary: clustered(r, 100, .01, size)}
			s, j, last = s.Add(c), j.Add(c.Canary), d
		}
		if (last == 1) != (size == 1) {
			t.Errorf("clusters of %v: in the end %v", size, last)
		}
	}
	// A canary whose failures come in one clump proves nothing with them.
	var s Spread
	var j Jumps
	for k := range 60 {
		c := Counts{Baseline: Cohort{N: 1000}, Canary: Cohort{N: 100}}
		if k == 50 {
			c.Canary.Bad = 20
		}
		s, j = s.Add(c), j.Add(c.Canary)
	}
	if d, unknown := Doubt(s, j); d < 15 || unknown {
		t.Errorf("one clump of 20 divides by %v, %v", d, unknown)
	}
	// One that crashes again and again cannot hide behind it.
	for k := range 20 {
		s, j = s.Add(Counts{Baseline: Cohort{N: 1000}}), j.Add(Cohort{N: 100, Bad: int64(k % 2 * 100)})
	}
	if d, _ := Doubt(s, j); d != mostJumps {
		t.Errorf("a crash loop divides by %v", d)
	}
	if d, _ := Doubt(s, Jumps{}.Add(Cohort{N: 5, Bad: 9}).Add(Cohort{})); d != 1 {
		t.Errorf("counts that cannot be: %v", d)
	}
}

// TestFalseAlarmsOfClusters: the first errors of a run may be one cause, and
// nothing is known of the baseline yet.
func TestFalseAlarmsOfClusters(t *testing.T) {
	const runs = 300
	for _, size := range []float64{2, 10} {
		r := rand.New(rand.NewPCG(13, 14))
		test := Test{Process: NewProcess(Fail, Null{Rho: 1}), Lag: true}
		plain, doubted := 0, 0
		for range runs {
			var state TestState
			var s Spread
			var j Jumps
			was, is := false, false
			for range ticksPerHour {
				c := Counts{Baseline: clustered(r, 1350, .005, size), Canary: clustered(r, 150, .005, size)}
				state, s, j = test.Step(state, c), s.Add(c), j.Add(c.Canary)
				d, _ := Doubt(s, j)
				was = was || test.Tempered(state, s.Measure().Divisor()) >= Threshold(.01)
				is = is || test.Tempered(state, d) >= Threshold(.01)
			}
			if was {
				plain++
			}
			if is {
				doubted++
			}
		}
		if doubted > runs*3/200 || plain < runs*3/100 {
			t.Errorf("clusters of %v: %d false alarms in %d runs, without doubt %d", size, doubted, runs, plain)
		}
	}
}
