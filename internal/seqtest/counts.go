package seqtest

import "fmt"

// Cohort is what one side served in one tick: N requests, Bad of them bad.
type Cohort struct {
	N   int64 `json:"n"`
	Bad int64 `json:"bad"`
}

// Plus adds two disjoint counts of the same cohort.
func (c Cohort) Plus(d Cohort) Cohort { return Cohort{N: c.N + d.N, Bad: c.Bad + d.Bad} }

// Rate is the share of bad requests, 0 when there were none at all.
func (c Cohort) Rate() float64 {
	if c.N <= 0 {
		return 0
	}
	return float64(c.Bad) / float64(c.N)
}

func (c Cohort) valid() bool { return c.N >= 0 && c.Bad >= 0 && c.Bad <= c.N && c.N < 1<<53 }

// Counts is one tick of both cohorts, seen over the same window of time.
type Counts struct {
	Baseline Cohort `json:"baseline"`
	Canary   Cohort `json:"canary"`
}

// Plus adds two disjoint ticks.
func (c Counts) Plus(d Counts) Counts {
	return Counts{Baseline: c.Baseline.Plus(d.Baseline), Canary: c.Canary.Plus(d.Canary)}
}

// Swap exchanges the sides: for a metric whose fall is the bad direction.
func (c Counts) Swap() Counts { return Counts{Baseline: c.Canary, Canary: c.Baseline} }

// Check returns an error for counts that cannot be: negative, more bad than
// all, or above 2^53, where a float64 stops being exact.
func (c Counts) Check() error {
	if !c.Baseline.valid() {
		return fmt.Errorf("baseline counts %d bad of %d cannot be", c.Baseline.Bad, c.Baseline.N)
	}
	if !c.Canary.valid() {
		return fmt.Errorf("canary counts %d bad of %d cannot be", c.Canary.Bad, c.Canary.N)
	}
	return nil
}

// Side is the direction of a test.
type Side int

// The two sides: Fail rejects "the canary is at most this bad", Pass rejects
// "the canary is at least this bad".
const (
	Fail Side = iota
	Pass
)

// String returns "FAIL" or "PASS".
func (s Side) String() string {
	if s == Pass {
		return "PASS"
	}
	return "FAIL"
}

// Null is the border of the null hypothesis: canary rate = Rho × baseline rate
// + Delta. Rates and Delta are shares (0.005 is half a percentage point).
type Null struct {
	Rho   float64 `json:"rho"`
	Delta float64 `json:"delta"`
}

// At is the canary rate on the border for a baseline rate.
func (n Null) At(baseline float64) float64 { return n.Rho*baseline + n.Delta }

// Check returns an error when the border does not cross the unit square, which
// would make the test meaningless.
func (n Null) Check() error {
	switch {
	case !(n.Rho > 0 && n.Rho <= 1e6):
		return fmt.Errorf("tolerance ratio %v must be above 0 and at most 1e6", n.Rho)
	case !(n.Delta > -1 && n.Delta < 1):
		return fmt.Errorf("tolerance %v must lie between -1 and 1 (a share: 0.005 is half a percentage point)", n.Delta)
	case n.Rho+n.Delta <= 0:
		return fmt.Errorf("tolerance %v × baseline %+v is below zero for every baseline", n.Rho, n.Delta)
	}
	return nil
}
