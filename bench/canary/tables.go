package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// within counts the runs that fired by a minute.
func within(at []float64, minutes float64) int {
	n := 0
	for _, t := range at {
		if t <= minutes {
			n++
		}
	}
	return n
}

func share(at []float64) float64 { return 100 * float64(within(at, 60)) / float64(len(at)) }

// median is infinite when half of the runs never fired.
func median(at []float64) float64 {
	s := slices.Clone(at)
	slices.Sort(s)
	return s[len(s)/2]
}

// words writes a median, with the share of runs that fired when it is not all.
func words(at []float64) string {
	m := median(at)
	s := ">60"
	if !math.IsInf(m, 1) {
		s = strconv.FormatFloat(math.Round(m*100)/100, 'f', -1, 64)
	}
	if p := share(at); p < 99.5 {
		s += fmt.Sprintf(" (%.0f)", p)
	}
	return s
}

type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.head)
	line(append([]string{"---"}, times(len(t.head)-1, func(int) string { return "---:" })...))
	for _, r := range t.rows {
		line(r)
	}
	return b.String()
}

// label is a cell's place in a table: requests per second / share in percent.
func (c cell) label() string { return fmt.Sprintf("%g/%g", c.rps, c.share*100) }

func pct(x float64) string { return strconv.FormatFloat(math.Round(1e5*x)/1e3, 'f', -1, 64) }

// passers are the PASS side at three margins.
func passers(lag bool) bench {
	return func(_ cell, h []seqtest.Cohort, _ *calibration) []judge {
		return []judge{passing("+0.5 pp", seqtest.Null{Rho: 1, Delta: .005}, lag, h), passing("2 times", seqtest.Null{Rho: 2}, lag, h),
			passing("1.5 times + 0.2 pp", seqtest.Null{Rho: 1.5, Delta: .002}, lag, h)}
	}
}
