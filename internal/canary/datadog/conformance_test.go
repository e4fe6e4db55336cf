//go:build conformance

package datadog

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// TestConformanceDatadog: our requests are those of Datadog's own client, and what
// the fake answers, that client reads as we do, by its description of the API.
func TestConformanceDatadog(t *testing.T) {
	python, err := filepath.Abs("../../../.cache/conformance/monitoring/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Skip("no client of Datadog's: run make conformance, which installs it")
	}
	const from, to = 1_800_000_000, 1_800_000_600
	type call struct{ method, path, query, key, app, accept string }
	var calls []call
	f := &fake{now: to, value: 7}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Their order and escaping differ; the values may not.
		calls = append(calls, call{r.Method, r.URL.Path, r.URL.Query().Encode(), r.Header.Get("DD-API-KEY"), r.Header.Get("DD-APPLICATION-KEY"), r.Header.Get("Accept")})
		f.ServeHTTP(w, r)
	}))
	defer srv.Close()
	src, err := newClient(config(srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"sum:hits{service:shop,version:2}.as_count()", "sum:errors{service:shop,version:2}.as_count()", "sum:errors{service:shop,version:1}.as_count()"} {
		calls = nil
		ours, now, err := src.query(t.Context(), text, from, to)
		if err != nil || now != to {
			t.Fatalf("%v at %v: %v", ours, now, err)
		}
		cmd := exec.CommandContext(t.Context(), python, "testdata/query.py", srv.URL, strconv.Itoa(from), strconv.Itoa(to), text+".rollup(sum, 10)")
		cmd.Stderr, cmd.WaitDelay = os.Stderr, time.Second
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var read map[string]float64
		if err := json.Unmarshal(out, &read); err != nil {
			t.Fatal(err)
		}
		theirs := map[int64]float64{}
		for at, n := range read {
			sec, _ := strconv.ParseInt(at, 10, 64)
			theirs[sec] = n
		}
		if !maps.Equal(theirs, ours) {
			t.Errorf("%s: the client reads %v, we %v", text, theirs, ours)
		}
		if len(calls) != 2 || calls[0] != calls[1] {
			t.Errorf("%s: requests\n%+v", text, calls)
		}
	}
}
