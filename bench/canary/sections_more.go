package main

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

func (p *page) latency() {
	columns := []string{"default", "bare", "Kayenta, once", "Kayenta, every minute", "Flagger"}
	t := table{head: append([]string{"change", "rps/share"}, columns...)}
	for i, ch := range []struct {
		name string
		change
	}{{"all × 1.2", change{1.2, 1}}, {"all × 1.5", change{1.5, 1}}, {"tail: p99 × 1.2", change{1, 1.2}}, {"tail: p99 × 1.5", change{1, 1.5}}} {
		for k, c := range traffic() {
			runs := 200
			if c.rps == 100 && c.share == .1 && i == 2 {
				runs = 600 // this one is promised
			}
			got := simulateLatency(c, ch.change, p.runs(runs), uint64(500+10*i+k))
			row := []string{ch.name, c.label()}
			for _, r := range columns {
				row = append(row, words(got[r]))
			}
			t.add(row...)
			if c.rps == 100 && c.share == .1 && i == 2 {
				p.promise(median(got["bare"]) <= 7, "100/10, p99 × 1.2 through default buckets, bare: at most 7 min", "%s min", words(got["bare"]))
				p.promise(median(got["default"]) <= 7, "the same, default (lag rule, and a fifth more slow requests tolerated): at most 7 min", "%s min", words(got["default"]))
			}
		}
		p.say("latency, " + ch.name)
	}
	p.section("Time to see slower responses", "Lognormal response times with a median of 80 ms and a p99 of 323 ms, seen through the eleven default buckets (5 ms to 10 s). Minutes to FAIL. \"Bare\" tolerates nothing; the default tolerates a fifth more requests above every threshold, which is about 5 % slower responses. Both divide by how clustered slow requests are on either side, where that is not independent, and neither fails within the first four looks.", t.String(),
		"The default used to need 9.75 minutes at p99 × 1.2. Three changes of the bet, none of the null, made it faster: thresholds that fewer than 2 % of the baseline's responses exceed hold most of the bet, because a slower median is seen within minutes anyway; there the mixture is of a few times as many slow requests instead of a little more; and the first canary tick has its neighbour from the history. What is left of the difference to \"bare\" is nearly all the tolerance of a fifth; without the lag rule it would be a quarter of a minute less.")
}

func (p *page) latencySame() {
	t := table{head: []string{"rps/share", "default: false FAIL %", "bare", "Kayenta, once", "Kayenta, every minute", "Flagger", "default: PASS, min", "bare: PASS, min"}}
	worst := 0.0
	for k, c := range traffic() {
		got := simulateLatency(c, change{1, 1}, p.runs(500), uint64(600+k))
		row := []string{c.label()}
		for _, r := range []string{"default", "bare", "Kayenta, once", "Kayenta, every minute", "Flagger"} {
			row = append(row, fmt.Sprintf("%.1f", share(got[r])))
		}
		worst = math.Max(worst, share(got["default"]))
		t.add(append(row, words(got["default PASS"]), words(got["bare PASS"]))...)
		p.say("latency without a difference, " + c.label())
	}
	p.promise(worst <= 1, "false FAIL of the default on response times at most 1 %", "at most %.1f %%", worst)
	p.section("Response times, where nothing differs", "False alarms in % within the hour, and the median time to PASS: at every threshold less than 1.5 times + 0.5 pp more slow requests.", t.String())
}

// dispersion shows what clusters cost, and what helps.
func (p *page) dispersion() {
	t := table{head: []string{"errors in clusters of", "how the gate counts", "D applied", "false FAIL %", "0.5 → 1 %, min"}}
	for i, mean := range []float64{1, 2, 3, 10} {
		for k, o := range options() {
			if mean == 1 && o.onlyClusters {
				continue
			}
			aa, bad := cell{rps: 100, share: .1, base: .005, canary: .005}, cell{rps: 100, share: .1, base: .005, canary: .01}
			var ds []float64
			one := func(_ cell, h []seqtest.Cohort, _ *calibration) []judge {
				j := o.judge(h, mean)
				ds = append(ds, j.fixed)
				return []judge{j}
			}
			same := simulate(clusters{cell: aa, mean: mean, clients: o.clients}, aa, one, p.cal, p.runs(600), uint64(700+20*i+k))
			worse := simulate(clusters{cell: bad, mean: mean, clients: o.clients}, bad, one, p.cal, p.runs(300), uint64(800+20*i+k))
			t.add(fmt.Sprintf("%g", mean), o.name, fmt.Sprintf("%.2f", median(ds)), fmt.Sprintf("%.1f", share(same["x"])), words(worse["x"]))
		}
		p.say(fmt.Sprintf("clusters of %g", mean))
	}
	p.section("What clusters cost, and ways to lower it",
		"When one cause fails several requests, thirty clusters of three are thirty facts and not ninety; the price is honest. 100/10 with the lag rule; D is the median divisor. True dispersions are 1, 3, 5 and 19.",
		t.String(),
		`- A **test before the bound** (the default) spares services with independent errors the price of an uncertain estimate.
- **Longer history** sharpens the bound: its factor is 1 + 2√(2/(K-1)) over K ticks, 1.45 for ten minutes and 1.18 for an hour.
- The **plain estimate** without a bound is faster by that factor; half of its estimates are too low, and false alarms rise accordingly.
- **Per pod**: the variance between pods within a tick instead of that between ticks gives K × (pods - 1) terms, and common bursts do not raise it. But where a tick holds one or two clusters it comes out too low, because they make the mean that they are compared with: faster, and above the level. The gate does not use it.
- **Counting failed clients** instead of failed requests removes the clusters themselves, and is the way to go where a client's identity is at hand: the only one that lowers the price below D and keeps the level.`)
}

