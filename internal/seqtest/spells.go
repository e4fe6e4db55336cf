package seqtest

import "math"

// stretch is the number of ticks that clusters are looked for in at once.
const stretch = 4

// stretches is the dispersion over several ticks in a row, each of which begins a
// stretch: what lasts longer than a tick makes neighbours alike, and its ticks are
// not as many facts. The zero value knows nothing.
type stretches struct {
	seen tally
	// last are the latest ticks, unbroken of them without a gap, all ever.
	last          [stretch]Cohort
	unbroken, all int
}

func (s stretches) add(c Cohort) stretches {
	if !c.valid() || c.N == 0 {
		return s
	}
	copy(s.last[:], s.last[1:])
	s.last[stretch-1] = c
	s.unbroken++
	s.all++
	if s.unbroken >= stretch {
		var sum Cohort
		for _, c := range s.last {
			sum = sum.Plus(c)
		}
		s.seen = s.seen.add(sum)
	}
	return s
}

// gap forgets what came before, which is not the next tick's neighbour.
func (s stretches) gap() stretches {
	s.unbroken = 0
	return s
}

// bound is the safe divisor, at least 1. Stretches overlap, and few of them make
// the mean that they are compared with, so that there are fewer degrees of freedom
// than stretches, and the plain variance is too low.
func (s stretches) bound() float64 {
	const worth = 1.5 // of overlapping stretches, next to disjoint ones
	if s.seen.ticks < stretch {
		return 1
	}
	disjoint := float64(s.all) / stretch
	raw := s.seen.dispersion().Raw * float64(s.seen.ticks-1) / float64(s.seen.ticks) / math.Max(.25, 1-1/disjoint)
	return math.Max(1, raw*(1+2*math.Sqrt(2/(worth*disjoint))))
}

// thinned carries what a lower threshold knows of clusters to the higher ones. A
// spell makes many requests a little slow and a few of them very slow: too few to
// tell that they came together, but as the part of a cluster that they are.
type thinned struct{ most float64 }

// divisor is that of a threshold, no less than what the ones below it imply: of a
// cluster every request passes a higher threshold with the same chance, and the
// dispersion above 1 shrinks as the counts do.
func (t *thinned) divisor(s Spread) float64 {
	d := s.lasting()
	bad := float64(s.seen.all.Bad)
	if bad == 0 {
		return d
	}
	d = math.Max(d, 1+t.most*bad)
	t.most = math.Max(t.most, (d-1)/bad)
	return d
}

// spells are the stretches in which the canary was the slower side.
type spells struct {
	// now is what the one under way has too many, in so many ticks; net is that of
	// the whole run, best and second that of the worst two.
	now, net, best, second float64
	ticks                  int
}

// add adds a tick of the canary, at a rate that is tolerated. What goes on for more
// than longest ticks is no spell any more.
func (s spells) add(c Cohort, rate float64, longest int) spells {
	excess := float64(c.Bad) - rate*float64(c.N)
	s.net += excess
	if excess <= 0 || s.ticks >= longest {
		s = s.end()
	}
	if excess > 0 {
		s.now, s.ticks = s.now+excess, s.ticks+1
	}
	return s
}

func (s spells) end() spells {
	switch {
	case s.now > s.best:
		s.best, s.second = s.now, s.best
	case s.now > s.second:
		s.second = s.now
	}
	s.now, s.ticks = 0, 0
	return s
}

// rest is the share of what the canary has too many that is left without its two
// worst spells.
func (s spells) rest() float64 {
	s = s.end()
	if s.net <= 0 {
		return 1
	}
	return math.Max(0, 1-(s.best+s.second)/s.net)
}
