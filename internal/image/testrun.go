package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
)

const (
	// testDir is where test files are; nothing of a published image is there.
	testDir     = "fairlead-test"
	testTimeout = 30 * time.Minute
	testImage   = "localhost/fairlead-test"
	// noTests is pytest's exit code when it collected nothing.
	noTests = 5
)

func (b *builder) engine(ctx context.Context, name string) (engine.Engine, error) {
	if b.deps.Engine == nil {
		return nil, failure.New(failure.Usage, "install podman or docker", "no container engine is at hand")
	}
	return b.deps.Engine(ctx, name)
}

// test runs the tests in the image of this machine's platform, on a throw-away
// layer. The layers below are those that are published, byte for byte.
func (b *builder) test(ctx context.Context, images map[string]v1.Image) error {
	own := "linux/" + runtime.GOARCH
	i := slices.IndexFunc(b.Platforms, func(p string) bool { return baseOf(p) == own })
	if i < 0 {
		return failure.New(failure.Usage, "add "+own+" to --platforms, or test on a machine of the platform", "testing: no image for this machine (%s) is built, only %s", own, strings.Join(b.Platforms, ", "))
	}
	platform := b.Platforms[i]
	env, err := b.testEnvironment()
	if err != nil {
		return err
	}
	img, commands, err := b.testImage(ctx, platform, images[platform])
	if err != nil {
		return fmt.Errorf("preparing the tests: %w", err)
	}
	e, err := b.engine(ctx, "")
	if err != nil {
		return fmt.Errorf("testing: %w", err)
	}
	ref, err := e.Load(ctx, img, testImage)
	if err != nil {
		return fmt.Errorf("testing with %s: %w", e.Name(), err)
	}
	defer func() {
		// The image goes even when the build was interrupted.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_ = e.RemoveImage(clean, ref)
	}()
	command := slices.Clone(b.Test.Command)
	if slices.Contains(commands, command[0]) {
		command[0] = "/" + venvDir + "/bin/" + command[0]
	}
	spec := engine.Spec{
		Image: ref, Command: command, Env: env, User: b.User, WorkDir: "/" + testDir,
		Network: b.Test.Network, Labels: map[string]string{"dev.fairlead.role": "test"},
	}
	if spec.Network == engine.NetworkDefault {
		spec.Network = engine.NetworkNone
	}
	if len(b.Test.Services) > 0 {
		s, err := b.startServices(ctx, e, platform)
		if s != nil {
			defer s.stop(ctx)
		}
		if err != nil {
			return err
		}
		spec.Network = s.network(b.Test.Network)
		if err := s.ready(ctx, ref, spec.Network); err != nil {
			return err
		}
		defer func() {
			if b.result.Test != nil && b.result.Test.ExitCode != 0 && b.deps.TestOutput != nil {
				fmt.Fprint(b.deps.TestOutput, s.logs(ctx))
			}
		}()
	}
	b.deps.say("testing %s with %s: %s", platform, e.Name(), strings.Join(b.Test.Command, " "))
	return b.run(ctx, e, spec, platform)
}

