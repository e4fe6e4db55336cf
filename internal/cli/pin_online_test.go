package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	fake "github.com/fairlead-ci/fairlead/internal/fake/github"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// services are GitHub with a repository acme/tool, a registry with base:1, and a
// package index with flask, as pin-check --online meets them.
type services struct {
	github *fake.Server
	mirror fake.Mirror
	image  string // 127.0.0.1:port/base
	digest string
	env    map[string]string
}

func startServices(t *testing.T) services {
	t.Helper()
	s := services{}
	var err error
	if s.github, err = fake.Start(t.Context(), "acme/shop"); err != nil {
		t.Fatal(err)
	}
	if s.mirror, err = fake.NewMirror(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	s.github.Mirrors = map[string]string{"acme/tool": s.mirror.Dir}
	reg, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.image = reg.Addr + "/base"
	ref, err := name.ParseReference(s.image + ":1")
	if err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	s.digest = d.String()
	hash := strings.Repeat("b", 64)
	wheel := wheeltest.Wheel{Name: "flask", Version: "3.1.0", Requires: []string{"colorama; sys_platform == 'win32'"}}.Build()
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/simple/flask/a.whl" {
			http.ServeContent(w, r, "a.whl", time.Time{}, bytes.NewReader(wheel))
			return
		}
		if r.URL.Path != "/simple/flask/" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
		fmt.Fprintf(w, `{"meta": {"api-version": "1.0"}, "name": "flask", "files": [
			{"filename": "flask-3.1.0-py3-none-any.whl", "url": "a.whl", "hashes": {"sha256": %q}},
			{"filename": "flask-3.2.0-py3-none-any.whl", "url": "b.whl", "hashes": {"sha256": %q}, "yanked": "broken"},
			{"filename": "flask-2.0.tar.gz", "url": "c.tar.gz", "hashes": {"sha256": %q}}]}`, hash, hash, hash)
	}))
	t.Cleanup(index.Close)
	t.Cleanup(func() {
		_, invalid, _ := s.github.Requests()
		for _, text := range invalid {
			t.Errorf("against GitHub's API description: %s", text)
		}
	})
	s.env = map[string]string{"GITHUB_API_URL": s.github.URL, "GITHUB_SERVER_URL": s.github.URL, "PIP_INDEX_URL": index.URL + "/simple", "HOME": t.TempDir()}
	return s
}

func (s services) run(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), Env{Args: args, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(k string) string { return s.env[k] }})
	return code, stdout.String() + stderr.String()
}

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const ci = ".github/workflows/ci.yml"

func uses(lines ...string) string {
	out := "jobs:\n  a:\n    steps:\n"
	for _, l := range lines {
		out += "      - uses: " + l + "\n"
	}
	return out
}

func TestPinOnline(t *testing.T) {
	s := startServices(t)
	m := s.mirror
	for name, tc := range map[string]struct {
		files map[string]string
		code  int
		want  string
		// at most this many requests to GitHub
		requests int
	}{
		"the head of a branch needs one request": {map[string]string{ci: uses("acme/tool@"+m.Third, "acme/tool/sub@"+m.Third+" # main")}, 0, "no findings", 1},
		"a tag's commit":                         {map[string]string{ci: uses("acme/tool@" + m.Second + " # v1.1.0")}, 0, "no findings", 2},
		"the branch of an old series":            {map[string]string{ci: uses("acme/tool@" + m.Old + " # v0.9")}, 0, "no findings", 3},
		"a commit of a fork":                     {map[string]string{ci: uses("acme/tool@" + m.Fork)}, 1, "action/impostor", 3},
		"a tag on a fork's commit":               {map[string]string{ci: uses("acme/tool@" + m.TaggedFork + " # v6.6.6")}, 1, "action/impostor", 3},
		"no such commit":                         {map[string]string{ci: uses("acme/tool@" + strings.Repeat("9", 40))}, 1, "action/impostor", 3},
		"the comment of another version":         {map[string]string{ci: uses("acme/tool@" + m.Second + " # v1.0.0")}, 1, "action/comment-mismatch", 2},
		"the comment of a version that is not":   {map[string]string{ci: uses("acme/tool@" + m.Second + " # v3.5.1")}, 1, "has no such tag", 2},
		"a repository that is not there":         {map[string]string{ci: uses("acme/gone@" + m.Second)}, 1, "action/not-found", 1},
		"an image":                               {map[string]string{"Dockerfile": "FROM " + s.image + ":1@" + s.digest + "\n"}, 0, "no findings", 0},
		"an image that is not there":             {map[string]string{"Dockerfile": "FROM " + s.image + ":1@sha256:" + strings.Repeat("0", 64) + "\n"}, 1, "image/not-found", 0},
	} {
		t.Run(name, func(t *testing.T) {
			before, _, _ := s.github.Requests()
			code, out := s.run(t, "pin-check", tree(t, tc.files), "--online")
			if code != tc.code || !strings.Contains(out, tc.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tc.code, tc.want, out)
			}
			if after, _, _ := s.github.Requests(); after-before > tc.requests {
				t.Errorf("%d requests, want at most %d", after-before, tc.requests)
			}
		})
	}
}

// TestPinOnlineFix fixes online, and again offline from what was saved: the same
// bytes, and nothing left to do.
func TestPinOnlineFix(t *testing.T) {
	s := startServices(t)
	files := map[string]string{ci: uses("acme/tool@v1 # tool"), "Dockerfile": "FROM " + s.image + ":1\n", "requirements.txt": "flask\n"}
	want := map[string]string{ci: uses("acme/tool@" + s.mirror.Second + " # v1.1.0 # tool"), "Dockerfile": "FROM " + s.image + ":1@" + s.digest + "\n",
		"requirements.txt": "flask==3.1.0 \\\n    --hash=sha256:" + strings.Repeat("b", 64) + "\n"}
	saved := filepath.Join(t.TempDir(), "answers.json")
	online, offline := tree(t, files), tree(t, files)
	for _, step := range []struct {
		dir  string
		args []string
		say  string
	}{
		{online, []string{"--fix", "--online", "--save-resolution", saved}, "fixed 3 findings in 3 files"},
		{online, []string{"--fix", "--online"}, "nothing to fix"},
		{offline, []string{"--fix", "--resolution", saved}, "fixed 3 findings in 3 files"},
	} {
		code, out := s.run(t, append([]string{"pin-check", step.dir}, step.args...)...)
		if code != 0 || !strings.Contains(out, step.say) {
			t.Fatalf("%v: exit code %d, want %q:\n%s", step.args, code, step.say, out)
		}
		for name, text := range want {
			got, err := os.ReadFile(filepath.Join(step.dir, filepath.FromSlash(name)))
			if err != nil || string(got) != text {
				t.Errorf("%v: %s is (%v)\n%s\nwant\n%s", step.args, name, err, got, text)
			}
		}
	}
}

// TestPinOnlineDown: what cannot be verified is no pass.
func TestPinOnlineDown(t *testing.T) {
	s := startServices(t)
	s.github.Fault = func(_ int, r *http.Request) fake.Fault {
		if strings.Contains(r.URL.Path, "/compare/") {
			return fake.Fault{Status: http.StatusUnauthorized}
		}
		return fake.Fault{}
	}
	code, out := s.run(t, "pin-check", tree(t, map[string]string{ci: uses("acme/tool@" + s.mirror.First)}), "--online")
	if code != 3 || !strings.Contains(out, "online/unanswered") {
		t.Errorf("exit code %d, want 3 (inconclusive):\n%s", code, out)
	}
}
