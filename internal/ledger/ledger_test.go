package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

func remote(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", dir).CombinedOutput(); err != nil {
		t.Fatalf("git: %v\n%s", err, out)
	}
	return dir
}

func open(t *testing.T, remote string) *ledger.Git {
	t.Helper()
	g, err := ledger.OpenGit(context.Background(), ledger.GitOptions{Remote: remote, Environ: append(os.Environ(), "GIT_DIR=/nowhere"),
		Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func entry(seq int, phase ledger.Phase) ledger.Entry {
	return ledger.Entry{Seq: seq, Kind: ledger.Promote, Phase: phase, Service: "web", Environment: "production", Digest: fmt.Sprintf("sha256:%064d", seq)}
}

func TestStores(t *testing.T) {
	for name, s := range map[string]ledger.Store{"git": open(t, remote(t)), "memory": &ledger.Memory{}} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			if _, ok, err := s.Head(ctx, "web", "production"); ok || err != nil {
				t.Fatalf("empty ledger: %v, %v", ok, err)
			}
			parent := ""
			for seq := 1; seq <= 3; seq++ {
				for _, phase := range []ledger.Phase{ledger.Intent, ledger.Done} {
					rec, err := s.Append(ctx, "web", "production", parent, entry(seq, phase))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := s.Append(ctx, "web", "production", parent, entry(seq, phase)); !errors.Is(err, ledger.ErrMoved) {
						// In git the same entry with the same parent is the same commit, written already.
						if now, _, _ := s.Head(ctx, "web", "production"); err != nil || now.OID != rec.OID {
							t.Errorf("second append on the same parent: %v", err)
						}
					}
					parent = rec.OID
				}
			}
			head, ok, err := s.Head(ctx, "web", "production")
			if err != nil || !ok || head.Seq != 3 || head.OID != parent {
				t.Errorf("head = %+v, %v, %v", head, ok, err)
			}
			log, err := s.Log(ctx, "web", "production", 0)
			if err != nil || len(log) != 6 || ledger.Verify(log) != nil {
				t.Errorf("log of %d, %v, %v", len(log), err, ledger.Verify(log))
			}
			if envs, err := s.Environments(ctx, "web"); err != nil || len(envs) != 1 || envs[0] != "production" {
				t.Errorf("environments %v, %v", envs, err)
			}
			if _, _, err := s.Head(ctx, "web", "staging"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRaces has two writers race for the same parent; exactly one may win.
func TestRaces(t *testing.T) {
	r := remote(t)
	a, b := open(t, r), open(t, r)
	ctx := context.Background()
	parent := ""
	rounds := 30
	for seq := 1; seq <= rounds; seq++ {
		var wg sync.WaitGroup
		var errs [2]error
		var recs [2]ledger.Record
		for i, g := range []*ledger.Git{a, b} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				e := entry(seq, ledger.Done)
				e.Claim.Key = fmt.Sprint(i)
				recs[i], errs[i] = g.Append(ctx, "web", "production", parent, e)
			}()
		}
		wg.Wait()
		won := -1
		for i, err := range errs {
			switch {
			case err == nil && won >= 0:
				t.Fatalf("round %d: both won", seq)
			case err == nil:
				won = i
			case !errors.Is(err, ledger.ErrMoved):
				t.Fatalf("round %d: %v", seq, err)
			}
		}
		if won < 0 {
			t.Fatalf("round %d: nobody won", seq)
		}
		parent = recs[won].OID
	}
	if log, err := a.Log(ctx, "web", "production", 0); err != nil || len(log) != rounds {
		t.Errorf("%d entries after %d races, %v", len(log), rounds, err)
	}
}

func TestTrouble(t *testing.T) {
	ctx := context.Background()
	g := open(t, filepath.Join(t.TempDir(), "none.git"))
	if _, _, err := g.Head(ctx, "web", "production"); failure.CodeOf(err) != failure.Service {
		t.Errorf("unreachable remote: %v", err)
	}
	if _, _, err := g.Head(ctx, "../x", "production"); failure.CodeOf(err) != failure.Usage {
		t.Errorf("bad name: %v", err)
	}
	r := remote(t)
	hook := filepath.Join(r, "hooks", "pre-receive")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho protected by ruleset >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, r).Append(ctx, "web", "production", "", entry(1, ledger.Intent))
	if failure.CodeOf(err) != failure.Service || !strings.Contains(err.Error(), "protected by ruleset") || failure.HintOf(err) == "" {
		t.Errorf("refused push: %v (hint %q)", err, failure.HintOf(err))
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	good := []ledger.Record{{OID: "b", Entry: entry(1, ledger.Done)}, {OID: "a", Entry: entry(1, ledger.Intent)}}
	for i := range good {
		good[i].V = 1
	}
	if err := ledger.Verify(good); err != nil {
		t.Error(err)
	}
	gap := append([]ledger.Record{{OID: "c", Entry: entry(3, ledger.Done)}}, good...)
	gap[0].V = 1
	if err := ledger.Verify(gap); err == nil {
		t.Error("a gap passed")
	}
	if err := ledger.Verify(good[:1]); err != nil {
		t.Errorf("seq 1 alone: %v", err)
	}
}
