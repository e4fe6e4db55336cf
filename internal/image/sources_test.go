package image_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// shelf is an index of the world's wheels that notes what it is asked.
type shelf struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	gone  func(path string) bool // paths that are not there
	with  func(file string) string
}

func (w *world) shelf() *shelf {
	s := &shelf{gone: func(string) bool { return false }, with: func(string) string { return "" }}
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		s.mu.Unlock()
		if s.gone(r.URL.Path) {
			http.NotFound(rw, r)
			return
		}
		if name, ok := strings.CutPrefix(r.URL.Path, "/simple/"); ok {
			rw.Header().Set("Content-Type", "text/html")
			for file, sum := range w.sums {
				if dist, _, _ := strings.Cut(file, "-"); requirement.NormalizeName(dist) == strings.Trim(name, "/") {
					fmt.Fprintf(rw, `<a href="/index/%s#sha256=%s" %s>x</a>`, file, sum, s.with(file))
				}
			}
			return
		}
		http.ServeFile(rw, r, filepath.Join(w.wheels, filepath.Base(r.URL.Path)))
	}))
	w.t.Cleanup(s.Close)
	return s
}

func (s *shelf) config() index.Config {
	return index.Config{IndexURL: s.URL + "/simple", Default: true, Tries: 1, Sleep: func(context.Context, time.Duration) error { return nil }}
}

func (s *shelf) sawIndex() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.asked, func(p string) bool { return strings.HasPrefix(p, "/simple/") })
}

// uvLock is a uv.lock of the project shop with addresses of files.
func (w *world) uvLock(address func(file string) string) {
	w.t.Helper()
	_ = os.Remove(filepath.Join(w.context, "requirements.txt"))
	var b strings.Builder
	b.WriteString("version = 1\nrevision = 3\nrequires-python = \">=3.10\"\n[[package]]\nname = \"shop\"\nversion = \"1\"\nsource = { virtual = \".\" }\ndependencies = [{ name = \"served\" }, { name = \"speed\" }]\n")
	for _, pin := range []string{"served 2.0", "speed 1.2"} {
		name, version, _ := strings.Cut(pin, " ")
		fmt.Fprintf(&b, "[[package]]\nname = %q\nversion = %q\nsource = { registry = \"https://index.example/simple\" }\nwheels = [\n", name, version)
		for file, sum := range w.sums {
			if strings.HasPrefix(file, name+"-") {
				fmt.Fprintf(&b, "  { url = %q, hash = \"sha256:%s\" },\n", address(file), sum)
			}
		}
		b.WriteString("]\n")
	}
	w.file("uv.lock", b.String())
}

// Where the lock says where files are, no index is asked; where they are not
// there any more, the index is, by the hash.
func TestAddressesOfLocks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		gone  string
		set   func(*image.Request)
		index bool
		want  string
	}{
		{"as the lock says", "-", func(*image.Request) {}, false, ""},
		{"moved", "/files/", func(*image.Request) {}, true, ""},
		{"an index is configured", "-", func(r *image.Request) { r.Index.Default = false }, true, ""},
		{"gone altogether", "/", func(*image.Request) {}, true, "does not have it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.shelf()
			s.gone = func(p string) bool { return strings.HasPrefix(p, tt.gone) }
			w.uvLock(func(file string) string { return s.URL + "/files/" + file })
			r := w.request()
			r.Index = s.config()
			tt.set(&r)
			if r.Index.Default {
				if _, err := image.Plan(t.Context(), r, deps()); err != nil || s.sawIndex() {
					t.Errorf("planning: %v, asked %q", err, s.asked)
				}
			} else {
				r.Index.ExtraIndexURLs = nil
				s.gone = func(p string) bool { return false }
				raw, _ := os.ReadFile(filepath.Join(w.context, "uv.lock"))
				w.file("uv.lock", strings.ReplaceAll(string(raw), "https://index.example/simple", s.URL+"/simple"))
			}
			_, err := image.Build(t.Context(), r, deps())
			if tt.want != "" {
				if failure.CodeOf(err) != failure.Service || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("err = %v", err)
				}
				return
			}
			if err != nil || s.sawIndex() != tt.index {
				t.Errorf("%v, index asked: %v (%q)", err, s.sawIndex(), s.asked)
			}
		})
	}
}

