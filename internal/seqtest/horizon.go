package seqtest

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/seqtest/draw"
)

// Horizon is the run that a threshold is calibrated for: so many ticks with so
// many requests each.
type Horizon struct {
	Ticks            int
	Canary, Baseline float64
	// Rate is the baseline's share of bad requests.
	Rate float64
	// History is the number of the baseline's requests before the run, which make
	// the test's prior; 0 for the test's own.
	History float64
}

// leastEvidence is what a FAIL needs at least: with a great many requests the
// evidence of runs without a difference never rises above none at all, and none
// is what every run begins with.
const leastEvidence = 1

// Calibrated returns the evidence, as a natural logarithm, at which a FAIL test
// may reject when it will be looked at over the horizon only. Ville's bound
// ln(1/level) holds for ever and for any traffic; over a known horizon it is
// reached less often than the level allows, and the difference is time.
//
// Runs without any difference are simulated, with a fixed seed, each with a history
// of its own to make its prior of. The (1-level) quantile of their highest evidence
// is taken, with a margin of half its standard error, so that it is rather too high
// than too low; never more than Ville's bound. The price is that the level holds
// for the horizon and for traffic like that, and, for a test with the lag rule, for
// both sides being seen at the same time or at steady rates.
func (t Test) Calibrated(h Horizon, level float64, runs int) float64 {
	ville := Threshold(level)
	p := t.Process
	if h.Ticks < 1 || runs < 1 || !(h.Canary > 0) || !(h.Baseline > 0) || p.Side != Fail {
		return ville
	}
	pB := math.Min(clamp(h.Rate), 0.9)
	pA := math.Min(p.Null.At(pB), 0.999)
	p.Prior = Prior{Rate: clamp(h.Rate), Weight: math.Max(1, p.Prior.Weight)}
	t.Process = p
	r := rand.New(rand.NewPCG(uint64(h.Ticks), 0x5eed))
	peaks := make([]float64, runs)
	for k := range peaks {
		peaks[k] = t.peak(r, h, pA, pB, ville)
	}
	slices.Sort(peaks)
	above := float64(runs) * level
	above -= 0.5 * math.Sqrt(above)
	quantile := peaks[min(runs-1, max(0, runs-1-int(math.Max(0, above))))]
	return math.Min(math.Max(quantile, leastEvidence), ville)
}

// peak is the highest evidence of one simulated run, or enough to know that it
// is above the bound.
func (t Test) peak(r *rand.Rand, h Horizon, pA, pB, enough float64) float64 {
	if h.History >= 1 {
		t.Process.Prior = HistoryPrior(cohortOf(draw.Requests(r, h.History, pB)))
	}
	s := t.Prime(cohortOf(draw.Requests(r, h.Baseline, pB)))
	top := 0.0
	for range h.Ticks {
		var c Counts
		c.Canary.N, c.Canary.Bad = draw.Requests(r, h.Canary, pA)
		c.Baseline.N, c.Baseline.Bad = draw.Requests(r, h.Baseline, pB)
		s = t.Step(s, c)
		if top = math.Max(top, t.LnE(s)); top > enough {
			break
		}
	}
	return top
}

func cohortOf(n, bad int64) Cohort { return Cohort{N: n, Bad: bad} }

// HistoryPrior is the prior that a history of the baseline makes: its rate, and no
// more than 2000 requests' worth of it, since a stale one must not outvote what is
// seen.
func HistoryPrior(all Cohort) Prior {
	const most = 2000
	return Prior{Rate: clamp((float64(all.Bad) + 0.5) / (float64(all.N) + 1)), Weight: math.Max(1, math.Min(float64(all.N), most))}
}
