package image_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// recording is an engine that runs nothing: it notes what it is given.
type recording struct {
	engine.Engine
	dir     string // where the loaded image is kept
	spec    engine.Spec
	removed string
	code    int
	err     error
	wait    bool
}

func (r *recording) Name() string { return "recording" }

func (r *recording) Load(_ context.Context, img v1.Image, name string) (string, error) {
	return name + "@sha256:0", oci.WriteLayout(r.dir, img, "")
}

func (r *recording) RemoveImage(_ context.Context, ref string) error {
	r.removed = ref
	return nil
}

func (r *recording) Run(ctx context.Context, s engine.Spec, stdout, _ io.Writer) (int, error) {
	r.spec = s
	if r.wait {
		<-ctx.Done()
		return -1, ctx.Err()
	}
	_, _ = io.WriteString(stdout, "12 passed\n")
	return r.code, r.err
}

// tested is a world with tests and a test dependency, and a registry to push to.
func tested(t *testing.T) (*world, image.Request, image.Deps, *recording, *registry.Registry) {
	t.Helper()
	w := newWorld(t)
	tool := wheeltest.Wheel{Name: "pytest", Version: "9.0", Files: map[string]string{"pytest.py": ""}, EntryPoints: "[console_scripts]\npytest = pytest:main\n"}
	raw := tool.Build()
	w.write(filepath.Join(w.wheels, tool.Filename()), string(raw))
	sum := sha256.Sum256(raw)
	w.file("requirements-test.txt", fmt.Sprintf("pytest==9.0 --hash=sha256:%s\n", hex.EncodeToString(sum[:])))
	w.file("tests/test_shop.py", "def test(): pass\n")
	w.file(".dockerignore", "tests\nrequirements-test.txt\n")
	reg, err := registry.Start(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := w.request()
	r.Image, r.Push, r.Tags = reg.Addr+"/shop", true, []string{"1"}
	r.Test = &image.Test{Command: []string{"pytest", "-q"}, Requirements: "requirements-test.txt", Env: []string{"STRIPE_MODE", "UNSET"}}
	e := &recording{dir: filepath.Join(t.TempDir(), "loaded")}
	d := deps()
	d.Engine = func(context.Context, string) (engine.Engine, error) { return e, nil }
	d.Getenv = func(k string) string { return map[string]string{"STRIPE_MODE": "fake", "AWS_SECRET": "s3cret"}[k] }
	return w, r, d, e, reg
}

func TestWhatIsTestedIsWhatIsPublished(t *testing.T) {
	_, r, d, e, _ := tested(t)
	var out bytes.Buffer
	d.TestOutput = &out
	res := build(t, r, d)
	if res.Verdict != finding.Pass || !res.Published || out.String() != "12 passed\n" || res.Test.Tail != "12 passed\n" {
		t.Errorf("result %+v, output %q", res, out.String())
	}
	published, err := d.Registry.Image(t.Context(), r.Image+":1", res.Test.Platform)
	if err != nil {
		t.Fatal(err)
	}
	below, _ := published.Manifest()
	loaded, err := oci.ReadLayout(e.dir, res.Test.Platform)
	if err != nil {
		t.Fatal(err)
	}
	seen, _ := loaded.Manifest()
	for i, l := range below.Layers {
		if seen.Layers[i].Digest != l.Digest {
			t.Errorf("layer %d was tested as %s and published as %s", i, seen.Layers[i].Digest, l.Digest)
		}
	}
	top := contents(t, loaded, len(below.Layers))
	if top["fairlead-test/tests/test_shop.py"] == "" || top["app/.venv/lib/python3.11/site-packages/pytest.py"] != "" || len(top) == 0 {
		t.Errorf("the throw-away layer holds %v", top)
	}
	for name := range top {
		if strings.HasPrefix(name, "app/") && !strings.Contains(name, "pytest") {
			t.Errorf("the throw-away layer holds %q", name)
		}
	}
	if strings.Contains(fmt.Sprint(contents(t, published, 0)), "pytest") {
		t.Error("the published image holds the test dependency")
	}
	env := e.spec.Env
	if env["STRIPE_MODE"] != "fake" || env["AWS_SECRET"] != "" || env["UNSET"] != "" || len(env) != 2 {
		t.Errorf("tests see %v", env)
	}
	if e.spec.Network != engine.NetworkNone || e.spec.User != "65532:65532" || e.spec.WorkDir != "/fairlead-test" || e.spec.Command[0] != "/app/.venv/bin/pytest" {
		t.Errorf("spec = %+v", e.spec)
	}
	if e.removed == "" {
		t.Error("the test image was left behind")
	}
	for _, p := range res.Platforms {
		if p.Tested != (p.Platform == res.Test.Platform) {
			t.Errorf("platform %+v", p)
		}
	}
	if !strings.Contains(strings.Join(res.Notes, "\n"), "is untested") {
		t.Errorf("no note on the untested platform: %q", res.Notes)
	}
}

func TestFailedTestsPublishNothing(t *testing.T) {
	tests := []struct {
		name string
		set  func(*recording, *image.Request)
		want string
	}{
		{"failing", func(e *recording, _ *image.Request) { e.code = 1 }, "exit code 1"},
		{"none collected", func(e *recording, _ *image.Request) { e.code = 5 }, "found no tests"},
		{"hanging", func(e *recording, r *image.Request) { e.wait, r.Test.Timeout = true, 20*time.Millisecond }, "did not end within"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, r, d, e, reg := tested(t)
			tt.set(e, &r)
			r.Outputs = []image.Output{{Kind: image.OutputOCI, Path: filepath.Join(t.TempDir(), "oci")}}
			res := build(t, r, d)
			if res.Verdict != finding.Fail || res.Published || len(res.Tags) > 0 {
				t.Errorf("result %+v", res)
			}
			if !strings.Contains(strings.Join(res.Notes, "\n"), tt.want) {
				t.Errorf("notes %q lack %q", res.Notes, tt.want)
			}
			if all := reg.Writes(); len(all) > 0 {
				t.Errorf("the registry got %q", all)
			}
			if left, _ := filepath.Glob(r.Outputs[0].Path); len(left) > 0 {
				t.Error("an output was written")
			}
		})
	}
}

