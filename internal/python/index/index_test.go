package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

func client(t *testing.T, c Config) *Client {
	t.Helper()
	c.Sleep = func(context.Context, time.Duration) error { return nil }
	cl, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

func TestFilesAndDownload(t *testing.T) {
	const content = "wheel bytes"
	mux := http.NewServeMux()
	mux.HandleFunc("/json/foo-bar/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
		fmt.Fprint(w, `{"meta":{"api-version":"1.4"},"files":[{"filename":"foo_bar-1-py3-none-any.whl","url":"../../files/a","hashes":{"sha256":"x"},"requires-python":">=3","yanked":"broken","size":11},{"filename":"../evil","url":"x"}]}`)
	})
	mux.HandleFunc("/html/foo-bar/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, `<!doctype html><meta name="pypi:repository-version" content="1.0"><a href="../../files/foo_bar-2-py3-none-any.whl#sha256=abc" data-requires-python="&gt;=3.8" data-yanked>foo</a>`)
	})
	mux.HandleFunc("/files/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, content) })
	srv := httptest.NewServer(mux)
	defer srv.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Foo.Bar-3-py3-none-any.whl"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	c := client(t, Config{IndexURL: srv.URL + "/json", ExtraIndexURLs: []string{srv.URL + "/html"}, FindLinks: []string{dir, filepath.Join(dir, "none")}})
	files, err := c.Files(context.Background(), "Foo_Bar")
	if err != nil || len(files) != 3 {
		t.Fatalf("files = %+v, %v", files, err)
	}
	if f := files[1]; f.URL != srv.URL+"/files/a" || !f.Yanked || f.YankedReason != "broken" || f.Size != 11 {
		t.Errorf("JSON file = %+v", f)
	}
	if f := files[2]; f.Name != "foo_bar-2-py3-none-any.whl" || f.RequiresPython != ">=3.8" || !f.Yanked || f.Hashes["sha256"] != "abc" {
		t.Errorf("HTML file = %+v", f)
	}
	for _, f := range files {
		path, n, err := c.Download(context.Background(), f, []string{sum("other"), sum(content)}, t.TempDir())
		if err != nil || n != int64(len(content)) || filepath.Base(path) != f.Name {
			t.Errorf("download of %s = %q, %d, %v", f.Name, path, n, err)
		}
		out := t.TempDir()
		_, _, err = c.Download(context.Background(), f, []string{sum("other")}, out)
		if failure.CodeOf(err) != failure.Answer || !strings.Contains(err.Error(), f.Name) || !strings.Contains(err.Error(), sum(content)) {
			t.Errorf("wrong digest: %v", err)
		}
		if left, _ := os.ReadDir(out); len(left) != 0 {
			t.Errorf("a refused file was kept: %v", left)
		}
	}
}

