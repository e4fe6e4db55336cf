package datadog

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/seqtest"
)

// fake is /api/v1/query: 7 requests a step for each side, of which the canary's
// fail twice.
type fake struct {
	now   int64
	fault func(http.ResponseWriter) bool
	value float64
	lost  bool
	// queries are those that were asked.
	queries int
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Unix(f.now, 0).UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	f.queries++
	switch {
	case r.URL.Path != "/api/v1/query" || r.Method != http.MethodGet:
		http.NotFound(w, r)
		return
	case r.Header.Get("DD-API-KEY") != "api" || r.Header.Get("DD-APPLICATION-KEY") != "app":
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":["Forbidden"]}`))
		return
	case f.fault != nil && f.fault(w):
		return
	case !strings.Contains(q.Get("query"), ".as_count().rollup(sum, 10)"):
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errors":["rollup"]}`))
		return
	}
	from, err1 := strconv.ParseInt(q.Get("from"), 10, 64)
	to, err2 := strconv.ParseInt(q.Get("to"), 10, 64)
	if err1 != nil || err2 != nil || (to-from)/10 > 1500 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	points := [][2]any{}
	for t := (from + 9) / 10 * 10; t < min(to, f.now) && !f.lost; t += 10 {
		switch isErrors := strings.Contains(q.Get("query"), "errors"); {
		case !isErrors:
			points = append(points, [2]any{t * 1000, f.value})
		case strings.Contains(q.Get("query"), "version:2"):
			points = append(points, [2]any{t * 1000, 2})
		default:
			points = append(points, [2]any{t * 1000, nil}) // nothing was reported
		}
	}
	// As the service writes it, with what is not read.
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "ok", "res_type": "time_series", "resp_version": 1, "query": q.Get("query"), "from_date": from * 1000, "to_date": to * 1000,
		"message": "", "group_by": []string{}, "times": []int{}, "values": []int{}, "series": []any{map[string]any{"interval": 10, "length": len(points), "start": from * 1000, "end": to*1000 - 1,
			"metric": "hits", "display_name": "hits", "expression": q.Get("query"), "scope": "service:shop", "aggr": "sum", "query_index": 0, "tag_set": []string{},
			"unit": []any{nil, nil}, "attributes": map[string]any{}, "pointlist": points}}})
}

func config(url string) Config {
	return Config{Site: url, APIKey: "api", AppKey: "app", Baseline: "version:1", Canary: "version:2",
		Requests: "sum:hits{service:shop,{{cohort}}}.as_count()", Errors: "sum:errors{service:shop,{{cohort}}}.as_count()"}
}

func TestCounts(t *testing.T) {
	f := &fake{now: 1_800_000_003, value: 7}
	srv := httptest.NewServer(f)
	defer srv.Close()
	cfg := config(srv.URL)
	cfg.Now = func() time.Time { return time.Unix(f.now, 0) }
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Sample(t.Context())
	if err != nil || !first.Origin {
		t.Fatalf("%+v %v", first, err)
	}
	var sum seqtest.Counts
	for i := range 60 {
		f.now += 5
		f.fault = nil
		if i > 20 && i < 40 { // an outage of the service: the next window is longer
			f.fault = func(w http.ResponseWriter) bool { w.WriteHeader(503); return true }
		}
		got, err := s.Sample(t.Context())
		if err != nil {
			if f.fault == nil {
				t.Fatal(err)
			}
			continue
		}
		if !got.Pending {
			sum = sum.Plus(got.Counts[canary.Errors])
		}
	}
	// 300 s after the origin, less the delay of 60 s, at the last question: 22 whole steps.
	if want := (seqtest.Counts{Baseline: seqtest.Cohort{N: 154}, Canary: seqtest.Cohort{N: 154, Bad: 44}}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
	// Four queries every 30 s, none for the first minute, and one a look in the outage.
	if f.queries > 4*7+20 {
		t.Errorf("%d queries in five minutes", f.queries)
	}
	for name, c := range map[string]struct {
		set  func()
		kind string
	}{
		"rates":     {func() { f.value = 6.5 }, "bad-value"},
		"nothing":   {func() { f.lost = true }, "no-data"},
		"forbidden": {func() { f.fault = func(w http.ResponseWriter) bool { w.WriteHeader(403); return true } }, "status"},
		"too many":  {func() { f.fault = func(w http.ResponseWriter) bool { w.WriteHeader(429); return true } }, "status"},
		"html": {func() {
			f.fault = func(w http.ResponseWriter) bool { _, _ = w.Write([]byte("<html>")); return true }
		}, "not-api"},
		"failed": {func() {
			f.fault = func(w http.ResponseWriter) bool {
				_, _ = w.Write([]byte(`{"status":"error","error":"boom"}`))
				return true
			}
		}, "query"},
		"coarser": {func() {
			f.fault = func(w http.ResponseWriter) bool {
				_, _ = w.Write([]byte(`{"status":"ok","series":[{"interval":60,"pointlist":[]}]}`))
				return true
			}
		}, "step"},
	} {
		f.fault, f.value, f.lost = nil, 7, false
		f.now += 100
		c.set()
		_, err := s.Sample(t.Context())
		if p, ok := err.(*canary.Problem); !ok || p.Kind != c.kind {
			t.Errorf("%s: %v, want a problem of kind %s", name, err, c.kind)
		}
	}
}

func TestUsage(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no site":     func(c *Config) { c.Site = "datadoghq" },
		"no key":      func(c *Config) { c.AppKey = "" },
		"same tags":   func(c *Config) { c.Canary = c.Baseline },
		"no cohort":   func(c *Config) { c.Requests = "sum:hits{*}.as_count()" },
		"no as_count": func(c *Config) { c.Errors = "sum:errors{{{cohort}}}" },
		"own rollup":  func(c *Config) { c.Errors += ".rollup(sum, 60)" },
	} {
		cfg := config("https://127.0.0.1")
		change(&cfg)
		if _, err := New(cfg); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}
