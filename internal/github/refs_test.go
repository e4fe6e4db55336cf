package github

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	fake "github.com/fairlead-ci/fairlead/internal/fake/github"
)

func mirror(t *testing.T) (*fake.Server, fake.Mirror) {
	t.Helper()
	srv, err := fake.Start(t.Context(), repository)
	if err != nil {
		t.Fatal(err)
	}
	m, err := fake.NewMirror(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	srv.Mirrors = map[string]string{"acme/tool": m.Dir}
	t.Cleanup(func() {
		_, invalid, _ := srv.Requests()
		for _, text := range invalid {
			t.Errorf("against GitHub's API description: %s", text)
		}
	})
	return srv, m
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func TestReadRefs(t *testing.T) {
	srv, m := mirror(t)
	r, err := ReadRefs(t.Context(), RemoteOptions{Server: srv.URL, Repository: "acme/tool", Sleep: noSleep})
	if err != nil {
		t.Fatal(err)
	}
	if r.Default != "main" || r.Branches["main"] != m.Third {
		t.Errorf("default %q at %s", r.Default, r.Branches["main"])
	}
	want := map[string]string{"v0.9": m.Old, "v1.0.0": m.First, "v1": m.Second, "v1.1.0": m.Second, "v1.1.0-inner": m.Second, "v6.6.6": m.TaggedFork}
	if !maps.Equal(r.Tags, want) {
		t.Errorf("tags %v, want %v (annotated ones peeled)", r.Tags, want)
	}
}

func TestReadRefsFaults(t *testing.T) {
	srv, _ := mirror(t)
	if _, err := ReadRefs(t.Context(), RemoteOptions{Server: srv.URL, Repository: "acme/gone", Token: "ghs_x", Sleep: noSleep}); !errors.Is(err, ErrNoRepository) {
		t.Errorf("a repository that is not there: %v", err)
	}
	srv.Fault = func(n int, _ *http.Request) fake.Fault {
		if n < 4 {
			return fake.Fault{Status: http.StatusBadGateway}
		}
		return fake.Fault{}
	}
	if _, err := ReadRefs(t.Context(), RemoteOptions{Server: srv.URL, Repository: "acme/tool", Sleep: noSleep}); err != nil && !strings.Contains(err.Error(), "gave up") {
		t.Errorf("after faults: %v", err)
	}
	srv.Fault = func(int, *http.Request) fake.Fault { return fake.Fault{Status: http.StatusBadGateway} }
	if _, err := ReadRefs(t.Context(), RemoteOptions{Server: srv.URL, Repository: "acme/tool", Sleep: noSleep}); err == nil || !strings.Contains(err.Error(), "gave up after 4 tries") {
		t.Errorf("a server that stays broken: %v", err)
	}
	// A token that is refused does not hide what everybody may read.
	srv.Fault = func(_ int, r *http.Request) fake.Fault {
		if r.Header.Get("Authorization") != "" {
			return fake.Fault{Status: http.StatusForbidden}
		}
		return fake.Fault{}
	}
	if _, err := ReadRefs(t.Context(), RemoteOptions{Server: srv.URL, Repository: "acme/tool", Token: "ghs_x", Sleep: noSleep}); err != nil {
		t.Errorf("with a token that is refused: %v", err)
	}
}

func TestContains(t *testing.T) {
	srv, m := mirror(t)
	c, err := New(Options{API: srv.URL, Repository: "acme/tool", Token: "ghs_x", Sleep: noSleep})
	if err != nil {
		t.Fatal(err)
	}
	refs, err := ReadRefs(t.Context(), RemoteOptions{Server: srv.URL, Repository: "acme/tool", Sleep: noSleep})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		commit   string
		want     bool
		requests int
	}{
		"in the default branch":      {m.First, true, 1},
		"in the branch of a series":  {m.Old, true, 2},
		"of a fork":                  {m.Fork, false, 2},
		"of a fork, although tagged": {m.TaggedFork, false, 2},
		"nowhere":                    {strings.Repeat("1", 40), false, 2},
	} {
		before, _, _ := srv.Requests()
		got, err := c.Contains(t.Context(), tc.commit, refs, []string{"v0.9"})
		if err != nil || got != tc.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if after, _, _ := srv.Requests(); after-before != tc.requests {
			t.Errorf("%s: %d requests, want %d", name, after-before, tc.requests)
		}
	}
}

func TestCandidates(t *testing.T) {
	refs := Refs{Default: "trunk", Branches: map[string]string{"trunk": "a", "zeta": "b", "release/2": "c", "v4.1": "d", "copy-of-trunk": "a"}}
	if got, want := candidates(refs, []string{"v4.1.2"}), []string{"trunk", "v4.1", "release/2", "zeta"}; !slices.Equal(got, want) {
		t.Errorf("candidates %v, want %v", got, want)
	}
}

func FuzzParseRefs(f *testing.F) {
	f.Add("001e# service=git-upload-pack\n0000004895dcfa3633004da0049d3d0fa03f80589cbcaf31 refs/heads/main\x00agent=x\n0000")
	f.Add("001e# service=git-upload-pack\n00000000")
	f.Add("0005a")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRefs(strings.NewReader(text))
		if err != nil {
			return
		}
		for name, sha := range r.Tags {
			if !objectName.MatchString(sha) {
				t.Errorf("tag %q is %q", name, sha)
			}
		}
	})
}
