package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/promote"
)

// Command rolls out by the user's own program. It is run without a shell, with
// FAIRLEAD_IMAGE (repository@digest), FAIRLEAD_DIGEST, FAIRLEAD_ENVIRONMENT,
// FAIRLEAD_SERVICE, FAIRLEAD_PREVIOUS (repository@digest, empty at first),
// FAIRLEAD_PREVIOUS_DIGEST, FAIRLEAD_SEQ and FAIRLEAD_PHASE (promote, rollback,
// canary, abort or observe) in its environment, and must be safe to repeat.
// FAIRLEAD_SEQ grows with every promotion: a program that sees a lower one than
// before must refuse.
type Command struct {
	Argv    []string
	Environ []string
	Timeout time.Duration
	Output  io.Writer // its output, each line prefixed
	// ObserveArgv prints the digest that runs; nil: the target cannot be observed.
	ObserveArgv []string
}

var _ promote.Target = (*Command)(nil)

// Name implements promote.Target.
func (c *Command) Name() string { return "command (" + c.Argv[0] + ")" }

// Observe implements promote.Target.
func (c *Command) Observe(ctx context.Context, service, env string) (promote.Observation, error) {
	if len(c.ObserveArgv) == 0 {
		return promote.Observation{Digest: "unknown"}, nil
	}
	out, words := &bounded{max: 64 << 10}, &prefixed{w: c.Output}
	err := c.run(ctx, c.ObserveArgv, []string{"FAIRLEAD_SERVICE=" + service, "FAIRLEAD_ENVIRONMENT=" + env, "FAIRLEAD_PHASE=observe"}, out, words)
	words.flush()
	if err != nil {
		return promote.Observation{}, err
	}
	// REPOSITORY@sha256:… is what most tools print; nothing means nothing runs.
	digest := strings.TrimSpace(out.String())
	if i := strings.LastIndexByte(digest, '@'); i >= 0 {
		digest = digest[i+1:]
	}
	if digest != "" && digest != "unknown" && !digestForm.MatchString(digest) {
		return promote.Observation{}, failure.New(failure.Usage, "it must print sha256: and 64 hex digits, nothing if nothing runs, or unknown; messages belong on its standard error",
			"command %q says that %q runs", c.ObserveArgv[0], short(digest))
	}
	return promote.Observation{Digest: digest}, nil
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func short(s string) string {
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// bounded keeps the beginning of what is written.
type bounded struct {
	strings.Builder
	max int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	b.Builder.Write(p[:min(len(p), b.max-b.Len())])
	return len(p), nil
}

// Apply implements promote.Target.
func (c *Command) Apply(ctx context.Context, r promote.Release) (string, error) {
	if r.Rollback {
		return c.phase(ctx, "rollback", r)
	}
	return c.phase(ctx, "promote", r)
}

// Canary implements promote.Target.
func (c *Command) Canary(ctx context.Context, r promote.Release) (string, error) {
	return c.phase(ctx, "canary", r)
}

// Abort implements promote.Target.
func (c *Command) Abort(ctx context.Context, r promote.Release) (string, error) {
	return c.phase(ctx, "abort", r)
}

func (c *Command) phase(ctx context.Context, phase string, r promote.Release) (string, error) {
	prev := ""
	if r.Previous != "" {
		prev = r.PreviousRepo + "@" + r.Previous
	}
	begin := time.Now()
	p := &prefixed{w: c.Output}
	err := c.run(ctx, c.Argv, []string{
		"FAIRLEAD_IMAGE=" + ref(r), "FAIRLEAD_DIGEST=" + r.Digest, "FAIRLEAD_ENVIRONMENT=" + r.Environment, "FAIRLEAD_SERVICE=" + r.Service,
		"FAIRLEAD_PREVIOUS=" + prev, "FAIRLEAD_PREVIOUS_DIGEST=" + r.Previous, "FAIRLEAD_SEQ=" + strconv.Itoa(r.Seq), "FAIRLEAD_PHASE=" + phase,
	}, p, p)
	p.flush()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s said yes after %.1f s", c.Argv[0], time.Since(begin).Seconds()), nil
}

// Do runs the program once with variables on top of its environment, its output
// marked line by line.
func (c *Command) Do(ctx context.Context, env []string) error {
	p := &prefixed{w: c.Output}
	defer p.flush()
	return c.run(ctx, c.Argv, env, p, p)
}

// run runs a program in a process group of its own, so that a cancellation
// reaches all of it: first SIGTERM, ten seconds later SIGKILL.
func (c *Command) run(ctx context.Context, argv, env []string, out, words io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(append([]string{}, c.Environ...), env...)
	cmd.Stdout, cmd.Stderr = out, words
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whatever of it ignored the first signal
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("command %q did not end within %s", argv[0], c.Timeout)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return fmt.Errorf("command %q ended with exit code %d", argv[0], exit.ExitCode())
	}
	return failure.New(failure.Usage, "is it there, and executable?", "running command %q: %w", argv[0], err)
}

// maxLine is where a line without an end is cut.
const maxLine = 16 << 10

// prefixed marks foreign output line by line, so that nothing in it can be taken
// for ours or for a workflow command.
type prefixed struct {
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf = append(p.buf, b...)
	for {
		n, line, err := bufio.ScanLines(p.buf, false)
		if n == 0 || err != nil {
			break
		}
		fmt.Fprintf(p.w, "  | %s\n", finding.Printable(string(line)))
		p.buf = p.buf[n:]
	}
	for len(p.buf) > maxLine { // a progress bar without ends of lines
		fmt.Fprintf(p.w, "  | %s\n", finding.Printable(string(p.buf[:maxLine])))
		p.buf = p.buf[maxLine:]
	}
	return len(b), nil
}

func (p *prefixed) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buf) > 0 {
		fmt.Fprintf(p.w, "  | %s\n", finding.Printable(string(p.buf)))
		p.buf = nil
	}
}

// Tag is the target that runs nothing: moving the registry's tag is all.
type Tag struct{}

var _ promote.Target = Tag{}

// Name implements promote.Target.
func (Tag) Name() string { return "tag" }

// Observe implements promote.Target.
func (Tag) Observe(context.Context, string, string) (promote.Observation, error) {
	return promote.Observation{Digest: "unknown"}, nil
}

// Apply implements promote.Target.
func (Tag) Apply(context.Context, promote.Release) (string, error) {
	return "only the tag moves", nil
}

// Canary implements promote.Target.
func (Tag) Canary(context.Context, promote.Release) (string, error) {
	return "", failure.New(failure.Usage, "use the container or the command target", "a tag cannot run a canary")
}

// Abort implements promote.Target.
func (Tag) Abort(context.Context, promote.Release) (string, error) {
	return "nothing to take back", nil
}
