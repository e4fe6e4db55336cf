package oci_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/oci"
)

// TestStuck: a question without an answer is asked again, and counted again.
func TestStuck(t *testing.T) {
	var asked atomic.Int64
	digest := "sha256:" + strings.Repeat("a", 64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") && asked.Add(1) < 3 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Docker-Content-Digest", digest)
		w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		w.Header().Set("Content-Length", "2")
		_, _ = w.Write([]byte("{}"))
	}))
	defer srv.Close()
	c := oci.New(oci.Options{Keychain: login{}, RetryDelay: time.Millisecond, Tries: 1, Patience: 100 * time.Millisecond})
	got, err := c.Digest(t.Context(), strings.TrimPrefix(srv.URL, "http://")+"/shop:v1")
	if err != nil || got != digest {
		t.Fatalf("%q, %v", got, err)
	}
	if n := c.Stats().Requests; asked.Load() != 3 || n < 4 { // the first one asks how to sign in
		t.Errorf("asked %d times, %d requests counted", asked.Load(), n)
	}
}
