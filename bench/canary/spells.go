package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// spell is what makes one side slow for a while, at moments of its own: requests
// take scale times as long. Lengths are fixed, or exponential with that mean.
type spell struct {
	every, length, scale float64
	random               bool
}

// spellClock is one side's spells.
type spellClock struct {
	spell
	now, until, next float64
}

func (s spell) start(r *rand.Rand) *spellClock {
	return &spellClock{spell: s, next: s.every * r.ExpFloat64()}
}

// in is the share of the next seconds that lies in spells.
func (c *spellClock) in(r *rand.Rand, seconds float64) float64 {
	sum, end := 0.0, c.now+seconds
	for t := c.now; t < end; {
		if t < c.until {
			stop := math.Min(end, c.until)
			sum, t = sum+stop-t, stop
			continue
		}
		if c.next >= end {
			break
		}
		t = math.Max(t, c.next)
		length := c.length
		if c.random {
			length *= r.ExpFloat64()
		}
		c.until = t + length
		c.next = c.until + c.every*r.ExpFloat64()
	}
	c.now = end
	return sum / seconds
}

// simulateSpells is when the gate without history fails, in minutes: both sides have
// the same spells at different moments, and the canary is slower from a minute on.
func simulateSpells(c cell, s spell, ch change, from float64, runs int, seed uint64) []float64 {
	const minutes = 15
	r := rand.New(rand.NewPCG(seed, 0x5e11))
	bounds := defaultBounds()
	before, after, slow := (change{1, 1}).shares(bounds), ch.shares(bounds), (change{s.scale, 1}).shares(bounds)
	a, b := c.lambdas()
	mixed := func(mean, part float64, usual []float64) []int64 {
		return buckets(r, mean, times(len(slow), func(i int) float64 { return usual[i]*(1-part) + slow[i]*part }))
	}
	var at []float64
	for range runs {
		baseline, canary := s.start(r), s.start(r)
		known := times(2, func(int) []int64 { return mixed(b, baseline.in(r, c.seconds()), before) })
		j := newLatency("", known, true, c.seconds())
		found := math.Inf(1)
		for k := range int(minutes * 60 / c.seconds()) {
			usual, minute := before, float64(k)*c.seconds()/60
			if minute >= from {
				usual = after
			}
			tick := seqtest.Times{Canary: mixed(a, canary.in(r, c.seconds()), usual), Baseline: mixed(b, baseline.in(r, c.seconds()), before)}
			if j.step(tick)[0] {
				found = minute + c.seconds()/60 - from
				break
			}
		}
		at = append(at, found)
	}
	return at
}

// spells shows what slow spells of either side do, and what it costs to bear them.
func (p *page) spells() {
	base := cell{rps: 100, share: .1, every: 5}
	half, rare := base, base
	half.share, rare.every = .5, 15
	t := table{head: []string{"both sides are slow now and then, each at its own moments", "false FAIL %"}}
	worst := 0.0
	for i, x := range []struct {
		name string
		c    cell
		s    spell
	}{
		{"3 times as slow for 20 s, every two minutes", base, spell{120, 20, 3, false}},
		{"the same, half of the traffic to the canary", half, spell{120, 20, 3, false}},
		{"the same, a look every 15 s", rare, spell{120, 20, 3, false}},
		{"3 times as slow for 20 s, every five minutes", base, spell{300, 20, 3, false}},
		{"10 times as slow for 20 s, every two minutes", base, spell{120, 20, 10, false}},
		{"half as slow again for 20 s, every two minutes", base, spell{120, 20, 1.5, false}},
		{"3 times as slow for 5 s, every half minute", base, spell{30, 5, 3, false}},
	} {
		false1 := share(simulateSpells(x.c, x.s, change{1, 1}, 0, p.runs(300), uint64(1000+i)))
		t.add(x.name, fmt.Sprintf("%.1f", false1))
		worst = math.Max(worst, false1)
	}
	for i, s := range []spell{{120, 20, 3, true}, {240, 40, 3, false}} {
		long := share(simulateSpells(base, s, change{1, 1}, 0, p.runs(300), uint64(1010+i)))
		t.add([]string{"3 times as slow for 20 s on average (exponential: one in seven for longer than 40 s), every two minutes", "3 times as slow for 40 s, every four minutes: a gate that begins in one sees nothing else"}[i], fmt.Sprintf("%.1f", long))
	}
	p.promise(worst <= 2, "false FAIL on response times without history where either side is slow for up to 20 s now and then: at most 2 %", "at most %.1f %%", worst)
	speed := table{head: []string{"no spells; the canary's responses", "FAIL, min"}}
	none := spell{1e9, 1, 1, false}
	for i, x := range []struct {
		name string
		ch   change
		from float64
	}{
		{"all × 1.5, from the start", change{1.5, 1}, 0}, {"tail: p99 × 1.5, from the start", change{1, 1.5}, 0}, {"tail: p99 × 1.2, from the start", change{1, 1.2}, 0},
		{"all × 3, after five good minutes", change{3, 1}, 5}, {"all × 1.5, after five good minutes", change{1.5, 1}, 5},
	} {
		speed.add(x.name, words(simulateSpells(base, none, x.ch, x.from, p.runs(200), uint64(1020+i))))
	}
	p.say("slow spells")
	p.section("Slow spells",
		"A backup, a full collection, a neighbour on the machine: for twenty seconds one side answers slowly, and then it is the other's turn. Such a spell is one fact, and which side has the first ones is chance. 100/10, a look every five seconds, no history, fifteen minutes without a PASS. Where any threshold shows that slow responses come together, the gate does three things: it measures how uneven they come over stretches of four looks, too; it carries that to the higher thresholds, which see too few of them to tell; and the canary's two worst spells (of half a minute at most: what lasts is none) do not count. Without that the gate failed 3 to 30 % of the runs with spells of 20 s.",
		t.String(), "What it costs: nothing where a canary is slow from the start, because then its slow responses come evenly. One that turns slow later looks like a spell at first:", speed.String())
}