func TestTestsRefused(t *testing.T) {
	tests := []struct {
		name string
		set  func(*world, *image.Request, *recording)
		want string
	}{
		{"token asked for", func(_ *world, r *image.Request, _ *recording) {
			r.Test.Env = []string{"ACTIONS_ID_TOKEN_REQUEST_TOKEN"}
		}, "ACTIONS_ID_TOKEN_REQUEST_TOKEN"},
		{"another version", func(w *world, _ *image.Request, _ *recording) {
			old := wheeltest.Wheel{Name: "served", Version: "1.0", Files: map[string]string{"served/__init__.py": ""}}
			raw := old.Build()
			w.write(filepath.Join(w.wheels, old.Filename()), string(raw))
			sum := sha256.Sum256(raw)
			w.file("requirements-test.txt", "served==1.0 --hash=sha256:"+hex.EncodeToString(sum[:])+"\n")
		}, "requirements-test.txt:1: served==1.0, but the image holds 2.0"},
		{"no tests", func(w *world, r *image.Request, _ *recording) { r.Test.Include = []string{"spec"} }, "spec"},
		{"tests outside", func(w *world, r *image.Request, _ *recording) { r.Test.Include = []string{"../tests"} }, "../tests"},
		{"no command", func(w *world, r *image.Request, _ *recording) { r.Test.Command = nil }, "no command"},
		{"engine trouble", func(w *world, r *image.Request, e *recording) { e.err = io.ErrUnexpectedEOF }, "running the tests with recording"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, r, d, e, reg := tested(t)
			tt.set(w, &r, e)
			_, err := image.Build(t.Context(), r, d)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err = %v; want %q", err, tt.want)
			}
			if failure.CodeOf(err) == failure.OK || len(reg.Writes()) > 0 {
				t.Errorf("code %d, requests %q", failure.CodeOf(err), reg.Writes())
			}
		})
	}
}

// A shard is told which part is its own, assembles what was announced, and one
// that does not is stopped before anything runs or is published.
func TestShardsOfOneDigest(t *testing.T) {
	_, r, d, rec, _ := tested(t)
	r.Push, r.Tags = false, nil
	r.Test.Shard, r.Test.Shards = 2, 3
	whole := build(t, r, d)
	if rec.spec.Env["FAIRLEAD_SHARD"] != "2" || rec.spec.Env["FAIRLEAD_SHARDS"] != "3" {
		t.Errorf("environment of the tests: %v", rec.spec.Env)
	}
	untested := r
	untested.Test, untested.ExpectDigest = nil, whole.Digest
	if again := build(t, untested, d); again.Digest != whole.Digest {
		t.Errorf("%s without tests, %s with", again.Digest, whole.Digest)
	}
	rec.spec = engine.Spec{}
	r.ExpectDigest, r.Push = "sha256:"+strings.Repeat("0", 64), true
	_, err := image.Build(t.Context(), r, d)
	if failure.CodeOf(err) != failure.Answer || !strings.Contains(err.Error(), whole.Digest) || rec.spec.Image != "" {
		t.Errorf("another digest than announced: %v, ran %q", err, rec.spec.Image)
	}
	r.ExpectDigest, r.Python = "", "3.9"
	if _, err := image.Build(t.Context(), r, d); failure.CodeOf(err) != failure.Usage || !strings.Contains(err.Error(), "not 3.9") {
		t.Errorf("another Python than the base's: %v", err)
	}
}
