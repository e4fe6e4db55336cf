package ledger

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
)

// hooked is a ledger whose remote runs a hook before it takes a push.
func hooked(t *testing.T, script string) *Git {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("NOT TESTED: no git")
	}
	bare := filepath.Join(t.TempDir(), "hub.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", bare).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(bare, "hooks"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bare, "hooks", "pre-receive"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	g, err := OpenGit(t.Context(), GitOptions{Remote: bare, Environ: os.Environ(), Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func TestRefusedPushSaysHowToAllowIt(t *testing.T) {
	for _, c := range []struct{ said, hint string }{
		{"error: GH013: Repository rule violations found for refs/heads/promote/shop/production.\n- Cannot create ref due to creations being restricted.", "a ruleset covers"},
		{"error: GH006: Protected branch update failed for refs/heads/promote/shop/production.", "branch protection covers"},
		{"remote: Permission to acme/shop.git denied to github-actions[bot].", "contents: write"},
		{"fatal: something that nobody knows", "a hook of the remote"},
	} {
		g := hooked(t, "echo '"+c.said+"' >&2\nexit 1\n")
		_, err := g.Append(t.Context(), "shop", "production", "", Entry{Seq: 1, Kind: Promote, Phase: Intent, Service: "shop", Environment: "production"})
		if failure.CodeOf(err) != failure.Service || !strings.Contains(failure.HintOf(err), c.hint) || !strings.Contains(err.Error(), strings.SplitN(c.said, "\n", 2)[0][:20]) {
			t.Errorf("%q: %v\nhint %q", c.said, err, failure.HintOf(err))
		}
	}
	for said, hint := range map[string]string{
		"fatal: unable to access 'https://github.com/acme/shop/': The requested URL returned error: 403": "contents: write",
		"fatal: could not read Username for 'https://github.com': terminal prompts disabled":             "github-token",
		"remote: Repository not found.": "is the remote right",
		"!\t4031f61f01ba4ee77c930ea42cd41454518e0401:refs/heads/promote/a/b\t[remote rejected] (pre-receive hook declined)": "a hook of the remote",
		"git@github.com: Permission denied (publickey).":                                                                    "deploy key",
	} {
		if got := refusalHint(said); !strings.Contains(got, hint) {
			t.Errorf("%q: %q", said, got)
		}
	}
}

// A push that fails for a passing reason is made again, and only then.
func TestPushIsRepeated(t *testing.T) {
	g := hooked(t, "n=$(cat count 2>/dev/null || echo 0); n=$((n+1)); echo $n > count; if [ $n -lt 3 ]; then echo 'error: RPC failed; HTTP 502' >&2; exit 1; fi\n")
	rec, err := g.Append(t.Context(), "shop", "production", "", Entry{Seq: 1, Kind: Promote, Phase: Intent, Service: "shop", Environment: "production"})
	if err != nil || rec.OID == "" {
		t.Fatalf("third time: %v", err)
	}
	head, ok, err := g.Head(t.Context(), "shop", "production")
	if err != nil || !ok || head.OID != rec.OID {
		t.Errorf("head %+v, %v, %v", head, ok, err)
	}
}
