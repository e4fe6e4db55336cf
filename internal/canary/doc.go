// Package canary is the judge of canary-gate: it watches two cohorts, baseline
// and canary, while traffic flows and says pass, fail or inconclusive as early
// as the counts allow.
//
// [Run] drives a [Source] by a [Plan] and returns a [Report]; [Replay] computes
// the same verdict again from a report's ticks; [Preview] says beforehand how
// long a verdict will take. The statistics are in internal/seqtest, the sources
// in the packages below this one.
//
// Three rules hold everywhere. Sources deliver counts, never rates. A gap is a
// longer tick. Absence of data is never zero and never a verdict: without
// traffic on both sides the answer is inconclusive, with the reason.
package canary
