package pin_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/pin"
)

// paths checks a tree and lists the paths with subjects, then "rule path" of the
// findings about files.
func paths(t *testing.T, fsys fs.FS, cfg pin.Config) []string {
	t.Helper()
	r, err := pin.Check(context.Background(), fsys, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range r.Subjects {
		out = append(out, s.Path)
	}
	for _, f := range r.Findings {
		if strings.HasPrefix(f.Rule, "file/") {
			out = append(out, f.Rule+" "+f.Path)
		}
	}
	return slices.Compact(out)
}

func TestWhichFiles(t *testing.T) {
	fsys := fstest.MapFS{}
	for _, name := range []string{
		"requirements.txt", "dev-requirements.txt", "requirements_test.txt", "requirements/a.txt", "sub/requirements/b.txt", "other.txt",
		"venv/requirements.txt", "a/node_modules/x/requirements.txt", "a/third_party/requirements.txt", "a/gen/requirements.txt",
	} {
		fsys[name] = &fstest.MapFile{Data: []byte("foo==1\n")}
	}
	for _, name := range []string{"Dockerfile", "Dockerfile.prod", "web.Dockerfile", "x.dockerfile", "Containerfile", "Dockerfile.md", "Dockerfile.dockerignore", "Dockerfiles", "docker/Dockerfile-dev"} {
		fsys[name] = &fstest.MapFile{Data: []byte("FROM a\n")}
	}
	all := []string{"Containerfile", "Dockerfile", "Dockerfile.prod", "a/gen/requirements.txt", "dev-requirements.txt", "docker/Dockerfile-dev", "requirements.txt", "requirements/a.txt", "requirements_test.txt", "sub/requirements/b.txt", "web.Dockerfile", "x.dockerfile"}
	without := func(drop ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(drop, s) })
	}
	for _, c := range []struct {
		name string
		cfg  pin.Config
		want []string
	}{
		{"everything", pin.Config{}, all},
		{"a dot", pin.Config{Paths: []string{"."}}, all},
		{"a folder", pin.Config{Paths: []string{"requirements", "sub/"}}, []string{"requirements/a.txt", "sub/requirements/b.txt"}},
		{"a named file", pin.Config{Paths: []string{"./other.txt", "venv/requirements.txt"}}, []string{"other.txt", "venv/requirements.txt"}},
		{"a named folder that is ignored elsewhere", pin.Config{Paths: []string{"venv"}}, []string{"venv/requirements.txt"}},
		{"ignore a name", pin.Config{Ignore: []string{"gen", "*.dockerfile"}}, without("a/gen/requirements.txt", "x.dockerfile")},
		{"ignore a path", pin.Config{Ignore: []string{"a/**", "/sub/", "docker/Dockerfile-*"}}, without("a/gen/requirements.txt", "sub/requirements/b.txt", "docker/Dockerfile-dev")},
		{"ignore below anything", pin.Config{Ignore: []string{"**/requirements/*.txt"}}, without("requirements/a.txt", "sub/requirements/b.txt")},
		{"git's list", pin.Config{Files: []string{"requirements.txt", "gone/requirements.txt", "venv/requirements.txt", "other.txt"}}, []string{"requirements.txt"}},
		{"an empty list", pin.Config{Files: []string{}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := paths(t, fsys, c.cfg); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	fsys := fstest.MapFS{
		"a/requirements.txt": {Data: []byte("foo==1\n")},
		"b/requirements.txt": {Data: []byte(strings.Repeat("# long\n", 100))},
		"c/Dockerfile":       {Data: []byte("FROM a\x00\n")},
	}
	if got, want := paths(t, fsys, pin.Config{MaxFileSize: 500}), []string{"a/requirements.txt", "file/unreadable b/requirements.txt", "file/unreadable c/Dockerfile"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := paths(t, fsys, pin.Config{MaxFiles: 1}), []string{"a/requirements.txt", "file/limit b/requirements.txt"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLinks: links inside the tree are followed, those that leave it never are,
// neither by the walk nor by -r.
func TestLinks(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "requirements.txt"), "secret==1\n")
	dir := filepath.Join(t.TempDir(), "tree")
	write(t, filepath.Join(dir, "real", "deps.txt"), "foo==1\n")
	write(t, filepath.Join(dir, "requirements.txt"), "-r in.txt\n-r out.txt\n-r folder/requirements.txt\n")
	for link, target := range map[string]string{
		"in.txt": "real/deps.txt", "out.txt": filepath.Join(outside, "requirements.txt"), "folder": outside,
		"web-requirements.txt": "real/../in.txt", "up-requirements.txt": "../../x", "loop-requirements.txt": "loop-requirements.txt",
		"dead-requirements.txt": "nothing",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, fsys := range map[string]fs.FS{"DirFS": os.DirFS(dir), "Root": root.FS()} {
		r, err := pin.Check(context.Background(), fsys, pin.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range r.Subjects {
			got = append(got, s.Path+" "+s.Ref)
		}
		for _, f := range r.Findings {
			if f.Rule != "python/no-hash" {
				got = append(got, f.Rule+" "+f.Path)
			}
		}
		want := []string{
			"in.txt foo==1", "web-requirements.txt foo==1",
			"file/unreadable loop-requirements.txt", "python/unparsable requirements.txt", "python/unparsable requirements.txt", "file/symlink up-requirements.txt",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got  %q\nwant %q", name, got, want)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestWrongUse(t *testing.T) {
	fsys := fstest.MapFS{"a.bin": {Data: []byte("x")}}
	for name, cfg := range map[string]pin.Config{
		"no such path": {Paths: []string{"gone"}}, "outside": {Paths: []string{"../x"}}, "absolute": {Paths: []string{"/etc"}},
		"no known file": {Paths: []string{"a.bin"}}, "fail-on": {FailOn: "note"}, "rule": {Severity: map[string]string{"x/y": "off"}},
		"severity": {Severity: map[string]string{"python/url": "loud"}},
	} {
		if _, err := pin.Check(context.Background(), fsys, cfg); failure.CodeOf(err) != failure.Usage {
			t.Errorf("%s: %v has exit code %d, want %d", name, err, failure.CodeOf(err), failure.Usage)
		}
	}
}

func TestSeverity(t *testing.T) {
	fsys := fstest.MapFS{"requirements.txt": {Data: []byte("foo\n")}, "Dockerfile": {Data: []byte("FROM a\n")}}
	r, err := pin.Check(context.Background(), fsys, pin.Config{Severity: map[string]string{"python/not-pinned": "note", "image/not-pinned": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) != 1 || r.Findings[0].Severity != "note" || r.Verdict != "pass" {
		t.Errorf("got %+v, %s", r.Findings, r.Verdict)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := pin.Check(ctx, fstest.MapFS{"Dockerfile": {Data: []byte("FROM a\n")}}, pin.Config{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestVariables: a known value decides, and never shows.
func TestVariables(t *testing.T) {
	fsys := fstest.MapFS{"requirements.txt": {Data: []byte("foo==${V}\nbar @ https://${TOKEN}@x.example/bar.whl?k=${TOKEN}\n")}}
	getenv := func(n string) string { return map[string]string{"V": "1.0", "TOKEN": "s3cret"}[n] }
	r, err := pin.Check(context.Background(), fsys, pin.Config{Getenv: getenv})
	if err != nil {
		t.Fatal(err)
	}
	if r.Subjects[0].State != pin.Pinned || r.Subjects[0].Ref != "foo==${V}" {
		t.Errorf("got %+v", r.Subjects[0])
	}
	if text := render(t, fsys, r); strings.Contains(text, "s3cret") || strings.Contains(r.Subjects[1].Ref+r.Subjects[1].Name, "s3cret") {
		t.Errorf("a variable's value shows: %+v\n%s", r.Subjects[1], text)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("foo==1 --hash=md5:0 \\\n--hash=x\n-r requirements.txt\n-c requirements.txt\nfoo ; python_version<'3' ${X}\u2028bar", "FROM $A\nCOPY --from=b c d\n", "jobs: {a: {uses: ./../x@y}}")
	f.Add("\xff\xfef\x00", "", "")
	f.Fuzz(func(t *testing.T, req, docker, flow string) {
		fsys := fstest.MapFS{"requirements.txt": {Data: []byte(req)}, "requirements.in": {Data: []byte(req)}, "Dockerfile": {Data: []byte(docker)}, ".github/workflows/x.yml": {Data: []byte(flow)}}
		r, err := pin.Check(context.Background(), fsys, pin.Config{})
		if err != nil {
			t.Fatal(err)
		}
		render(t, fsys, r)
		for _, x := range r.Findings {
			if x.Line < 0 || x.Line > 0 && (x.Column < 1 || x.EndLine < x.Line || x.EndLine == x.Line && x.EndColumn < x.Column) {
				t.Errorf("%s at %d:%d-%d:%d", x.Rule, x.Line, x.Column, x.EndLine, x.EndColumn)
			}
		}
	})
}
