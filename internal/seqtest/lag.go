package seqtest

import "math"

// Test runs a process either bare or lag-robust.
//
// Two cohorts scraped at different moments see a common outage at different
// moments, and every sequential test takes that for a difference. The
// lag-robust form pairs each canary tick with the baseline's tick before, at
// and after it, and keeps the smallest evidence of the three: that is below a
// valid process whenever one of the alignments is true. It assumes a skew of at
// most one tick, and decides one tick later.
type Test struct {
	Process Process
	Lag     bool
}

// TestState is a test after some ticks; the zero value is the start. Like
// [State] it is a value: stepping never changes the one it was given.
type TestState struct {
	bare  State
	lags  [3]State
	last  [2]Counts
	ticks int
}

// Prime gives the start of a lag-robust test the baseline's tick just before the
// first one, so that the first canary tick has a neighbour on both sides. That
// tick must not be part of the prior.
func (t Test) Prime(baseline Cohort) TestState {
	if !t.Lag || !baseline.valid() {
		return TestState{}
	}
	return TestState{last: [2]Counts{{}, {Baseline: baseline}}, ticks: 1}
}

// Step adds one tick. Ticks without any request are skipped, so a gap is a
// longer tick.
func (t Test) Step(s TestState, c Counts) TestState {
	if c.Check() != nil || c.Canary.N == 0 && c.Baseline.N == 0 {
		return s
	}
	if !t.Lag {
		s.bare = t.Process.Step(s.bare, c)
		return s
	}
	if s.ticks >= 2 {
		canary := s.last[1].Canary
		width := len(t.Process.Grid)
		logs := make([]float64, len(s.lags)*width)
		for i, b := range [...]Cohort{s.last[0].Baseline, s.last[1].Baseline, c.Baseline} {
			if x := (Counts{Baseline: b, Canary: canary}); canary.N > 0 || b.N > 0 {
				s.lags[i] = t.Process.step(s.lags[i], x, logs[i*width:(i+1)*width:(i+1)*width])
			}
		}
	}
	s.last = [2]Counts{s.last[1], c}
	s.ticks = min(s.ticks+1, 2)
	return s
}

// LnE is the evidence against the null after the ticks so far.
func (t Test) LnE(s TestState) float64 { return t.Tempered(s, 1) }

// Tempered is the evidence with a divisor for clustered errors; see
// [Process.Tempered].
func (t Test) Tempered(s TestState, divisor float64) float64 {
	if !t.Lag {
		return t.Process.Tempered(s.bare, divisor)
	}
	least := math.Inf(1)
	for _, l := range s.lags {
		least = min(least, t.Process.Tempered(l, divisor))
	}
	return least
}

// reaches says whether the tempered evidence reaches a threshold.
func (t Test) reaches(s TestState, divisor, threshold float64) bool {
	if !t.Lag {
		return t.Process.reaches(s.bare, divisor, threshold)
	}
	for _, l := range s.lags {
		if !t.Process.reaches(l, divisor, threshold) {
			return false
		}
	}
	return true
}
