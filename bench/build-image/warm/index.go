package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// wheels is an index of a folder, which can be as slow as one far away.
type wheels struct {
	dir  string
	seen atomic.Int64
	url  string

	mu   sync.Mutex
	sums map[string]string // by path and time
	rate int64             // bytes a second in sum; 0: as fast as can be
	next time.Time
}

func (w *wheels) count() int { return int(w.seen.Load()) }

func (w *wheels) files() []string {
	all, _ := filepath.Glob(filepath.Join(w.dir, "*.whl"))
	return all
}

func (w *wheels) number() int { return len(w.files()) }

func (w *wheels) bytes() (n int64) {
	for _, f := range w.files() {
		if info, err := os.Stat(f); err == nil {
			n += info.Size()
		}
	}
	return n
}

// sum hashes a file once.
func (w *wheels) sum(file string, info os.FileInfo) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprint(file, info.ModTime(), info.Size())
	if s, ok := w.sums[key]; ok {
		return s
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	if w.sums == nil {
		w.sums = map[string]string{}
	}
	w.sums[key] = fmt.Sprintf("%x", sha256.Sum256(raw))
	return w.sums[key]
}

// slowed is an answer at the index's rate.
type slowed struct {
	http.ResponseWriter
	w *wheels
}

// Write implements io.Writer.
func (s slowed) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		n := min(len(p)-done, 32<<10)
		s.w.mu.Lock()
		rate := s.w.rate
		if rate > 0 {
			if now := time.Now(); s.w.next.Before(now) {
				s.w.next = now
			}
			s.w.next = s.w.next.Add(time.Duration(n) * time.Second / time.Duration(rate))
		}
		until := s.w.next
		s.w.mu.Unlock()
		if rate > 0 {
			time.Sleep(time.Until(until))
		}
		m, err := s.ResponseWriter.Write(p[done : done+n])
		done += m
		if err != nil {
			return done, err
		}
	}
	return len(p), nil
}

// ServeHTTP implements http.Handler: the simple API in JSON (PEP 691), with sizes.
func (w *wheels) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	w.seen.Add(1)
	if name, ok := strings.CutPrefix(req.URL.Path, "/files/"); ok {
		f, err := os.Open(filepath.Join(w.dir, filepath.Base(name)))
		if err != nil {
			http.NotFound(rw, req)
			return
		}
		defer func() { _ = f.Close() }()
		if info, err := f.Stat(); err == nil {
			rw.Header().Set("Content-Length", fmt.Sprint(info.Size()))
		}
		_, _ = io.Copy(slowed{rw, w}, f)
		return
	}
	project := filepath.Base(req.URL.Path)
	type file struct {
		Filename string            `json:"filename"`
		URL      string            `json:"url"`
		Hashes   map[string]string `json:"hashes"`
		Size     int64             `json:"size"`
	}
	files := []file{}
	for _, f := range w.files() {
		n, err := wheel.ParseName(filepath.Base(f))
		if err != nil || n.NormalizedDist() != project {
			continue
		}
		if info, err := os.Stat(f); err == nil {
			files = append(files, file{filepath.Base(f), "/files/" + filepath.Base(f), map[string]string{"sha256": w.sum(f, info)}, info.Size()})
		}
	}
	rw.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
	_ = json.NewEncoder(rw).Encode(map[string]any{"meta": map[string]string{"api-version": "1.1"}, "name": project, "versions": []string{}, "files": files})
}
