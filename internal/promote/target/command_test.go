package target

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/promote"
)

const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func command(t *testing.T, text string) (*Command, *bytes.Buffer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "deploy")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	return &Command{Argv: []string{file}, ObserveArgv: []string{file}, Environ: os.Environ(), Timeout: 5 * time.Second, Output: &out}, &out
}

func TestCommandObserve(t *testing.T) {
	for text, want := range map[string]string{
		"echo " + digest: digest,
		"echo talk >&2; echo a.example/x@" + digest: digest,
		"true":         "",
		"echo unknown": "unknown",
	} {
		c, out := command(t, text)
		o, err := c.Observe(t.Context(), "web", "staging")
		if err != nil || o.Digest != want {
			t.Errorf("%q: %q, %v", text, o.Digest, err)
		}
		if strings.Contains(text, "talk") && out.String() != "  | talk\n" {
			t.Errorf("%q says %q", text, out)
		}
	}
	for text, want := range map[string]string{
		"echo v1.2":             `says that "v1.2" runs`,
		"exit 3":                "exit code 3",
		"yes | head -c 1000000": "…",
	} {
		c, _ := command(t, text)
		if _, err := c.Observe(t.Context(), "web", "staging"); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestCommandPhase(t *testing.T) {
	c, out := command(t, `echo "$FAIRLEAD_PHASE $FAIRLEAD_SEQ $FAIRLEAD_IMAGE"; echo "::error::x" ; head -c 40000 /dev/zero | tr "\\0" x`)
	if _, err := c.Apply(t.Context(), promote.Release{Service: "web", Environment: "staging", Image: "a.example/x", Digest: digest, Seq: 7}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if lines[0] != "  | promote 7 a.example/x@"+digest || lines[1] != "  | ::error::x" || len(lines) != 5 {
		t.Errorf("%d lines: %.200q", len(lines), lines)
	}
}

// TestCommandPhases: a program is told what it is run for.
func TestCommandPhases(t *testing.T) {
	c, out := command(t, `echo "$FAIRLEAD_PHASE"`)
	back := promote.Release{Rollback: true}
	for _, f := range []func() (string, error){
		func() (string, error) { return c.Apply(t.Context(), promote.Release{}) },
		func() (string, error) { return c.Apply(t.Context(), back) },
		func() (string, error) { return c.Canary(t.Context(), promote.Release{}) },
		func() (string, error) { return c.Abort(t.Context(), back) },
	} {
		if _, err := f(); err != nil {
			t.Fatal(err)
		}
	}
	if want := "  | promote\n  | rollback\n  | canary\n  | abort\n"; out.String() != want {
		t.Errorf("phases %q, want %q", out, want)
	}
}

// TestCommandCancelled: a cancellation reaches what the program has started.
func TestCommandCancelled(t *testing.T) {
	c, _ := command(t, "sleep 60 & wait")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := c.Apply(ctx, promote.Release{})
	if !errors.Is(err, context.DeadlineExceeded) && (err == nil || !strings.Contains(err.Error(), "did not end within")) {
		t.Errorf("cancelled: %v", err)
	}
	if time.Since(begin) > 8*time.Second {
		t.Errorf("it took %s", time.Since(begin))
	}
}
