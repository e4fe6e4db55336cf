package prometheus

import (
	"encoding/json"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/canary/series"
)

// FuzzAnswer reads what a server might say and counts it: no answer may panic,
// and what is counted is possible.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`[{"metric":{"__name__":"http_requests_total","job":"web","instance":"a","status":"500"},"values":[[1435781430.781,"1"],[1435781445.781,"3"],[1435781460,"2"]]}]`))
	f.Add([]byte(`[{"metric":{"__name__":"x_bucket","le":"0.5"},"values":[[1,"1"]]},{"metric":{"__name__":"x_bucket","le":"+Inf"},"values":[[1,"NaN"],[2,"1e300"]]}]`))
	f.Add([]byte(`[{"metric":{"__name__":"x"},"histograms":[[1435781430.781,{"count":"60","sum":"33490","buckets":[[1,"-0.25","-0.125","1"],[0,"0.5","1","59"]]}]]}]`))
	f.Add([]byte(`[{"metric":{"__name__":"up"},"value":[1,"1"]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var list []rawSeries
		if json.Unmarshal(data, &list) != nil {
			return
		}
		half := len(list) / 2
		s := &Source{tally: newTally(), counters: []series.Counter{{Metric: canary.Errors, Requests: series.Selector{Name: "http_requests_total"}}}}
		s.tally.Latency.UnitMS = 1000
		b := newBatch()
		for c, part := range [][]rawSeries{list[:half], list[half:]} {
			b.meta(cohort(c), part, map[string]string{"x": Memory})
			b.requests(cohort(c), s.counters[0], part)
			b.buckets(cohort(c), true, part)
		}
		if b.check() != nil {
			return
		}
		last := int64(0)
		for _, target := range b.targets {
			last = max(last, target.newest)
		}
		s.tally.Latency.choose(b, false)
		for _, end := range []int64{last / 2, last} {
			w, err := s.tally.advance(b, end)
			if err != nil {
				return
			}
			for _, sides := range w.counts {
				for _, c := range sides {
					if c.N < 0 || c.Bad < 0 || c.Bad > c.N {
						t.Fatalf("%+v", c)
					}
				}
			}
			if l := s.tally.Latency.Take(); l != nil {
				for _, n := range append(l.Canary, l.Baseline...) {
					if n < 0 {
						t.Fatalf("%+v", l)
					}
				}
			}
		}
	})
}