// What indexes say of files counts: yanked ones are taken and reported, those
// for another Python are not.
func TestWhatIndexesSay(t *testing.T) {
	w := newWorld(t)
	s := w.shelf()
	s.with = func(string) string { return `data-yanked="broken &#10; metadata" data-requires-python="&gt;=3.8"` }
	r := w.request()
	r.Index = s.config()
	res, err := image.Plan(t.Context(), r, deps())
	if err != nil || !strings.Contains(strings.Join(res.Notes, "\n"), "served==2.0: the index says that this file is yanked: broken") {
		t.Errorf("%v, notes %q", err, res.Notes)
	}
	if from := res.Platforms[0].Wheels[0].From; !strings.HasPrefix(from, s.URL+"/index/") {
		t.Errorf("from %q", from)
	}
	s.with = func(string) string { return `data-requires-python="&lt;3.11"` }
	if _, err = image.Plan(t.Context(), r, deps()); failure.CodeOf(err) != failure.Answer || !strings.Contains(err.Error(), "(needs Python <3.11)") {
		t.Errorf("err = %v", err)
	}
}

// Everything that is missing is in one error, with the tags that were tried.
func TestMissingWheels(t *testing.T) {
	w := newWorld(t)
	for _, f := range []string{"served-2.0-py3-none-any.whl", "speed-1.2-cp311-cp311-manylinux_2_17_aarch64.whl"} {
		if err := os.Remove(filepath.Join(w.wheels, f)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := image.Plan(t.Context(), w.request(), deps())
	for _, want := range []string{
		"no usable wheel for 2 packages:", "served==2.0 (requirements.txt:1) for linux/amd64, CPython 3.11, glibc 2.36", "served==2.0 (requirements.txt:1) for linux/arm64",
		"speed==1.2", "there is: speed-1.2-cp311-cp311-manylinux_2_17_x86_64.whl (for another target)",
		"tried: 564 tags: cp311-cp311, cp311-abi3, cp311-none, … py30-none on linux_aarch64, manylinux_2_36_aarch64, … manylinux2014_aarch64; cp311-none-any … py30-none-any",
	} {
		if failure.CodeOf(err) != failure.Answer || !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "speed==1.2 (requirements.txt:5) for linux/amd64") {
		t.Errorf("a wheel that is there is missed:\n%v", err)
	}
}

// A lock chooses neither what credentials nor what variables go to a host.
func TestLocksWithCredentials(t *testing.T) {
	w := newWorld(t)
	w.uvLock(func(file string) string { return "https://joe:s3cret@files.example/" + file })
	_, err := image.Plan(t.Context(), w.request(), deps())
	if failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error(), "holds credentials") || strings.Contains(err.Error(), "s3cret") ||
		!strings.Contains(failure.HintOf(err), "FAIRLEAD_INDEX_FILES_EXAMPLE_PASSWORD") {
		t.Errorf("err = %v (%s)", err, failure.HintOf(err))
	}

	w = newWorld(t)
	s := w.shelf()
	raw, _ := os.ReadFile(filepath.Join(w.context, "requirements.txt"))
	w.file("requirements.txt", "--index-url "+s.URL+"/${GITHUB_TOKEN}/${MIRROR}/simple\n"+string(raw))
	d := deps()
	d.Getenv = func(k string) string { return map[string]string{"GITHUB_TOKEN": "s3cret", "MIRROR": "mine"}[k] }
	r := w.request()
	r.Index = s.config()
	_, _ = image.Plan(t.Context(), r, d)
	if all := strings.Join(s.asked, "\n"); strings.Contains(all, "s3cret") || !strings.Contains(all, "mine") {
		t.Errorf("the index was asked\n%s", all)
	}
}
