package main

import (
	"math"
	"testing"
)

// TestMannWhitney: the value is scipy's mannwhitneyu(method='asymptotic').
func TestMannWhitney(t *testing.T) {
	c := []float64{1.1, 2.3, 2.3, 3.7, 4.0, 5.5, 6.1, 7.2}
	b := []float64{0.9, 1.4, 2.0, 2.3, 2.9, 3.1, 3.3, 4.4, 4.6, 5.0}
	if z := mannWhitney(c, b, 0); math.Abs(z-1.023917348105) > 1e-9 {
		t.Errorf("W(0) = %.12f", z)
	}
}

// TestSimulation is a small part of the whole: the cells that the figures of
// README.md are quoted for, with fewer runs.
func TestSimulation(t *testing.T) {
	cal := &calibration{runs: 4000}
	aa := cell{rps: 100, share: .1, base: .005, canary: .005}
	for name, m := range map[string]model{"steady": steady{aa}, "clusters": clusters{cell: aa, mean: 3}, "skew": varying{aa, outage(200), 10}} {
		got := simulate(m, aa, everybody, cal, 60, 1)
		if n := within(got["default"], 60); n > 2 {
			t.Errorf("%s: %d of 60 false alarms of the default", name, n)
		}
		if n := within(got["bare"], 60); name == "skew" && n < 40 {
			t.Errorf("skew: the bare engine alarms in %d of 60 runs only: the scenario proves nothing", n)
		}
	}
	bad := cell{rps: 100, share: .1, base: .005, canary: .01}
	got := simulate(steady{bad}, bad, everybody, cal, 100, 2)
	for rule, most := range map[string]float64{"bare": 6, "bare, calibrated": 5, "default": 6.5, "default, calibrated": 5.5} {
		if m := median(got[rule]); m > most || m < 2 {
			t.Errorf("%s: median %v min", rule, m)
		}
	}
	if k := median(got["Kayenta, every minute"]); k < 6 || k > 10 {
		t.Errorf("Kayenta: %v min, published 8", k)
	}
	if f := median(got["Flagger"]); f < 8 || f > 12 {
		t.Errorf("Flagger: %v min, published 10", f)
	}
	pass := simulate(steady{aa}, aa, passers(false), cal, 60, 3)
	if m := median(pass["+0.5 pp"]); m > 3.25 || m < 2 {
		t.Errorf("pass: %v min", m)
	}
}
