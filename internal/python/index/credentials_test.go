package index

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
)

// host is a server that notes the credentials it is sent.
type host struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

func newHost(t *testing.T, h func(http.ResponseWriter, *http.Request)) *host {
	t.Helper()
	s := &host{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		user, pw, _ := r.BasicAuth()
		s.sent = append(s.sent, user+":"+pw)
		s.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *host) only(t *testing.T, what, want string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sent) == 0 {
		t.Errorf("%s was not asked", what)
	}
	for _, got := range s.sent {
		if got != want {
			t.Errorf("%s was sent %q, want %q", what, got, want)
		}
	}
	s.sent = nil
}

// Every way to give credentials, each with a second host that must see none:
// another index, files of the first on another host, and a redirect.
func TestCredentialsAreBoundToTheirHost(t *testing.T) {
	other := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "wheel bytes")
	})
	private := newHost(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/moved"):
			http.Redirect(w, r, other.URL+"/x", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/files"):
			fmt.Fprint(w, "wheel bytes")
		default:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<a href="/files/x-1-py3-none-any.whl">a</a><a href="%s/x-2-py3-none-any.whl">b</a><a href="/moved/x-3-py3-none-any.whl">c</a>`, other.URL)
		}
	})
	at := strings.TrimPrefix(private.URL, "http://")
	withUser := strings.Replace(private.URL, "://", "://joe:s3cret@", 1)
	for name, env := range map[string]map[string]string{
		"in the address":         {"PIP_INDEX_URL": withUser},
		"in pip's configuration": {"FILE/home/u/.config/pip/pip.conf": "[global]\nindex-url = " + withUser + "\n"},
		"in uv's configuration":  {"FILE/home/u/.config/uv/uv.toml": "[[index]]\nurl = \"" + withUser + "\"\ndefault = true\n"},
		"by the host's name":     {"PIP_INDEX_URL": private.URL, Variable(at, "USERNAME"): "joe", Variable(at, "PASSWORD"): "s3cret"},
		"by uv's name":           {"UV_DEFAULT_INDEX": "my-own=" + private.URL, "UV_INDEX_MY_OWN_USERNAME": "joe", "UV_INDEX_MY_OWN_PASSWORD": "s3cret"},
		"in find-links":          {"PIP_FIND_LINKS": withUser + "/page", "PIP_NO_INDEX": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(p string) ([]byte, error) {
				if s, ok := env["FILE"+p]; ok {
					return []byte(s), nil
				}
				return nil, os.ErrNotExist
			}
			c := FromEnvironment(func(k string) string { return env[k] }, "/home/u", read)
			c.ExtraIndexURLs = []string{other.URL}
			cl := client(t, c)
			files, err := cl.Files(context.Background(), "x")
			if err != nil || len(files) != 3 {
				t.Fatalf("files %+v, %v", files, err)
			}
			for _, f := range files {
				if u, _ := url.Parse(f.URL); u.User != nil {
					t.Errorf("the address of a file holds credentials: %s", f.URL)
				}
				if _, _, err := cl.Download(context.Background(), f, []string{sum("wheel bytes")}, t.TempDir()); err != nil {
					t.Error(err)
				}
			}
			private.only(t, "the private index", "joe:s3cret")
			other.only(t, "the other host", ":")
		})
	}
}

// A name that the project gives an index does not get uv's credentials for it:
// they are for whoever the user's own environment names.
func TestNamesOfTheProjectGetNothing(t *testing.T) {
	evil := newHost(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "text/html") })
	env := map[string]string{"UV_INDEX_PRIVATE_USERNAME": "joe", "UV_INDEX_PRIVATE_PASSWORD": "s3cret"}
	c := FromEnvironment(func(k string) string { return env[k] }, "", func(string) ([]byte, error) { return nil, os.ErrNotExist })
	c.IndexURL = evil.URL + "/private" // as a lock would name it
	_, _ = client(t, c).Files(context.Background(), "x")
	evil.only(t, "the project's index", ":")
}

func TestVariable(t *testing.T) {
	if got := Variable("pypi.acme.example:8443", "PASSWORD"); got != "FAIRLEAD_INDEX_PYPI_ACME_EXAMPLE_8443_PASSWORD" {
		t.Error(got)
	}
}
