package seqtest

import (
	"fmt"
	"math"
	"slices"
)

// Alternative is one point of the mixture a process bets on: the canary's odds
// are Odds times those of the border (FAIL) or of the baseline (PASS). Weights
// are relative.
type Alternative struct {
	Odds, Weight float64
	// Between, on the PASS side, is a canary that is worse than the baseline, this
	// share of the way to the border, and still good enough: without it a few errors
	// in a row, well within the margin, would keep it from passing for very long.
	Between float64
}

// FailGrid is the mixture of the FAIL side: from a little worse to broken.
func FailGrid() []Alternative {
	return alternatives(1.4, 1, 2, 2, 3.5, 2, 8, 1.5, 30, 0.7)
}

// PassGrid is the mixture of the PASS side: as good as the baseline, better, or a
// little worse.
func PassGrid() []Alternative {
	return append(alternatives(1, 4, 0.7, 0.8), Alternative{Odds: 1, Weight: 0.4, Between: 0.25})
}

// alternatives are pairs of odds and weights.
func alternatives(pairs ...float64) []Alternative {
	out := make([]Alternative, 0, len(pairs)/2+1)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, Alternative{Odds: pairs[i], Weight: pairs[i+1]})
	}
	return out
}

// Prior is what is believed of the baseline's rate before the first tick, as if
// Weight requests with that Rate had been seen.
type Prior struct {
	Rate   float64 `json:"rate"`
	Weight float64 `json:"weight"`
}

// DefaultPrior is used without history: half a percent, worth 100 requests.
func DefaultPrior() Prior { return Prior{Rate: 0.005, Weight: 100} }

// Process is one sequential test. The zero value is not usable; build it with
// [NewProcess] and change fields before the first step.
type Process struct {
	Side  Side
	Null  Null
	Grid  []Alternative
	Prior Prior
	// Dispersion divides the evidence when errors come in clusters; 1 means
	// independent requests. See [Disperse].
	Dispersion float64
}

// NewProcess is the test with the default mixture, prior and dispersion.
func NewProcess(side Side, null Null) Process {
	p := Process{Side: side, Null: null, Grid: FailGrid(), Prior: DefaultPrior(), Dispersion: 1}
	if side == Pass {
		p.Grid = PassGrid()
	}
	return p
}

// Check returns an error for a process that cannot be run.
func (p Process) Check() error {
	if err := p.Null.Check(); err != nil {
		return err
	}
	if len(p.Grid) == 0 {
		return fmt.Errorf("a test needs at least one alternative")
	}
	for _, a := range p.Grid {
		if !(a.Between >= 0 && a.Between < 1) || a.Between > 0 && p.Side == Fail {
			return fmt.Errorf("alternative %v of the way to the border: it must lie between 0 and 1, on the side of PASS", a.Between)
		}
		if !(a.Odds > 0) || !(a.Weight > 0) || math.IsInf(a.Odds, 1) || math.IsInf(a.Weight, 1) {
			return fmt.Errorf("alternative with odds %v and weight %v: both must be above 0", a.Odds, a.Weight)
		}
	}
	if !(p.Prior.Rate > 0 && p.Prior.Rate < 1) || !(p.Prior.Weight > 0) || math.IsInf(p.Prior.Weight, 1) {
		return fmt.Errorf("prior rate %v must lie between 0 and 1 and its weight %v above 0", p.Prior.Rate, p.Prior.Weight)
	}
	if !(p.Dispersion >= 1) || math.IsInf(p.Dispersion, 1) {
		return fmt.Errorf("dispersion %v must be at least 1", p.Dispersion)
	}
	return nil
}

// State is a process after some ticks. Copies are independent: a step never
// changes the state it was given. The zero value is the state before any tick.
type State struct {
	// Seen is the baseline so far: the plug-in of the next tick.
	Seen Cohort
	// logs holds the log evidence of each alternative.
	logs []float64
}

// Step adds one tick. Counts that cannot be, and ticks without any request,
// leave the state as it is.
func (p Process) Step(s State, c Counts) State {
	if c.Check() != nil || c.Canary.N == 0 && c.Baseline.N == 0 {
		return s
	}
	return p.step(s, c, make([]float64, len(p.Grid)))
}

// step is Step for counts that can be, with the room for the next state's logs.
func (p Process) step(s State, c Counts, logs []float64) State {
	thB := clamp((float64(s.Seen.Bad) + p.Prior.Rate*p.Prior.Weight) / (float64(s.Seen.N) + p.Prior.Weight))
	from := thB
	if p.Side == Fail {
		from = clamp(p.Null.At(thB))
	}
	copy(logs, s.logs)
	for i, g := range p.Grid {
		thA := clamp(scaleOdds(from, g.Odds))
		if g.Between > 0 {
			thA = clamp(thA + g.Between*(p.Null.At(thB)-thA))
		}
		logs[i] += lnFactor(p.Side, p.Null, c, thA, thB) / p.Dispersion
	}
	return State{Seen: s.Seen.Plus(c.Baseline), logs: logs}
}

// LnE is the evidence against the null: reject at a level when it reaches
// ln(1/level).
func (p Process) LnE(s State) float64 { return p.Tempered(s, 1) }

// Tempered is the evidence with a further divisor, for clustered errors. A state
// may be asked with a divisor that was estimated from the very ticks it holds:
// as long as no estimate lies below the true dispersion, evidence that crosses
// a threshold has crossed it under the true one, too (Jensen).
func (p Process) Tempered(s State, divisor float64) float64 {
	if s.logs == nil {
		return 0
	}
	return p.mix(s.logs, divisor)
}

// mix is the log of the weighted mean of the alternatives' evidence, each divided.
func (p Process) mix(logs []float64, divisor float64) float64 {
	total, top := 0.0, slices.Max(logs)/divisor
	sum := 0.0
	for i, g := range p.Grid {
		total += g.Weight
		sum += g.Weight * math.Exp(logs[i]/divisor-top)
	}
	return top + math.Log(sum/total)
}

// reaches says whether the tempered evidence reaches a threshold. Evidence is at most
// that of the best alternative, which is cheaper to ask for.
func (p Process) reaches(s State, divisor, threshold float64) bool {
	return s.logs != nil && slices.Max(s.logs)/divisor >= threshold && p.mix(s.logs, divisor) >= threshold
}

// Threshold is the evidence, as a natural logarithm, that rejects at a level.
func Threshold(level float64) float64 { return -math.Log(level) }
