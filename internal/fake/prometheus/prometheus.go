// Package prometheus is a Prometheus for tests: its query API over samples that
// the test appends, with a clock that the test moves, and with the faults of
// real ones. Expressions are read by Prometheus' own parser; what the fake cannot
// evaluate is refused as the real one refuses nonsense, never answered with
// something else.
package prometheus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Sample is one raw sample; Histogram, when set, is a native histogram as the
// API's JSON shows it, and Value is not used.
type Sample struct {
	TS        int64 // milliseconds
	Value     float64
	Histogram any
}

// Server answers /api/v1/query and /api/v1/rules.
type Server struct {
	mu     sync.Mutex
	now    int64
	series []*stored
	index  map[string]*stored
	// Rules is the "groups" of /api/v1/rules.
	rules any
	// fault answers instead when it returns true.
	fault func(w http.ResponseWriter, r *http.Request) bool
	// warnings are added to every answer.
	warnings []string
	victoria bool
	partial  bool
	// eval answers expressions that are more than selectors.
	eval func(expr string, at int64) ([]map[string]string, bool)
	// Queries is what was asked, in order.
	queries []string
}

type stored struct {
	labels  labels.Labels
	samples []Sample
}

// New starts at a time, in milliseconds.
func New(now int64) *Server { return &Server{now: now, index: map[string]*stored{}} }

// Advance moves the clock.
func (s *Server) Advance(d time.Duration) { s.do(func() { s.now += d.Milliseconds() }) }

// Now is the clock.
func (s *Server) Now() (now int64) { s.do(func() { now = s.now }); return now }

// Fault sets what answers instead of the server; nil heals it.
func (s *Server) Fault(f func(http.ResponseWriter, *http.Request) bool) {
	s.do(func() { s.fault = f })
}

// Victoria makes it answer as VictoriaMetrics does: numbers are vectors of one, and
// raw samples come as another type of JSON.
func (s *Server) Victoria() { s.do(func() { s.victoria = true }) }

func (s *Server) isVictoria() (v bool) { s.do(func() { v = s.victoria }); return v }

// Warn adds warnings to every answer, as a storage that answers in part does.
func (s *Server) Warn(texts ...string) { s.do(func() { s.warnings = texts }) }

// Partial marks every answer as VictoriaMetrics marks partial ones.
func (s *Server) Partial(on bool) { s.do(func() { s.partial = on }) }

// SetRules sets the groups of the rules API.
func (s *Server) SetRules(groups any) { s.do(func() { s.rules = groups }) }

// Eval answers instant queries that are more than selectors; it returns the
// label sets of the result, and false for what it does not know.
func (s *Server) Eval(f func(expr string, at int64) ([]map[string]string, bool)) {
	s.do(func() { s.eval = f })
}

// Queries returns what was asked so far.
func (s *Server) Queries() (out []string) {
	s.do(func() { out = slices.Clone(s.queries) })
	return out
}

func (s *Server) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Append adds a sample now. The selector is a full label set as Prometheus
// writes it: up{job="web",instance="a"}.
func (s *Server) Append(selector string, v float64) { s.Add(selector, Sample{TS: s.Now(), Value: v}) }

// Add adds a sample at a time of its own.
func (s *Server) Add(selector string, x Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.index[selector]
	if !ok {
		l, err := parser.NewParser(parser.Options{}).ParseMetric(selector)
		if err != nil {
			panic(fmt.Sprintf("fake prometheus: %q: %v", selector, err))
		}
		key := l.String()
		if st, ok = s.index[key]; !ok {
			st = &stored{labels: l}
			s.series = append(s.series, st)
			s.index[key] = st
		}
		s.index[selector] = st
	}
	st.samples = append(st.samples, x)
}