// option is one way to deal with clusters.
type option struct {
	name         string
	clients      bool
	onlyClusters bool
	judge        func(history []seqtest.Cohort, mean float64) *ours
}

func options() []option {
	divided := func(h []seqtest.Cohort, d float64) *ours {
		o := bare("x", seqtest.Null{Rho: 1})
		o.test.Lag, o.test.Process.Prior, o.fixed = true, priorOf(h[:len(h)-1]), math.Max(1, d)
		o.state = o.test.Prime(h[len(h)-1])
		return o
	}
	return []option{
		{"not at all (no divisor)", false, false, func(h []seqtest.Cohort, _ float64) *ours { return divided(h, 1) }},
		{"default: bound from an hour, where independence is rejected", false, false, func(h []seqtest.Cohort, _ float64) *ours { return divided(h, seqtest.Disperse(h).Divisor()) }},
		{"the bound always", false, false, func(h []seqtest.Cohort, _ float64) *ours { return divided(h, seqtest.Disperse(h).Bound) }},
		{"bound from ten minutes", false, false, func(h []seqtest.Cohort, _ float64) *ours { return divided(h, seqtest.Disperse(h[:40]).Divisor()) }},
		{"plain estimate, no bound", false, true, func(h []seqtest.Cohort, _ float64) *ours { return divided(h, seqtest.Disperse(h).Raw) }},
		{"true dispersion, as if known", false, true, func(h []seqtest.Cohort, mean float64) *ours { return divided(h, 2*mean-1) }},
		{"per pod: nine pods, an hour", false, true, func(h []seqtest.Cohort, mean float64) *ours { return divided(h, perPod(h, mean)) }},
		{"failed clients instead of failed requests", true, true, func(h []seqtest.Cohort, _ float64) *ours { return divided(h, seqtest.Disperse(h).Divisor()) }},
	}
}

// perPod is the bound from pods within ticks: nine pods share the history's
// traffic, and each tick adds eight independent terms.
func perPod(h []seqtest.Cohort, mean float64) float64 {
	const pods = 9
	r := rand.New(rand.NewPCG(uint64(h[0].N), uint64(h[len(h)-1].Bad)))
	var all []seqtest.Cohort
	for range h {
		var tick [pods]seqtest.Cohort
		m := clusters{cell: cell{rps: 100, share: .1, base: .005, canary: .005}, mean: mean}
		_, b := m.lambdas()
		for i := range tick {
			tick[i] = m.side(r, b/pods, .005)
		}
		all = append(all, tick[:]...)
	}
	return seqtest.DispersePods(all, pods).Divisor()
}

// gauges shows why a gauge only advises: readings resemble the ones before.
func (p *page) gauges() {
	t := table{head: []string{"readings' autocorrelation", "raw 15 s", "means of 1 min", "means of 5 min", "means by the gate's rule"}}
	for i, phi := range []float64{0, .5, .9, .97} {
		r := rand.New(rand.NewPCG(uint64(900+i), 1))
		runs := p.runs(400)
		row := []string{fmt.Sprint(phi)}
		for _, batch := range []int{1, 4, 20, 0} {
			alarms := 0
			for range runs {
				past, a, b := ar1(r, phi, 4*ticks), ar1(r, phi, ticks), ar1(r, phi, ticks)
				size := batch
				if size == 0 {
					size = int(math.Max(20, math.Ceil(10*seqtest.AutocorrelationTime(past))))
				}
				best := max(10, 2*(40/size))
				for k := 1; k <= ticks; k++ {
					if k%size != 0 {
						continue
					}
					if low, ok := seqtest.GaugeExcess(b[:k], a[:k], seqtest.Null{Rho: 1}, size, best, alpha); ok && low > 0 {
						alarms++
						break
					}
				}
			}
			row = append(row, fmt.Sprintf("%.1f", 100*float64(alarms)/float64(runs)))
		}
		t.add(row...)
	}
	p.say("gauges")
	p.section("Gauges, where nothing differs", "False warnings in % within the hour at a nominal 1 % (memory, queue lengths: AR(1) readings every 15 s). The gate's rule is means over the longer of 5 minutes and ten autocorrelation times of the history; with strongly correlated readings an hour does not hold the eight means it needs, and it stays silent. Gauges warn and never block.", t.String())
}

func ar1(r *rand.Rand, phi float64, n int) []float64 {
	out, x := make([]float64, n), r.NormFloat64()
	for i := range out {
		x = phi*x + math.Sqrt(1-phi*phi)*r.NormFloat64()
		out[i] = x
	}
	return out
}
