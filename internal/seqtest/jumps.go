package seqtest

import "math"

// Jumps follows how clustered one side's errors are by what changes from one tick
// to the next: twenty errors in one tick and none around it are one cause. A rate
// that rises and stays up jumps once, so that a canary which goes bad late is not
// taken for a cluster, as it would be by [Spread], which compares with the mean.
// It is a value; the zero value knows nothing.
type Jumps struct {
	seen tally
	last Cohort
	// pairs is the number of neighbours, sum that of their squared differences over
	// what one error more or less is worth.
	pairs int
	sum   float64
}

// Add adds one tick; one without requests is skipped.
func (j Jumps) Add(c Cohort) Jumps {
	if !c.valid() || c.N == 0 {
		return j
	}
	if j.last.N > 0 {
		n, m := float64(c.N), float64(j.last.N)
		diff := float64(c.Bad)/n - float64(j.last.Bad)/m
		j.sum += diff * diff / (1/n + 1/m)
		j.pairs++
	}
	j.seen, j.last = j.seen.add(c), c
	return j
}

// raw is the variance over that of independent requests, as far as it is believed,
// information what it is worth: as much as that many ticks with a great many errors
// each.
func (j Jumps) raw() (raw, information float64) {
	if j.pairs == 0 || j.seen.all.Bad == 0 || j.seen.all.Bad == j.seen.all.N {
		return 1, 0
	}
	p := j.seen.all.Rate()
	pq := p * (1 - p)
	// Neighbours share a tick: a term has a variance of 3 instead of 2 for large
	// counts, and more for sparse ones.
	sparse := math.Max(0, 1-6*pq) / pq * j.seen.inverse / float64(j.seen.ticks)
	return math.Min(mostJumps, j.sum/float64(j.pairs)/pq), 2 * float64(j.pairs) / (3 + sparse)
}

// divisor is the dispersion, where independence is rejected at 1 %, else 1. It is
// the plain estimate, and bounded: what fails by dozens again and again, while the
// other side does not, is no chance, and a canary that crashes every few seconds
// must not gain by doing nothing else.
func (j Jumps) divisor() float64 {
	raw, information := j.raw()
	if j.seen.ticks < leastJumps || information == 0 {
		return 1
	}
	// As in Disperse: a chi-square of that mean and variance.
	df := float64(j.pairs) * 2 / 3
	scale := df / information
	if raw*df <= scale*chiSquare99(df/scale) {
		return 1
	}
	return math.Max(1, raw)
}

const (
	// leastJumps is how many ticks of a side may say that its errors are clustered.
	leastJumps = 4
	// mostJumps is the most that clusters of the canary's own divide by.
	mostJumps = 24
)

// What a FAIL assumes while there is next to nothing to go by: as if two ticks had
// been seen in which every failure brought two more. It is forgotten after forty.
const (
	doubtRaw   = 3
	doubtTicks = 2
	doubtUntil = 40
)

// Doubt is the divisor for evidence of a FAIL, from the baseline's ticks, history
// included, and the canary's: whichever side's errors are clustered, and, before
// forty ticks of the baseline are known, what they have not ruled out yet. Clusters
// are the more likely the fewer ticks one has seen: the first five failures of a
// run may well have been one.
func Doubt(baseline Spread, canary Jumps) (divisor float64, unknown bool) {
	d := math.Max(baseline.Measure().Divisor(), canary.divisor())
	if baseline.seen.ticks >= doubtUntil {
		return d, false
	}
	sum, weight := float64(doubtRaw*doubtTicks), float64(doubtTicks)
	if raw, information := canary.raw(); information > 0 {
		sum, weight = sum+raw*information, weight+information
	}
	if raw, information := baseline.seen.information(); information > 0 {
		sum, weight = sum+raw*information, weight+information
	}
	if doubt := sum / weight; doubt > d {
		return doubt, true
	}
	return d, false
}