// ServeHTTP speaks the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if fault != nil && fault(w, r) {
		return
	}
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	case r.URL.Path == "/api/v1/query":
		s.query(w, r)
	case r.URL.Path == "/api/v1/rules" && r.Method == http.MethodGet:
		s.mu.Lock()
		groups := s.rules
		s.mu.Unlock()
		if groups == nil {
			groups = []any{}
		}
		s.write(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"groups": groups}})
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) write(w http.ResponseWriter, status int, doc map[string]any) {
	s.mu.Lock()
	if len(s.warnings) > 0 {
		doc["warnings"] = s.warnings
	}
	if s.partial {
		doc["isPartial"] = true
	}
	media := "application/json"
	if data, ok := doc["data"].(map[string]any); ok && s.victoria && data["resultType"] == "matrix" {
		media = "application/stream+json; charset=utf-8"
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", media)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(doc)
}

func (s *Server) refuse(w http.ResponseWriter, format string, args ...any) {
	s.write(w, http.StatusBadRequest, map[string]any{"status": "error", "errorType": "bad_data", "error": fmt.Sprintf(format, args...)})
}

func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.refuse(w, "%v", err)
		return
	}
	s.mu.Lock()
	at := s.now
	s.queries = append(s.queries, r.Form.Get("query"))
	eval := s.eval
	s.mu.Unlock()
	if t := r.Form.Get("time"); t != "" {
		f, err := strconv.ParseFloat(t, 64)
		if err != nil {
			s.refuse(w, "cannot parse %q to a valid timestamp", t)
			return
		}
		at = int64(f*1000 + 0.5)
	}
	text := r.Form.Get("query")
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		s.refuse(w, "invalid parameter \"query\": %v", err)
		return
	}
	if eval != nil {
		if sets, ok := eval(text, at); ok {
			var list []any
			for _, l := range sets {
				list = append(list, map[string]any{"metric": l, "value": []any{float64(at) / 1000, "1"}})
			}
			s.result(w, "vector", list)
			return
		}
	}
	switch e := expr.(type) {
	case *parser.Call:
		if e.Func.Name == "time" {
			now := float64(at) / 1000
			if s.isVictoria() {
				s.result(w, "vector", []any{map[string]any{"metric": map[string]string{}, "value": []any{now, strconv.FormatFloat(now, 'f', -1, 64)}}})
				return
			}
			s.write(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"resultType": "scalar", "result": []any{now, strconv.FormatFloat(now, 'f', -1, 64)}}})
			return
		}
	case *parser.MatrixSelector:
		s.result(w, "matrix", s.matrix(e.VectorSelector.(*parser.VectorSelector).LabelMatchers, at-e.Range.Milliseconds(), at))
		return
	case *parser.VectorSelector:
		s.result(w, "vector", s.vector(e.LabelMatchers, at))
		return
	case *parser.AggregateExpr:
		if v, ok := e.Expr.(*parser.VectorSelector); ok && e.Op == parser.COUNT && slices.Equal(e.Grouping, []string{"__name__"}) && !e.Without {
			s.result(w, "vector", s.count(v.LabelMatchers, at))
			return
		}
	}
	s.refuse(w, "the fake does not evaluate %s", text)
}

func (s *Server) result(w http.ResponseWriter, kind string, list []any) {
	if list == nil {
		list = []any{}
	}
	s.write(w, http.StatusOK, map[string]any{"status": "success", "data": map[string]any{"resultType": kind, "result": list}})
}

func matches(l labels.Labels, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// matrix is the raw samples in (from, to], as of Prometheus 3; before, the left end
// was part of it.
func (s *Server) matrix(ms []*labels.Matcher, from, to int64) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []any
	for _, st := range s.series {
		if !matches(st.labels, ms) {
			continue
		}
		var values, histograms []any
		for _, x := range st.samples {
			switch {
			case x.TS <= from || x.TS > to:
			case x.Histogram != nil:
				histograms = append(histograms, []any{float64(x.TS) / 1000, x.Histogram})
			default:
				values = append(values, []any{float64(x.TS) / 1000, strconv.FormatFloat(x.Value, 'f', -1, 64)})
			}
		}
		doc := map[string]any{"metric": st.labels.Map()}
		if values != nil {
			doc["values"] = values
		}
		if histograms != nil {
			doc["histograms"] = histograms
		}
		if len(doc) > 1 {
			out = append(out, doc)
		}
	}
	return out
}

// lookBack is Prometheus' own default for instant vectors.
const lookBack = 5 * 60 * 1000

func (s *Server) vector(ms []*labels.Matcher, at int64) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []any
	for _, st := range s.series {
		if x, ok := st.latest(at); ok && matches(st.labels, ms) {
			out = append(out, map[string]any{"metric": st.labels.Map(), "value": []any{float64(at) / 1000, strconv.FormatFloat(x.Value, 'f', -1, 64)}})
		}
	}
	return out
}

func (st *stored) latest(at int64) (Sample, bool) {
	for i := len(st.samples) - 1; i >= 0; i-- {
		if x := st.samples[i]; x.TS <= at && x.TS > at-lookBack {
			return x, true
		}
	}
	return Sample{}, false
}

func (s *Server) count(ms []*labels.Matcher, at int64) []any {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[string]int{}
	for _, st := range s.series {
		if _, ok := st.latest(at); ok && matches(st.labels, ms) {
			n[st.labels.Get("__name__")]++
		}
	}
	var out []any
	for name, c := range n {
		out = append(out, map[string]any{"metric": map[string]string{"__name__": name}, "value": []any{float64(at) / 1000, strconv.Itoa(c)}})
	}
	return out
}
