package probe

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAnswers(t *testing.T) {
	const page, doc = "<h1>Total: 5</h1>", `{"status": "ok", "queue": [{"n": 3}], "up": true, "none": null}`
	for _, c := range []struct {
		spec   string
		status int
		body   string
		took   time.Duration
		wrong  string
	}{
		{"/", 200, "", 0, ""},
		{"/", 404, "", 0, ""},
		{"/", 503, "", 0, "answered 503"},
		{"/ status=200,201", 201, "", 0, ""},
		{"/ status=200,201", 204, "", 0, "answered 204"},
		{"/ status=2xx", 204, "", 0, ""},
		{"/ status=2xx,404", 404, "", 0, ""},
		{"/ status=2xx", 302, "", 0, "answered 302"},
		{"/ status=503", 503, "", 0, ""},
		{`/ contains="Total: 5" lacks=Traceback`, 200, page, 0, ""},
		{"/ contains=Sum contains=Total", 200, page, 0, `"Sum" is not in the body`},
		{"/ lacks=Total", 200, page, 0, `"Total" is in the body`},
		{"/ json=status=ok json=queue.0.n=3 json=up=true json=none json=none=null", 200, doc, 0, ""},
		{`/ json='status="ok"'`, 200, doc, 0, ""},
		{"/ json=status=down", 200, doc, 0, `status is not "down"`},
		{"/ json=queue.0.n=4", 200, doc, 0, "queue.0.n is not 4"},
		{"/ json=queue.1", 200, doc, 0, "the body has no queue.1"},
		{"/ json=queue.-1", 200, doc, 0, "the body has no queue.-1"},
		{"/ json=status.x", 200, doc, 0, "the body has no status.x"},
		{"/ json=status", 200, page, 0, "the body is not JSON"},
		{"/ within=500ms", 200, "", 501 * time.Millisecond, "took longer than 500ms"},
		{"/ within=500ms", 200, "", 500 * time.Millisecond, ""},
	} {
		r, err := ParseRequest(c.spec)
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		if got := r.wrong(c.status, []byte(c.body), c.took); got != c.wrong {
			t.Errorf("%s: answer %d %s: %q, want %q", c.spec, c.status, c.body, got, c.wrong)
		}
	}
}

func TestParseRequest(t *testing.T) {
	r, err := ParseRequest(`/api/search?x=1 method=POST header="Content-Type: application/json" header="X-Test: a=b" body='{"q": "tea"}'`)
	if err != nil || r.Method != "POST" || r.Path != "/api/search?x=1" || r.Body != `{"q": "tea"}` || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Test") != "a=b" {
		t.Errorf("%+v, %v", r, err)
	}
	if r.name() != "POST /api/search" {
		t.Errorf("name %q", r.name())
	}
	for spec, say := range map[string]string{
		"": "a probe is a path", "checkout": "begins with a slash", "//host/x": "begins with a slash", "/x y": "is not KEY=VALUE", "/x status=": "is not KEY=VALUE",
		"/x status=ok": "use numbers", "/x status=20": "use numbers", "/x status=2": "use numbers", "/x status=6xx": "use numbers", "/x status=200xx": "use numbers",
		"/x status=200 status=201": "said twice", "/x colour=red": "is not known", "/x method=get": "is not known",
		"/x body=1": "needs a method", "/x method=HEAD contains=x": "no body", "/x within=soon": "use a duration", "/x within=-1s": "use a duration",
		"/x header=secret": "a header is not NAME: VALUE", "/x json=.a": "use FIELD=VALUE", `/x contains="a`: "quotes are a shell's", "/" + strings.Repeat("x", maxRequest): "too long",
	} {
		if _, err := ParseRequest(spec); err == nil || !strings.Contains(err.Error(), say) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40s: %v, want %q", spec, err, say)
		}
	}
}

// TestExpectations: both sides get the same requests in turn, what is wrong is
// counted and said, and a canary that answers 200 with the wrong page has failed.
func TestExpectations(t *testing.T) {
	answer := func(page string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/page":
				_, _ = w.Write([]byte(page))
			case "/api":
				if r.Method != http.MethodPost || r.Header.Get("X-Test") != "1" || r.Host != "shop.example" {
					t.Errorf("%s %s %v", r.Method, r.Host, r.Header)
				}
				w.WriteHeader(http.StatusCreated)
				_, _ = w.Write([]byte(`{"ok": true}`))
			}
		}
	}
	var requests []Request
	for _, spec := range []string{"/page contains=Total", `/api method=POST header="X-Test: 1" header="Host: shop.example" body=x status=201 json=ok=true`} {
		r, err := ParseRequest(spec)
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, r)
	}
	s := start(t, Config{Baseline: serve(t, answer("Total: 5")), Canary: serve(t, answer("oops")), Requests: requests, Rate: 400, Seed: 3})
	sum, _, notes := collect(t, s, 100)
	if sum.Baseline.Bad != 0 || sum.Canary.Bad < sum.Canary.N/2-3 || sum.Canary.Bad > sum.Canary.N/2+3 {
		t.Errorf("counts %+v", sum)
	}
	if len(notes) == 0 || notes[0] != `canary GET /page: "Total" is not in the body` {
		t.Errorf("notes %q", notes)
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{"/", "/checkout status=200 contains=\"Total\" within=500ms", "/api json=a.0.b=1 method=POST body='x' header='A: b'", "/x status=2xx,404", "/x \"", "#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := ParseRequest(spec)
		if err != nil {
			return
		}
		if !strings.HasPrefix(r.Path, "/") || r.Method == "" {
			t.Errorf("%q: %+v", spec, r)
		}
		r.wrong(200, []byte(`{"a": [{"b": 1}]}`), time.Second)
	})
}
