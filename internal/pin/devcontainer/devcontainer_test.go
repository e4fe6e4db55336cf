package devcontainer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// show lists what was read; every place must hold the text it claims.
func show(t *testing.T, src string, f *File) string {
	t.Helper()
	var out []string
	text := func(kind string, x Text) {
		if got := src[x.Span.Start:x.Span.End]; got != x.Raw {
			t.Errorf("%s %q stands not at %v but %q", kind, x.Raw, x.Span, got)
		}
		out = append(out, kind+" "+x.Raw)
	}
	for _, i := range f.Images {
		text("image", i.Text)
		if i.Ref != i.Raw || len(i.Unset) > 0 {
			out = append(out, fmt.Sprintf("= %s %v", i.Ref, i.Unset))
		}
	}
	for _, x := range f.Features {
		text("feature", x)
	}
	for _, x := range f.Dockerfiles {
		text("dockerfile", x)
	}
	for _, x := range f.Composes {
		text("compose", x)
	}
	for _, s := range f.Scripts {
		out = append(out, s.Name+": "+s.Text)
		if s.At != nil && len(s.At) != len(s.Text) {
			t.Errorf("%d places for %d bytes", len(s.At), len(s.Text))
		}
		if i := strings.Index(s.Text, "pip"); i >= 0 && s.At != nil && !strings.HasPrefix(src[s.At[i]:], "pip") {
			t.Errorf("pip of %q stands not at %d", s.Text, s.At[i])
		}
	}
	return strings.Join(out, "; ")
}

func TestRead(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{`{}`, ""},
		{"\ufeff// a comment\n{\n  /* \"image\": \"no\" */\n  \"image\": \"python:3.13\", // why\n}\n", "image python:3.13"},
		{`{"image": "a:${localEnv:TAG:3.13}-${localEnv:OS}"}`, "image a:${localEnv:TAG:3.13}-${localEnv:OS}; = a:3.13-${localEnv:OS} [localEnv:OS]"},
		{`{"build": {"dockerfile": "../Dockerfile.dev", "context": ".."}, "dockerFile": "old"}`, "dockerfile ../Dockerfile.dev; dockerfile old"},
		{`{"dockerComposeFile": ["../compose.yml", "dev.yml"], "service": "web"}`, "compose ../compose.yml; compose dev.yml"},
		{`{"dockerComposeFile": "dev.yml"}`, "compose dev.yml"},
		{`{"features": {"ghcr.example/devcontainers/features/go:1": {"version": "latest"}, "./local": {}}}`, "feature ghcr.example/devcontainers/features/go:1; feature ./local"},
		{`{"postCreateCommand": "echo \"\u00e9\ud83d\ude00\" && pip install x"}`, "postCreateCommand: echo \"é😀\" && pip install x"},
		{`{"onCreateCommand": ["pip", "install", "it's"]}`, `onCreateCommand: 'pip' 'install' 'it'\''s'`},
		{`{"postStartCommand": {"a": "pip install x", "b": ["pip", "install", "y"]}}`, "postStartCommand.a: pip install x; postStartCommand.b: 'pip' 'install' 'y'"},
		{`{"postStartCommand": {"a": {"b": "c"}}, "onCreateCommand": [1], "image": 5, "features": [], "build": "x"}`, ""},
		{`{"image": "a", "image": "b"}`, "image a; image b"},
	} {
		f, err := Read([]byte(c.src))
		if err != nil {
			t.Errorf("%s: %v", c.src, err)
			continue
		}
		if got := show(t, c.src, f); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.src, got, c.want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		src  string
		at   int
		want string
	}{
		{"", 0, "it ends too early"},
		{`{"a": }`, 6, "not JSON"},
		{`{"a": 1`, 7, "it ends too early"},
		{`{} x`, 3, "not JSON"},
		{`{} {}`, 0, "more follows"},
		{`[]`, 0, "it is no object"},
		{`"x"`, 0, "it is no object"},
		{"{\"a\": \"\xff\"}", 0, "not UTF-8"},
		{strings.Repeat("[", 200), 0, "nests too deeply"},
		{"[" + strings.Repeat("1,", maxNodes) + "1]", 0, "more than"},
		{`/* {}`, 0, "not JSON"},
	} {
		_, err := Read([]byte(c.src))
		var p *Problem
		if !errors.As(err, &p) || !strings.Contains(p.Msg, c.want) || p.Offset < 0 || p.Offset > len(c.src) || c.at > 0 && p.Offset != c.at {
			t.Errorf("%.40q: %+v; want %q at %d", c.src, err, c.want, c.at)
		}
	}
}

func TestReadLock(t *testing.T) {
	src := `{"features": {"ghcr.example/f/go:1": {"version": "1.3.2", "resolved": "ghcr.example/f/go@sha256:ab", "integrity": "sha256:ab"}, "x": 1}}`
	l, err := ReadLock([]byte(src))
	if err != nil || len(l) != 2 || l[0].Key != "ghcr.example/f/go:1" || l[0].Resolved != "ghcr.example/f/go@sha256:ab" || l[0].Integrity != "sha256:ab" || src[l[1].Span.Start:l[1].Span.End] != "x" {
		t.Errorf("%+v, %v", l, err)
	}
	if l, err := ReadLock(nil); err != nil || l != nil {
		t.Errorf("an empty lock: %v, %v", l, err)
	}
	if _, err := ReadLock([]byte("{")); err == nil {
		t.Error("half a lock is read")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"image": "a:${localEnv:B:c}", "features": {"x": {}}, "postCreateCommand": {"a": ["b", "\u00e9"]}} // x`))
	f.Add([]byte(`{"build": {"dockerfile": "d"}, /* */ "dockerComposeFile": ["c",],}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(data)
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.Offset < 0 || p.Offset > len(data) {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, s := range file.Scripts {
			if s.Span.Start < 0 || s.Span.End > len(data) || s.At != nil && len(s.At) != len(s.Text) {
				t.Fatalf("%+v", s)
			}
		}
		for _, i := range file.Images {
			if i.Span.Start > i.Span.End || i.Span.End > len(data) {
				t.Fatalf("%+v", i)
			}
		}
		if _, err := ReadLock(data); err != nil {
			t.Fatal(err)
		}
	})
}
