package scrape

import (
	"math"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// One process behind both addresses (localhost and 127.0.0.1, a router that has
// not been told of the canary, a PROMETHEUS_MULTIPROC_DIR that both releases write
// to) is always as good as itself: a pass that means nothing. It gives itself away
// by numbers that two processes never share: when a counted metric was created,
// and the sum of the response times, to the last digit.

// same returns a fatal Problem when a baseline and a canary address show such a
// number alike. It is asked when the first looks begin and ever more rarely after
// that, for a process that had nothing to show by then.
func (s *Source) same(answers []answer, errs []error) error {
	if s.begun {
		if s.looks++; s.looks&(s.looks-1) != 0 {
			return nil
		}
	}
	var marks []map[mark]bool
	for i := range s.instances {
		if errs[i] != nil {
			marks = append(marks, nil)
			continue
		}
		marks = append(marks, s.marks(answers[i]))
	}
	for i, base := range s.instances {
		for k, in := range s.instances {
			if base.cohort != "baseline" || in.cohort != "canary" {
				continue
			}
			for m := range marks[k] {
				if marks[i][m] {
					return &canary.Problem{Kind: "same-process", Cohort: in.cohort, Where: in.where, Fatal: true,
						Detail: "shows the very same numbers as baseline " + base.where + " (" + m.series + "): is it one process behind two addresses, or do both releases write to one PROMETHEUS_MULTIPROC_DIR? " +
							"Give each side the address of its own instances"}
				}
			}
		}
	}
	return nil
}

// mark is a series with a value that no other process shows.
type mark struct {
	series string
	value  float64
}

// marks are those of a page, of the metrics that are counted.
func (s *Source) marks(a answer) map[mark]bool {
	names := map[string]bool{}
	if h := s.histogram.Name; h != "" {
		names[h+"_sum"], names[h+"_created"] = true, true
	}
	for _, c := range s.counters {
		for _, name := range []string{c.Requests.Name, c.Errors.Name} {
			if name != "" {
				names[strings.TrimSuffix(name, "_total")+"_created"] = true
			}
		}
	}
	out := map[mark]bool{}
	for _, x := range a.page.Series {
		if names[x.Name] && x.Value > 0 && !math.IsInf(x.Value, 0) && !round(x.Value) {
			out[mark{key(x, ""), x.Value}] = true
		}
	}
	return out
}

// round says that a number has four decimals at most, whatever adding up has made of
// the last digits: such numbers may be alike by chance; what a clock measured is not.
func round(x float64) bool {
	const decimals, off, ulp = 1e4, 1e-6, 5e-16
	x *= decimals
	return math.Abs(x-math.Round(x)) <= off+x*ulp
}
