package registry

import (
	"net/http"
	"net/http/httptest"
	"sync"
)

// Mischief is what a server can do to one request, besides answering it.
type Mischief string

// The kinds of mischief. Each is done once, to the request whose turn it is.
const (
	Fails     Mischief = "fails"     // 500, nothing done
	Throttles Mischief = "throttles" // 429 with Retry-After: 0
	Hangs     Mischief = "hangs"     // no answer until the client gives up
	Breaks    Mischief = "breaks"    // done, and the connection ends before the answer: the client will repeat it
	Cuts      Mischief = "cuts"      // the answer's second half is missing
	Lies      Mischief = "lies"      // the answer names another digest, and its body is changed
	Forbids   Mischief = "forbids"   // 403
	Vanishes  Mischief = "vanishes"  // 404
)

// Mischiefs are all of them.
var Mischiefs = []Mischief{Fails, Throttles, Hangs, Breaks, Cuts, Lies, Forbids, Vanishes}

// Trouble does one mischief to one request of those that reach a handler.
type Trouble struct {
	Next http.Handler

	mu   sync.Mutex
	at   int
	kind Mischief
	seen int
	hit  string
}

// Make plans a mischief for the n-th request from now, counted from 0.
func (t *Trouble) Make(n int, kind Mischief) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at, t.kind, t.seen, t.hit = n, kind, 0, ""
}

// Seen is the number of requests since Make, and the one that was hit.
func (t *Trouble) Seen() (int, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen, t.hit
}

func (t *Trouble) turn(req *http.Request) Mischief {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen++
	if t.kind == "" || t.seen-1 != t.at {
		return ""
	}
	t.hit = req.Method + " " + req.URL.Path
	return t.kind
}

// ServeHTTP implements http.Handler.
func (t *Trouble) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch kind := t.turn(req); kind {
	case "":
		t.Next.ServeHTTP(w, req)
	case Fails:
		http.Error(w, `{"errors":[{"code":"UNKNOWN","message":"mischief"}]}`, http.StatusInternalServerError)
	case Throttles:
		w.Header().Set("Retry-After", "0")
		http.Error(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"mischief"}]}`, http.StatusTooManyRequests)
	case Forbids:
		http.Error(w, `{"errors":[{"code":"DENIED","message":"mischief"}]}`, http.StatusForbidden)
	case Vanishes:
		http.Error(w, `{"errors":[{"code":"UNKNOWN","message":"mischief"}]}`, http.StatusNotFound)
	case Hangs:
		<-req.Context().Done()
	default:
		rec := httptest.NewRecorder()
		t.Next.ServeHTTP(rec, req)
		t.spoil(w, rec, kind)
	}
}

func (t *Trouble) spoil(w http.ResponseWriter, rec *httptest.ResponseRecorder, kind Mischief) {
	body := rec.Body.Bytes()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	switch kind {
	case Breaks:
		panic(http.ErrAbortHandler) // net/http ends the connection
	case Cuts:
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body[:len(body)/2])
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	case Lies:
		if w.Header().Get("Docker-Content-Digest") != "" {
			w.Header().Set("Docker-Content-Digest", digestOf([]byte("a lie")))
		}
		if len(body) > 0 {
			body[len(body)/2] ^= 1
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	}
}
