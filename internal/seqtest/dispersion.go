package seqtest

import "math"

// Dispersion says how clustered a baseline's errors are.
type Dispersion struct {
	// Rate is the baseline's rate, with half an error added.
	Rate float64
	// Raw is the variance of the ticks over that of independent requests.
	Raw float64
	// Bound is the safe divisor D for the evidence, at least 1.
	Bound float64
	// Clustered is true when the history rejects independence at 1 %. Only then
	// is Bound worth its price; otherwise divide by 1.
	Clustered bool
}

// Divisor is what to divide the evidence by: Bound for clustered errors, else 1.
func (d Dispersion) Divisor() float64 {
	if d.Clustered {
		return d.Bound
	}
	return 1
}

// Disperse estimates the dispersion from the baseline's ticks before the canary
// started. Ticks without requests are left out; with fewer than two the answer
// is 1 and not clustered.
func Disperse(history []Cohort) Dispersion {
	var t tally
	for _, c := range history {
		t = t.add(c)
	}
	return t.dispersion()
}

// tally is ticks of one side, as far as their variance is concerned.
type tally struct {
	all   Cohort
	ticks int
	// squares is the sum of x²/n over ticks, inverse that of 1/n.
	squares, inverse float64
}

func (t tally) add(c Cohort) tally {
	if !c.valid() || c.N == 0 {
		return t
	}
	n, x := float64(c.N), float64(c.Bad)
	return tally{all: t.all.Plus(c), ticks: t.ticks + 1, squares: t.squares + x*x/n, inverse: t.inverse + 1/n}
}

func (t tally) dispersion() Dispersion {
	d := Dispersion{Rate: (float64(t.all.Bad) + 0.5) / (float64(t.all.N) + 1), Raw: 1, Bound: 1}
	if t.ticks < 2 {
		return d
	}
	p := d.Rate
	pq := p * (1 - p)
	// The sum of (x - pn)²/(pqn), and the variance of its terms: 2 for large
	// counts, more for sparse ones.
	chi2 := math.Max(0, t.squares-2*p*float64(t.all.Bad)+p*p*float64(t.all.N)) / pq
	variance := 2*float64(t.ticks) + math.Max(0, 1-6*pq)/pq*t.inverse
	df := float64(t.ticks - 1)
	d.Raw = chi2 / df
	d.Bound = math.Max(1, d.Raw*(1+2*math.Sqrt(2/df)))
	// Scale a chi-square to that mean and variance, so that a sparse history is
	// not called clustered for its single errors.
	scale := variance / (2 * float64(t.ticks))
	d.Clustered = chi2 > scale*chiSquare99(df/scale)
	return d
}

// information is what the measured dispersion is worth, in ticks with a great many
// errors each, and 0 while there is nothing to measure.
func (t tally) information() (raw, ticks float64) {
	if t.ticks < 2 || t.all.Bad == 0 {
		return 1, 0
	}
	d := t.dispersion()
	pq := d.Rate * (1 - d.Rate)
	df := float64(t.ticks - 1)
	return d.Raw, 2 * df * df / (2*float64(t.ticks) + math.Max(0, 1-6*pq)/pq*t.inverse)
}

// pairs is blocks of two sides that see the same world at the same time, as far as
// the variance of what only one of them sees is concerned.
type pairs struct {
	blocks int
	chi2   float64
}

// add adds a block. Given how many were bad of both, those of the canary are a
// binomial draw by its share of the requests, whatever both went through together.
func (p pairs) add(c Counts) pairs {
	bad, n := float64(c.Canary.Bad+c.Baseline.Bad), float64(c.Canary.N+c.Baseline.N)
	if c.Check() != nil || bad == 0 || c.Canary.N == 0 || c.Baseline.N == 0 {
		return p
	}
	share := float64(c.Canary.N) / n
	diff := float64(c.Canary.Bad) - share*bad
	return pairs{p.blocks + 1, p.chi2 + diff*diff/(bad*share*(1-share))}
}

// divisor is for evidence that the canary is good enough: a canary that is worse
// all the time raises it, too, and would hide behind it on the side of FAIL.
func (p pairs) divisor() float64 {
	df := float64(p.blocks)
	if p.blocks == 0 || p.chi2 <= chiSquare99(df) {
		return 1
	}
	return math.Max(1, p.chi2/df*(1+2*math.Sqrt(2/df)))
}

// chiSquare99 is the 99 % quantile of the chi-square distribution (Wilson and
// Hilferty's approximation, good to 1 % from one degree of freedom on).
func chiSquare99(df float64) float64 {
	const z = 2.3263478740408408
	h := 2 / (9 * df)
	return df * math.Pow(math.Max(0, 1-h+z*math.Sqrt(h)), 3)
}