// run runs the tests and enters what came out.
func (b *builder) run(ctx context.Context, e engine.Engine, spec engine.Spec, platform string) error {
	limit := b.Test.Timeout
	if limit == 0 {
		limit = testTimeout
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tail := &tail{}
	var out io.Writer = tail
	if b.deps.TestOutput != nil {
		out = io.MultiWriter(b.deps.TestOutput, tail)
	}
	var split *splitter
	stdout := out
	if b.Test.JUnit {
		var mark string
		spec.Command, mark = reported(spec.Command)
		spec.Env["FAIRLEAD_JUNIT"] = junitPath
		split = &splitter{to: out, mark: []byte(mark)}
		stdout = split
	}
	start := b.deps.Now()
	code, err := e.Run(within, spec, stdout, out)
	b.result.Test = &Run{Command: b.Test.Command, Platform: platform, Engine: e.Name(), ExitCode: code, Seconds: b.deps.Now().Sub(start).Seconds(), Tail: tail.String()}
	if split != nil && err == nil {
		if r, text, err := split.report(); err != nil {
			b.note("test report: %v", err)
		} else {
			b.result.Test.Report, b.result.Test.JUnit = r, text
		}
	}
	switch {
	case err != nil && ctx.Err() == nil && errors.Is(within.Err(), context.DeadlineExceeded):
		b.result.Verdict = finding.Fail
		b.result.Test.ExitCode = -1
		b.note("the tests did not end within %s and were stopped: nothing was published", limit)
		return nil
	case err != nil:
		return fmt.Errorf("running the tests with %s: %w", e.Name(), err)
	case code == noTests && slices.ContainsFunc(b.Test.Command, func(w string) bool { return strings.Contains(w, "pytest") }):
		b.result.Verdict = finding.Fail
		b.note("pytest found no tests (exit code 5), which is no success: name the test files with --test-include; nothing was published")
	case code != 0:
		b.result.Verdict = finding.Fail
		b.note("the tests failed with exit code %d: nothing was published", code)
	}
	for i := range b.result.Platforms {
		p := &b.result.Platforms[i]
		p.Tested = p.Platform == platform
		if !p.Tested {
			b.note("%s is untested: the tests ran on %s", p.Platform, platform)
		}
	}
	return nil
}

// testImage puts the test dependencies and the tests on top of an image.
func (b *builder) testImage(ctx context.Context, platform string, img v1.Image) (v1.Image, []string, error) {
	extra, err := b.testWheels(ctx, platform)
	if err != nil {
		return nil, nil, err
	}
	all := append(slices.Clone(b.inside[platform]), extra...)
	if err := b.agree(ctx, platform, all); err != nil {
		return nil, nil, err
	}
	var layers []*layer.Layer
	if len(extra) > 0 {
		l, err := b.shop.wheels(extra, b.bases.facts[platform].Target.Python)
		if err != nil {
			return nil, nil, err
		}
		layers = append(layers, l)
	}
	files, err := b.testFiles()
	if err != nil {
		return nil, nil, err
	}
	l, err := layer.FromEntries(files, b.work)
	if err != nil {
		return nil, nil, fmt.Errorf("making the layer of the tests: %w", err)
	}
	layers = append(layers, l)
	top, err := compose(img, stack(layers, b.Created), func(*v1.ConfigFile) {}, nil, b.Created)
	return top, commands(all), err
}

// testEnvironment is what tests see of this process's environment: the named
// variables that are set. Tokens of the platform are refused by name.
func (b *builder) testEnvironment() (map[string]string, error) {
	env := map[string]string{"HOME": "/tmp"}
	if b.Test.Shards > 0 {
		env["FAIRLEAD_SHARD"], env["FAIRLEAD_SHARDS"] = strconv.Itoa(b.Test.Shard), strconv.Itoa(b.Test.Shards)
	}
	for _, name := range b.Test.Env {
		if k, v, given := strings.Cut(name, "="); given {
			env[k] = v // a value of the settings, not one of this process
			continue
		}
		if credential.MatchString(name) {
			return nil, failure.New(failure.Usage, "tests run code of the repository and of its dependencies; they get no credentials", "testing: variable %q is a credential of the workflow and is not passed on", name)
		}
		if v := b.deps.Getenv(name); v != "" {
			env[name] = v
		}
	}
	return env, nil
}

// credential are names under which GitHub Actions hands out tokens.
var credential = regexp.MustCompile(`^(ACTIONS_(ID_TOKEN|RUNTIME|CACHE|RESULTS)_.*|GITHUB_TOKEN|GH_TOKEN|INPUT_.*|REGISTRY_AUTH_FILE|DOCKER_(AUTH_)?CONFIG)$`)

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

const tailSize = 16 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

// String returns the last bytes, from the beginning of a line.
func (t *tail) String() string {
	s := string(t.b)
	if len(s) > tailSize {
		s = s[len(s)-tailSize:]
		_, s, _ = strings.Cut(s, "\n")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
