package main

import (
	"math"
	"math/rand/v2"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// bothJudged is the gate as it is shipped, where the source shows response times:
// errors and response times share the budget for false alarms.
type bothJudged struct {
	errors, pass *ours
	slow         *latencyOurs
}

func newBoth(errors []seqtest.Cohort, slow [][]int64, every float64) *bothJudged {
	return &bothJudged{shipped("", errors), passing("", seqtest.Null{Rho: 1, Delta: .005}, true, errors), newLatency("", slow, true, every)}
}

func (b *bothJudged) step(c seqtest.Counts, t seqtest.Times) (fail, pass bool) {
	b.errors.step(c)
	passes := b.pass.step(c)[0]
	_ = b.slow.step(t)
	wrong, slow := b.errors.evidence(), b.slow.test.LnFail(b.slow.state, 1)
	fail = seqtest.Combine([]seqtest.Evidence{{LnE: wrong, Weight: 1}, {LnE: slow, Weight: 1}}) >= seqtest.Threshold(alpha)
	return fail, passes && b.slow.test.LnPass(b.slow.state, 1) >= seqtest.Threshold(beta)
}

// simulateBoth is when both together fail and pass, in minutes.
func simulateBoth(c cell, ch change, runs int, seed uint64) result {
	out := result{}
	r := rand.New(rand.NewPCG(seed, 0xb07))
	bounds := defaultBounds()
	before, after := (change{1, 1}).shares(bounds), ch.shares(bounds)
	a, b := c.lambdas()
	m := steady{c}
	for range runs {
		j := newBoth(m.history(r), times(c.ticks(), func(int) []int64 { return buckets(r, b, before) }), c.seconds())
		at := map[string]float64{"fail": math.Inf(1), "pass": math.Inf(1)}
		for k := range c.ticks() {
			fail, pass := j.step(m.tick(r, k), seqtest.Times{Canary: buckets(r, a, after), Baseline: buckets(r, b, before)})
			minute := float64(k+1) * c.seconds() / 60
			if pass && math.IsInf(at["pass"], 1) {
				at["pass"] = minute
			}
			if fail {
				at["fail"] = minute
				break
			}
		}
		for n, t := range at {
			out[n] = append(out[n], t)
		}
	}
	return out
}

// both shows the gate with both metrics.
func (p *page) both() {
	t := table{head: []string{"what the canary does", "a look every 15 s: FAIL, min", "PASS, min", "a look every 5 s: FAIL, min", "PASS, min"}}
	for i, x := range []struct {
		name         string
		base, canary float64
		change
	}{
		{"errors 0.5 → 1 %", .005, .01, change{1, 1}},
		{"errors 0.1 → 1 %", .001, .01, change{1, 1}},
		{"p99 × 1.2", .005, .005, change{1, 1.2}},
		{"errors 0.5 → 0.75 % and p99 × 1.2", .005, .0075, change{1, 1.2}},
		{"no difference", .005, .005, change{1, 1}},
	} {
		row := []string{x.name}
		for _, every := range []float64{15, 5} {
			same := x.base == x.canary && x.tail == 1
			runs := 300
			if same && every == 15 {
				runs = 600 // promised
			}
			c := cell{rps: 100, share: .1, base: x.base, canary: x.canary, every: every}
			got := simulateBoth(c, x.change, p.runs(runs), uint64(1100+i))
			row = append(row, words(got["fail"]), words(got["pass"]))
			switch {
			case same && every == 15:
				p.promise(share(got["fail"]) <= 1, "errors and response times both judged, as shipped: false FAIL at most 1 %", "%.1f %%", share(got["fail"]))
			case same:
				p.show("the same, a look every 5 s: PASS of both", "%s min", words(got["pass"]))
			}
		}
		if i < 3 {
			p.show("100/10, both judged, as shipped: "+x.name, "%s min; with a look every 5 s, as between two addresses, %s", row[1], row[3])
		}
		t.add(row...)
	}
	p.say("errors and response times together")
	p.section("Errors and response times together",
		"The sections above give each metric the whole budget for false alarms, as it is where the source shows no response times. Where it does, the gate judges both and fails when the mean of their evidence is enough: valid whatever one has to do with the other, and what one culprit needs more is a factor of two (0.7 of 4.6 nats), half a minute to a minute where the whole takes six. What is a little wrong with both adds up. A PASS needs both, each at its own 5 %. 100/10, with an hour of history; in brackets the share of runs with an answer within the hour: of a PASS the wrong ones, if the canary is worse by more than its margin.",
		t.String(), "Twice the errors and a p99 × 1.2 therefore take about as long as the limits that hold for each alone (6 and 7 minutes) with a look every 5 s, and half a minute longer with one every 15 s. The budget can be moved: `--metric \"errors weight=3\"` gives errors three quarters of it.")
}