// Spread follows the dispersion of a run's baseline, from ticks before the run
// and those of the run itself. It is a value: adding never changes the one that
// was there before. The zero value knows nothing.
type Spread struct {
	seen  tally
	long  stretches
	last  [2]Counts
	ticks int
}

// NewSpread begins with the baseline's ticks before the run.
func NewSpread(history []Cohort) Spread {
	var s Spread
	for _, c := range history {
		s = s.know(c)
	}
	return s
}

// know adds a tick that says nothing of the other side.
func (s Spread) know(c Cohort) Spread {
	s.seen, s.long = s.seen.add(c), s.long.add(c)
	return s
}

// leastTicks is how many ticks say anything about clusters.
const leastTicks = 8

// Add adds one tick, and judges the one before it: a burst that both sides saw
// at the same time, give or take a tick, is a common change of the rates, which
// the tests allow, and no sign of clusters.
func (s Spread) Add(c Counts) Spread {
	switch {
	case s.ticks == 0:
	case s.common(c):
		s.long = s.long.gap()
	default:
		s = s.know(s.last[1].Baseline)
	}
	s.last = [2]Counts{s.last[1], c}
	s.ticks++
	return s
}

// common says whether the last tick was a burst of both sides.
func (s Spread) common(next Counts) bool {
	burst := s.last[1].Baseline
	around := s.last[0].Canary.Plus(s.last[1].Canary).Plus(next.Canary)
	usual := Cohort{N: 2, Bad: 1}.Plus(s.seen.all)
	if usual.N < 100 {
		return false
	}
	want := float64(burst.N) * usual.Rate()
	const surprising = 4 // standard deviations
	if float64(burst.Bad) <= want+surprising*math.Sqrt(want+1) {
		return false
	}
	// In one of three ticks the other side had at least half of it.
	return around.Rate()-usual.Rate() > (burst.Rate()-usual.Rate())/6
}

// Measure is the dispersion as far as it is known: 1 before there are ticks
// enough to tell.
func (s Spread) Measure() Dispersion {
	if s.seen.ticks < leastTicks {
		return Dispersion{Raw: 1, Bound: 1}
	}
	return s.seen.dispersion()
}

// lasting is the divisor for clusters that may last for several ticks.
func (s Spread) lasting() float64 {
	d := s.seen.dispersion()
	if !d.Clustered {
		return 1
	}
	return math.Max(d.Bound, s.long.bound())
}

// now takes the last tick in, too, without waiting for what comes after it, and
// one that is not over yet.
func (s Spread) now(under Counts) Spread {
	if under.Baseline.N > 0 || under.Canary.N > 0 {
		s = s.Add(under)
	}
	if s.ticks > 0 && !s.common(Counts{}) {
		s = s.know(s.last[1].Baseline)
	}
	return s
}

// DispersePods estimates the dispersion from instances that share the traffic:
// history holds, tick by tick, each of the pods' counts. Compared within a tick,
// common changes of the rates cancel, and a tick gives one term for every pod but
// one, so that the bound is sharper than [Disperse]'s.
func DispersePods(history []Cohort, pods int) Dispersion {
	var all Cohort
	for _, c := range history {
		all = all.Plus(c)
	}
	d := Dispersion{Rate: (float64(all.Bad) + 0.5) / (float64(all.N) + 1), Raw: 1, Bound: 1}
	if pods < 2 || len(history) < 2*pods {
		return d
	}
	chi2, variance, df := 0.0, 0.0, 0.0
	for i := 0; i+pods <= len(history); i += pods {
		var sum Cohort
		for _, c := range history[i : i+pods] {
			if !c.valid() {
				return d
			}
			sum = sum.Plus(c)
		}
		if sum.Bad == 0 || sum.Bad == sum.N {
			continue // nothing can vary
		}
		p := sum.Rate()
		for _, c := range history[i : i+pods] {
			if c.N == 0 {
				continue
			}
			n := float64(c.N)
			diff := float64(c.Bad) - p*n
			chi2 += diff * diff / (p * (1 - p) * n)
			variance += 2 + math.Max(0, 1-6*p*(1-p))/(p*(1-p)*n)
		}
		df += float64(pods - 1)
	}
	if df < 1 {
		return d
	}
	d.Raw = chi2 / df
	d.Bound = math.Max(1, d.Raw*(1+2*math.Sqrt(2/df)))
	scale := math.Max(1, variance/(2*df))
	d.Clustered = chi2 > scale*chiSquare99(df/scale)
	return d
}
