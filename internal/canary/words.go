package canary

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// count writes a number with spaces between thousands: "3 104".
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return sign + s
}

// share writes counts with their rate: "41 of 9 870 (0.42 %)".
func share(c seqtest.Cohort) string {
	s := count(c.Bad) + " of " + count(c.N)
	if c.N > 0 && c.Bad > 0 {
		s += " (" + percent(c.Rate()) + ")"
	}
	return s
}

// number writes two significant digits, without an exponent for usual sizes.
func number(x float64) string {
	switch {
	case x == 0:
		return "0"
	case math.Abs(x) >= 1e6 || math.Abs(x) < 1e-4:
		return strconv.FormatFloat(x, 'g', 2, 64)
	case math.Abs(x) >= 10:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	digits := max(0, 1-int(math.Floor(math.Log10(math.Abs(x)))))
	s := strconv.FormatFloat(x, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// atLeast and atMost write the ends of an interval, rounded outwards.
func atLeast(x float64) string { return outwards(x, math.Floor) }
func atMost(x float64) string  { return outwards(x, math.Ceil) }

func outwards(x float64, round func(float64) float64) string {
	scale := 1.0
	switch {
	case x < 2:
		scale = 100
	case x < 10:
		scale = 10
	}
	return strconv.FormatFloat(round(x*scale)/scale, 'f', -1, 64)
}

// percent writes a share: "0.42 %".
func percent(p float64) string {
	if p*100 > 99 && p < 1 {
		return strconv.FormatFloat(p*100, 'f', 2, 64) + " %"
	}
	return number(p*100) + " %"
}

// points writes a difference of shares: "+0.5 pp".
func points(d float64) string {
	sign := "+"
	if d < 0 {
		sign = "-"
	}
	return sign + number(math.Abs(d)*100) + " pp"
}

// nullWords writes a border: "1.5× the baseline's + 0.2 pp".
func nullWords(n seqtest.Null) string {
	times := "the baseline's"
	if n.Rho != 1 {
		times = number(n.Rho) + "× the baseline's"
	}
	if n.Delta == 0 {
		return times
	}
	return times + " " + points(n.Delta)
}

// marginWords writes what a PASS has proven.
func marginWords(n seqtest.Null) string {
	switch {
	case n.Rho == 1 && n.Delta == 0:
		return "better than the baseline"
	case n.Rho == 1:
		return "less than " + points(n.Delta) + " worse"
	default:
		return "less than " + nullWords(n)
	}
}

// duration writes seconds as people say them: "4 s", "2 min 15 s", "1 h 5 min".
func duration(s float64) string {
	switch {
	case math.IsInf(s, 1):
		return "never"
	case s < 1:
		return number(math.Max(s, 0)) + " s"
	case s > 48*3600:
		return number(s/86400) + " days"
	}
	t := int64(math.Round(s))
	h, m, sec := t/3600, t/60%60, t%60
	switch {
	case h > 0 && m > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case h > 0:
		return fmt.Sprintf("%d h", h)
	case m > 0 && sec > 0:
		return fmt.Sprintf("%d min %d s", m, sec)
	case m > 0:
		return fmt.Sprintf("%d min", m)
	default:
		return fmt.Sprintf("%d s", sec)
	}
}

// after writes when something happened: "after 4 s", or a word for the first
// tenth of a second.
func after(s float64, begin string) string {
	if s < 0.1 {
		return begin
	}
	return "after " + duration(s)
}

// odds writes evidence as odds against one: "110 : 1", "3e9 : 1".
func odds(ln float64) string {
	log10 := ln / math.Ln10
	switch {
	case log10 >= 6:
		return "10^" + strconv.FormatFloat(log10, 'f', 0, 64) + " : 1"
	case log10 >= 1:
		return strconv.FormatFloat(math.Pow(10, log10), 'f', 0, 64) + " : 1"
	default:
		return number(math.Pow(10, math.Max(log10, -3))) + " : 1"
	}
}

// surely writes a probability of being right: "95 % sure".
func surely(beta float64) string { return percent(1-beta) + " sure" }

// milliseconds writes a threshold of response times: "250 ms", "2.5 s".
func milliseconds(ms float64) string {
	if ms >= 1000 {
		return strconv.FormatFloat(ms/1000, 'g', 4, 64) + " s"
	}
	return strconv.FormatFloat(ms, 'g', 4, 64) + " ms"
}

// quantity writes a reading of unknown unit with three digits: "1.25 M".
func quantity(x float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e4, " k"}} {
		if v := math.Abs(x); v >= u.size {
			if u.size == 1e4 {
				u.size = 1e3
			}
			return strconv.FormatFloat(x/u.size, 'g', 3, 64) + u.name
		}
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}
