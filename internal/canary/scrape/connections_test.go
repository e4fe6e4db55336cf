package scrape

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/canary"
)

// TestConnections: the first looks open a connection each, so that workers which
// answer in turn are seen; later ones keep theirs, and a worker that joins is still
// found soon.
func TestConnections(t *testing.T) {
	b, c := newApp(t), newApp(t)
	b.counts(1000, 5, 100)
	var from []string
	worker := map[string]int{} // by connection
	workers, served := 1, 0
	c.serve(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := worker[r.RemoteAddr]; !ok {
			worker[r.RemoteAddr] = len(worker) % workers
		}
		from = append(from, r.RemoteAddr)
		served++
		_, _ = io.WriteString(w, page(10*served, 0, float64(200+10*worker[r.RemoteAddr])))
	})
	s := newSource(t, Config{Baseline: []string{b.URL}, Canary: []string{c.URL}})
	const looks = 60
	for range looks - originScrapes + 1 {
		if _, err := s.Sample(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < looks; i++ {
		seen := false
		for _, before := range from[:i] {
			seen = seen || from[i] == before
		}
		if again := i > freshLooks && i%freshEvery != 0 && i != freshLooks+1; seen != again {
			t.Errorf("look %d: the connection was used before: %v", i, seen)
		}
	}
	workers = 2
	for i := range 2 * freshEvery {
		_, err := s.Sample(t.Context())
		var p *canary.Problem
		if errors.As(err, &p) && p.Kind == "several-processes" && p.Fatal {
			return
		}
		if err != nil {
			t.Fatalf("look %d: %v", looks+i, err)
		}
	}
	t.Error("a second worker was not noticed")
}
