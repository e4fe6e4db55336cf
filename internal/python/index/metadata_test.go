package index

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// TestMetadata: PEP 658 metadata in both forms of pages, with both of its names.
func TestMetadata(t *testing.T) {
	text := "Metadata-Version: 2.1\nName: a\nVersion: 1\n"
	sum := sha256.Sum256([]byte(text))
	good := hex.EncodeToString(sum[:])
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/simple/a/":
			w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
			fmt.Fprintf(w, `{"files": [{"filename": "a-1-py3-none-any.whl", "url": "/f/a-1.whl", "hashes": {}, "core-metadata": {"sha256": %q}},
				{"filename": "a-2-py3-none-any.whl", "url": "/f/a-2.whl", "hashes": {}, "dist-info-metadata": true},
				{"filename": "a-3-py3-none-any.whl", "url": "/f/a-3.whl", "hashes": {}, "core-metadata": {"sha256": "00"}},
				{"filename": "a-4-py3-none-any.whl", "url": "/f/a-4.whl", "hashes": {}}]}`, good)
		case r.URL.Path == "/simple/b/":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<a href="/f/b-1.whl" data-core-metadata="sha256=%s">b-1-py3-none-any.whl</a><a href="/f/b-2.whl" data-dist-info-metadata="true">b-2.whl</a><a href="/f/gone.whl" data-core-metadata="true">b-3.whl</a><a href="/f/b-4.whl">b-4.whl</a>`, good)
		case strings.HasSuffix(r.URL.Path, ".metadata") && !strings.Contains(r.URL.Path, "gone"):
			fmt.Fprint(w, text)
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	c, err := New(Config{IndexURL: srv.URL + "/simple", Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	for project, want := range map[string][]string{"a": {"", "", "hash", "none"}, "b": {"", "", "none", "none"}} {
		files, err := c.Files(t.Context(), project)
		if err != nil || len(files) != 4 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for i, f := range files {
			data, err := c.Metadata(t.Context(), f)
			switch want[i] {
			case "":
				if err != nil || string(data) != text {
					t.Errorf("%s: %q, %v", f.Name, data, err)
				}
			case "none":
				if !errors.Is(err, ErrNoMetadata) {
					t.Errorf("%s: %v", f.Name, err)
				}
			default:
				if err == nil || !strings.Contains(err.Error(), "its hash is not the one") {
					t.Errorf("%s: %v", f.Name, err)
				}
			}
		}
	}
}

// TestRemote reads a wheel's metadata out of a large wheel in a few parts.
func TestRemote(t *testing.T) {
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(i * i >> 7)
	}
	w := wheeltest.Wheel{Name: "big", Version: "1.0", Requires: []string{"small>=2"}, Files: map[string]string{"big/data.bin": string(noise)}}
	data := string(w.Build())
	requests := 0
	whole := false
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		requests++
		if whole {
			r.Header.Del("Range")
		}
		http.ServeContent(rw, r, "big.whl", time.Time{}, strings.NewReader(data))
	}))
	defer srv.Close()
	c, err := New(Config{IndexURL: srv.URL + "/simple", Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	f := File{Name: w.Filename(), URL: srv.URL + "/big.whl"}
	r, size, err := c.Open(t.Context(), f)
	if err != nil || size != int64(len(data)) {
		t.Fatalf("%d bytes, %v", size, err)
	}
	m, err := wheel.PeekMetadata(r, size, f.Name)
	if err != nil || len(m.Requires) != 1 || m.Requires[0] != "small>=2" {
		t.Errorf("%+v, %v", m, err)
	}
	if requests > 5 {
		t.Errorf("%d requests for the end of a file", requests)
	}
	whole = true
	if _, _, err := c.Open(t.Context(), f); !errors.Is(err, ErrNoMetadata) {
		t.Errorf("a server without parts: %v", err)
	}
}