func TestTrouble(t *testing.T) {
	page := func(h http.HandlerFunc) (*Client, func()) {
		srv := httptest.NewServer(h)
		u, _ := url.Parse(srv.URL)
		u.User = url.UserPassword("joe", "s3cret")
		return client(t, Config{IndexURL: u.String(), HTTP: &http.Client{Timeout: 300 * time.Millisecond}}), srv.Close
	}
	for _, c := range []struct {
		name  string
		h     http.HandlerFunc
		want  string
		code  failure.Code
		tries int
	}{
		{"500", func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "maintenance", http.StatusServiceUnavailable)
		}, `answered 503 ("maintenance") for "x", 3 times in all`, failure.Service, 3},
		{"404", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }, "no source has the project", failure.Answer, 1},
		{"401", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(401) }, "refuses access (401", failure.Service, 1},
		{"cut", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "99")
			fmt.Fprint(w, "<a")
		}, "broke off its answer", failure.Service, 3},
		{"slow", func(w http.ResponseWriter, r *http.Request) { time.Sleep(400 * time.Millisecond) }, "did not answer", failure.Service, 3},
		{"nonsense", func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "image/png") }, `type "image/png"`, failure.Service, 1},
		{"bad json", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "{")
		}, "not valid JSON", failure.Service, 1},
		{"version 2", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"meta":{"api-version":"2.0"}}`)
		}, "newer than 1.x", failure.Service, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := 0
			cl, stop := page(func(w http.ResponseWriter, r *http.Request) { n++; c.h(w, r) })
			defer stop()
			_, err := cl.Files(context.Background(), "x")
			if err == nil || !strings.Contains(err.Error(), c.want) || failure.CodeOf(err) != c.code || n != c.tries {
				t.Errorf("error %v (code %d, %d requests), want %q, code %d, %d requests", err, failure.CodeOf(err), n, c.want, c.code, c.tries)
			}
			if strings.Contains(err.Error()+failure.HintOf(err), "s3cret") {
				t.Errorf("the password is in the message: %v", err)
			}
		})
	}
}

func TestCredentialsStayWithTheirHost(t *testing.T) {
	var leaked string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "text/html")
	}))
	defer other.Close()
	got := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		http.Redirect(w, r, other.URL, http.StatusFound)
	}))
	defer srv.Close()
	c := client(t, Config{IndexURL: srv.URL, Credentials: func(h string) (string, string, bool) { return "joe", "pw", "http://"+h == srv.URL }})
	if _, err := c.Files(context.Background(), "x"); !errors.Is(err, ErrNoProject) {
		t.Error(err)
	}
	if got == "" || leaked != "" {
		t.Errorf("sent %q to the index and %q to the other host", got, leaked)
	}
}

func TestFromEnvironment(t *testing.T) {
	files := map[string]string{
		"/home/u/.config/pip/pip.conf": "[global]\nindex-url = https://index.example/a\nfind-links =\n  /one\n  /two\n",
		"/etc/pip.conf":                "[global]\nindex-url = https://index.example/b\nextra-index-url = https://index.example/c\n",
		"/home/u/.netrc":               "machine index.example login joe password pw\ndefault login x password y\n",
	}
	read := func(p string) ([]byte, error) {
		if s, ok := files[p]; ok {
			return []byte(s), nil
		}
		return nil, os.ErrNotExist
	}
	c := FromEnvironment(func(string) string { return "" }, "/home/u", read)
	if c.IndexURL != "https://index.example/a" || len(c.FindLinks) != 2 || len(c.ExtraIndexURLs) != 1 {
		t.Errorf("from files: %+v", c)
	}
	if u, p, ok := c.Credentials("index.example"); !ok || u != "joe" || p != "pw" {
		t.Errorf("netrc: %q %q %v", u, p, ok)
	}
	if _, _, ok := c.Credentials("evil.example"); ok {
		t.Error("netrc's default went to another host")
	}
	env := map[string]string{"PIP_INDEX_URL": "https://p.example", "UV_DEFAULT_INDEX": "https://u.example", "PIP_NO_INDEX": "1", "UV_INDEX": "mine=https://m.example"}
	c = FromEnvironment(func(k string) string { return env[k] }, "/home/u", read)
	if c.IndexURL != "https://u.example" || !c.NoIndex || c.ExtraIndexURLs[0] != "https://m.example" {
		t.Errorf("from variables: %+v", c)
	}
}

func TestDefaultURL(t *testing.T) {
	u, err := DefaultURL()
	if err != nil || !strings.HasPrefix(u, "https://") || !strings.HasSuffix(u, "/simple") {
		t.Errorf("%q, %v", u, err)
	}
}

func FuzzPage(f *testing.F) {
	f.Add("text/html", "<a href=x#sha256=1 data-yanked>")
	f.Add("application/json", `{"files":[{"filename":"a","url":"%zz","yanked":1}]}`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		base, _ := url.Parse("http://127.0.0.1/simple/x/")
		files, err := parsePage(kind, []byte(body), base)
		if err != nil {
			return
		}
		for _, file := range files {
			if !plainName(file.Name) {
				t.Errorf("file name %q", file.Name)
			}
		}
	})
}
