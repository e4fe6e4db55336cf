package main

import (
	"fmt"
	"math"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// traffic is the nine services of every table.
func traffic() []cell {
	var out []cell
	for _, rps := range []float64{10, 100, 1000} {
		for _, s := range []float64{.05, .1, .5} {
			out = append(out, cell{rps: rps, share: s})
		}
	}
	return out
}

// rules are the columns of the tables of errors.
func rules() []string {
	return []string{"default", "default, calibrated", "bare", "bare, calibrated", "Kayenta, once", "Kayenta, every minute", "Flagger", "Argo", "z-test, once", "z-test, Bonferroni"}
}

func (p *page) falseAlarms() {
	t := table{head: append([]string{"errors %", "rps/share"}, rules()...)}
	worst, worstCal := 0.0, 0.0
	points := map[string][]point{}
	for i, base := range []float64{.001, .005, .05, .3} {
		for k, c := range traffic() {
			c.base, c.canary = base, base
			got := simulate(steady{c}, c, everybody, p.cal, p.runs(1000), uint64(100+10*i+k))
			row := []string{pct(base), c.label()}
			for _, r := range rules() {
				row = append(row, fmt.Sprintf("%.1f", share(got[r])))
				points[r] = append(points[r], point{float64(9*i + k), share(got[r])})
			}
			t.add(row...)
			worst, worstCal = math.Max(worst, share(got["default"])), math.Max(worstCal, share(got["default, calibrated"]))
		}
		p.say(fmt.Sprintf("false alarms at %s %%", pct(base)))
	}
	p.promise(worst <= 1, "false FAIL of the default at most 1 % in each of the 36 cells without a difference, a look at every tick for an hour", "at most %.1f %%", worst)
	p.plots["false-alarms"] = alarmPlot(points)
	p.section("False alarms, where nothing differs",
		fmt.Sprintf("Share of runs in %% that say FAIL within the hour; 1 is what was asked for; %d runs a cell. The calibrated threshold is the quantile of simulated runs with a margin for their number, so that its own level lies a little below 1 %%: at most %.1f %% in these 36 cells, where chance alone makes the largest of 36 numbers from so many runs 1.7.", p.runs(1000), worstCal),
		t.String(), "![False alarms per cell](plots/false-alarms.svg)")
}

func (p *page) hostile() {
	base := cell{rps: 100, share: .1, base: .005, canary: .005}
	quick := base
	quick.every = 5
	noHistory := func(c cell, h []seqtest.Cohort, m *calibration) []judge {
		return append(everybody(c, h, m), shipped("default, no history", nil))
	}
	columns := []string{"default", "default, no history", "default, calibrated", "bare", "Kayenta, every minute", "Flagger", "z-test, Bonferroni"}
	t := table{head: append([]string{"what happens"}, columns...)}
	worst, without := 0.0, 0.0
	where := ""
	for i, h := range []struct {
		name string
		m    model
		c    cell
	}{
		{"outage of both, errors to 10 %, baseline seen 5 s earlier", varying{base, outage(20), 5}, base},
		{"10 s earlier", varying{base, outage(20), 10}, base},
		{"14 s earlier", varying{base, outage(20), 14}, base},
		{"outage of both, errors to 50 %, 5 s earlier", varying{base, outage(100), 5}, base},
		{"10 s earlier", varying{base, outage(100), 10}, base},
		{"14 s earlier", varying{base, outage(100), 14}, base},
		{"outage of both, errors to 100 %, 10 s earlier", varying{base, outage(200), 10}, base},
		{"14 s earlier", varying{base, outage(200), 14}, base},
		{"14 s later", varying{base, outage(200), -14}, base},
		{"errors in clusters of 2 on average", clusters{cell: base, mean: 2}, base},
		{"clusters of 3", clusters{cell: base, mean: 3}, base},
		{"clusters of 10", clusters{cell: base, mean: 10}, base},
		{"clusters of 3 at 1000/10", clusters{cell: cell{rps: 1000, share: .1, base: .005, canary: .005}, mean: 3}, cell{rps: 1000, share: .1, base: .005, canary: .005}},
		{"clusters of 3 at 10/50", clusters{cell: cell{rps: 10, share: .5, base: .005, canary: .005}, mean: 3}, cell{rps: 10, share: .5, base: .005, canary: .005}},
		{"clusters of 3, a look every 5 s", clusters{cell: quick, mean: 3}, quick},
		{"clusters of 3 on the canary's side only", clusters{cell: base, mean: 3, alone: true}, base},
		{"bursts of both, ten times the errors for a minute", varying{base, bursts, 0}, base},
		{"the same, 10 s apart", varying{base, bursts, 10}, base},
		{"one tick in ten loses a part to a restart", resets{base, .1}, base},
		{"share ramped 5, 25, 50 % at 10 requests/s", ramp{cell{rps: 10, share: .05, base: .005, canary: .005}, []float64{.05, .25, .5}}, cell{rps: 10, share: .05, base: .005, canary: .005}},
		{"share ramped 5, 25, 50 % at 100 requests/s", ramp{cell{rps: 100, share: .05, base: .005, canary: .005}, []float64{.05, .25, .5}}, cell{rps: 100, share: .05, base: .005, canary: .005}},
	} {
		cal := p.cal
		if _, ok := h.m.(ramp); ok { // as shipped: in steps the plain threshold stays
			cal = plain(h.c)
		}
		got := simulate(h.m, h.c, noHistory, cal, p.runs(1000), uint64(200+i))
		row := []string{h.name}
		for _, r := range columns {
			row = append(row, fmt.Sprintf("%.1f", share(got[r])))
		}
		t.add(row...)
		// A release whose errors begin to come in clusters has changed, though its rate
		// has not: shown, not promised.
		x, ok := h.m.(clusters)
		changed := ok && x.alone
		if s := share(got["default"]); s > worst && !changed {
			worst, where = s, " ("+h.name+")"
		}
		without = math.Max(without, share(got["default, no history"]))
		p.say(h.name)
	}
	p.promise(worst <= 1, "the same in the hostile cells: skew in an outage, clusters, bursts, resets, ramps", "at most %.1f %%%s", worst, where)
	p.promise(without <= 1, "the same without any history: two addresses and nothing else", "at most %.1f %%", without)
	p.section("What production does to a judge",
		"False alarms in %, nothing differs between the sides; 100/10 at 0.5 % errors unless said otherwise. \"No history\" is the gate with two addresses and nothing else: what it knows of clusters it has to learn from both sides while it watches. Until it has, evidence for a FAIL is divided, at first by 3, as if every failure had brought two more, and by less as looks show that they come one by one; after forty looks it counts in full unless clusters are seen. A canary's own clusters count always, up to a factor of 24, so that a crash loop does not hide behind them. Without that, clusters of 2, 3 and 10 failed 5, 11 and 16 % of the runs without history, and clusters on the canary's side alone more than a quarter of all runs; with a history these still fail 5 to 10 %, because the first of them come before anything tells, and a release whose errors begin to come in clusters has changed. Where errors cluster, and while the share moves in steps, the calibrated threshold gives way to the plain one.",
		t.String())
}

func (p *page) detection() {
	columns := []string{"SPRT", "default", "default, calibrated", "bare", "bare, calibrated", "Kayenta, once", "Kayenta, every minute", "Flagger", "Argo", "z-test, Bonferroni"}
	t := table{head: append([]string{"errors %", "rps/share"}, columns...)}
	points := map[string][]point{}
	later := 0
	n := 0
	for i, d := range []struct{ base, canary float64 }{{.005, .01}, {.001, .01}, {.005, .0075}, {.005, .05}} {
		for k, c := range traffic() {
			c.base, c.canary = d.base, d.canary
			runs := 400
			if i == 2 || c.rps == 100 && c.share == .1 {
				runs = 1500 // where judges are close together, or something is promised
			}
			got := simulate(steady{c}, c, everybody, p.cal, p.runs(runs), uint64(300+10*i+k))
			row := []string{pct(d.base) + " → " + pct(d.canary), c.label()}
			for _, r := range columns {
				row = append(row, words(got[r]))
				points[r] = append(points[r], point{float64(n), median(got[r])})
			}
			n++
			t.add(row...)
			if median(got["default"]) > median(got["Kayenta, every minute"]) {
				later++
			}
			if c.rps == 100 && c.share == .1 {
				p.speed(i, got)
			}
		}
		p.say(fmt.Sprintf("detection of %s → %s", pct(d.base), pct(d.canary)))
	}
	p.promise(later == 0, "the default never later than Kayenta every minute in a cell of errors", "later in %d of %d cells", later, n)
	p.plots["time-to-detect"] = detectPlot(points)
	p.section("Time to see more errors", "Medians in minutes. Flagger and Argo know nothing of the baseline: where they are fast, look at their false alarms above. Cells that something is promised for have 1500 runs: with 400 a median moves by a look (bare, calibrated: 4.5 or 4.75).", t.String(),
		"![Time to detect per cell](plots/time-to-detect.svg)")
}

// often looks every five seconds instead of fifteen, as the gate does with two
// addresses: the lag rule waits for a tick, and a shorter one costs less.
func (p *page) often() {
	judges := func(c cell, h []seqtest.Cohort, m *calibration) []judge {
		t, robust := m.of(c)
		return []judge{bare("bare", seqtest.Null{Rho: 1}, t), shipped("default", h, robust), shipped("default, no history", nil),
			passing("PASS, bare", seqtest.Null{Rho: 1, Delta: .005}, false, h), passing("PASS, default", seqtest.Null{Rho: 1, Delta: .005}, true, h)}
	}
	columns := []string{"default", "default, no history", "default, calibrated", "bare", "bare, calibrated", "PASS, default", "PASS, bare"}
	t := table{head: append([]string{"errors %"}, columns...)}
	for i, d := range []struct{ base, canary float64 }{{.005, .005}, {.005, .01}, {.001, .01}} {
		c := cell{rps: 100, share: .1, base: d.base, canary: d.canary, every: 5}
		runs := 1000
		if i == 0 {
			runs = 3000 // promised
		}
		got := simulate(steady{c}, c, judges, p.cal, p.runs(runs), uint64(350+i))
		row := []string{pct(d.base) + " → " + pct(d.canary)}
		for _, r := range columns {
			row = append(row, words(got[r]))
		}
		t.add(row...)
		if i == 0 {
			p.promise(median(got["PASS, default"]) <= 3, "PASS within +0.5 pp, default, a look every 5 s as is the default: at most 3 min", "%s min", words(got["PASS, default"]))
		} else {
			most := []float64{0, 7, 2}[i]
			p.promise(median(got["default, no history"]) <= most, fmt.Sprintf("100/10, errors %s %%, default without any history, a look every 5 s: at most %g min", row[0], most), "%s min", words(got["default, no history"]))
		}
	}
	p.section("A look every five seconds", "100/10 as the gate watches two addresses: 720 looks in an hour. The first row has no difference: the numbers in brackets are its false alarms in %. The promised PASS lies at its limit: from 1000 to 3000 runs of other seeds the median was 2.92 to 3.08 minutes, one look either way.", t.String())
}

// speed holds the figures that are promised for 100 requests/s and 10 % share.
func (p *page) speed(i int, got result) {
	say := func(rule string, most float64, what string) {
		p.promise(median(got[rule]) <= most, fmt.Sprintf("%s, %s: at most %g min", what, rule, most), "%s min", words(got[rule]))
	}
	switch i {
	case 0:
		say("bare", 5.5, "100/10, errors 0.5 → 1 %")
		say("bare, calibrated", 4.5, "100/10, errors 0.5 → 1 %")
		say("default", 6, "100/10, errors 0.5 → 1 %")
		say("default, calibrated", 5, "100/10, errors 0.5 → 1 %")
	case 1:
		say("bare", 1, "100/10, errors 0.1 → 1 %")
		say("default", 1.5, "100/10, errors 0.1 → 1 %")
	}
}

func (p *page) passes() {
	margins := []string{"+0.5 pp", "2 times", "1.5 times + 0.2 pp"}
	t := table{head: []string{"errors %", "rps/share", "bare: +0.5 pp", "2 times", "1.5 times + 0.2 pp", "default: +0.5 pp", "2 times", "1.5 times + 0.2 pp"}}
	for i, base := range []float64{.001, .005} {
		for k, c := range traffic() {
			c.base, c.canary = base, base
			row := []string{pct(base), c.label()}
			for _, lag := range []bool{false, true} {
				runs := 400
				if c.rps == 100 && c.share == .1 {
					runs = 1500 // promised
				}
				got := simulate(steady{c}, c, passers(lag), p.cal, p.runs(runs), uint64(400+10*i+k))
				for _, m := range margins {
					row = append(row, words(got[m]))
				}
				if c.rps == 100 && c.share == .1 && base == .005 {
					if m := got[margins[0]]; lag {
						p.show("the same, default, a look every 15 s: the lag rule waits for one look more", "%s min", words(m))
					} else {
						p.promise(median(m) <= 3, "100/10, 0.5 % errors on both sides, bare: PASS within +0.5 pp at most 3 min", "%s min", words(m))
					}
				}
			}
			t.add(row...)
		}
		p.say(fmt.Sprintf("passes at %s %%", pct(base)))
	}
	wrong := table{head: []string{"rps/share", "default: +0.5 pp", "2 times", "bare: +0.5 pp", "2 times"}}
	worst := 0.0
	for k, c := range traffic() {
		c.base, c.canary = .005, .01
		row := []string{c.label()}
		for _, lag := range []bool{true, false} {
			got := simulate(steady{c}, c, passers(lag), p.cal, p.runs(1000), uint64(450+k))
			for _, m := range margins[:2] {
				row = append(row, fmt.Sprintf("%.1f", share(got[m])))
				if lag {
					worst = math.Max(worst, share(got[m]))
				}
			}
		}
		wrong.add(row...)
	}
	p.promise(worst <= 5, "wrong PASS of the default exactly at the margin at most 5 %", "at most %.1f %%", worst)
	p.say("wrong passes")
	p.section("Time to PASS", "Both sides have the same share of errors; minutes until it is proven that the canary is less than the margin worse. The margin of the default configuration is +0.5 pp.",
		t.String(), "Wrong PASS in %, with a canary exactly at the margin (0.5 against 1 %); 5 is what was asked for:", wrong.String())
}
