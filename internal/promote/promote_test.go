package promote_test

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
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
	"github.com/fairlead-ci/fairlead/internal/promote"
)

// world is a target, a registry and a ledger in memory, all of whose calls can
// be made to fail: before they do anything, or after (a lost answer).
type world struct {
	ledger.Memory
	mu              sync.Mutex
	stable, canary  string
	tags            map[string]string
	calls, failAt   int
	after           bool
	unhealthy, dead bool
}

var errInjected = errors.New("injected")

// call counts one external call and returns the error to inject, split in
// whether the call happens at all.
func (w *world) call(do func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.calls == w.failAt && !w.after {
		return errInjected
	}
	err := do()
	if w.calls == w.failAt {
		return errInjected
	}
	return err
}

func (w *world) Name() string { return "fake" }
func (w *world) Observe(context.Context, string, string) (o promote.Observation, err error) {
	err = w.call(func() error {
		if w.dead {
			return errors.New("no route to host")
		}
		o = promote.Observation{Digest: w.stable, Canary: w.canary, URL: "http://stable", CanaryURL: "http://canary"}
		return nil
	})
	return o, err
}
func (w *world) Apply(_ context.Context, r promote.Release) (string, error) {
	return "applied", w.call(func() error {
		if w.dead || w.unhealthy {
			return errors.New("never healthy")
		}
		w.stable, w.canary = r.Digest, ""
		return nil
	})
}
func (w *world) Canary(_ context.Context, r promote.Release) (string, error) {
	return "started", w.call(func() error { w.canary = r.Digest; return nil })
}
func (w *world) Abort(_ context.Context, r promote.Release) (string, error) {
	return "gone", w.call(func() error {
		if w.dead {
			return errors.New("no route to host")
		}
		w.stable, w.canary = r.Previous, ""
		return nil
	})
}
func (w *world) Exists(context.Context, string) (ok bool, err error) {
	return true, w.call(func() error { return nil })
}
func (w *world) Tag(_ context.Context, ref, tag string) error {
	return w.call(func() error {
		if w.tags == nil {
			w.tags = map[string]string{}
		}
		w.tags[tag] = ref
		return nil
	})
}
func (w *world) Head(ctx context.Context, s, e string) (r ledger.Record, ok bool, err error) {
	err = w.call(func() error { r, ok, err = w.Memory.Head(ctx, s, e); return err })
	return r, ok, err
}
func (w *world) Append(ctx context.Context, s, e, parent string, en ledger.Entry) (r ledger.Record, err error) {
	err = w.call(func() error { r, err = w.Memory.Append(ctx, s, e, parent, en); return err })
	return r, err
}

func digest(n int) string { return fmt.Sprintf("sha256:%064d", n) }

func request(a promote.Action, n int, run string) promote.Request {
	return promote.Request{Action: a, Service: "web", Environment: "production", Image: "registry.example/web", Digest: digest(n), Run: run, Actor: "ann"}
}

func (w *world) run(t *testing.T, r promote.Request) (*promote.Report, error) {
	t.Helper()
	return promote.Run(context.Background(), r, promote.Deps{Ledger: w, Registry: w, Target: w, Now: time.Now})
}

func (w *world) pass(t *testing.T, r promote.Request) *promote.Report {
	t.Helper()
	rep, err := w.run(t, r)
	if err != nil || rep.Verdict != finding.Pass {
		t.Fatalf("%s: %v, refused %q", r.Action, err, rep.Refused)
	}
	return rep
}

// state is the end that a story must reach, however often it was interrupted.
func (w *world) state(t *testing.T) string {
	t.Helper()
	head, _, err := w.Memory.Head(context.Background(), "web", "production")
	if err != nil {
		t.Fatal(err)
	}
	log, err := w.Memory.Log(context.Background(), "web", "production", 0)
	if err != nil || ledger.Verify(log) != nil {
		t.Errorf("ledger: %v, %v", err, ledger.Verify(log))
	}
	return fmt.Sprintf("runs %.9s canary %q ledger %s %.9s tag %s", w.stable[len("sha256:")+55:], w.canary, head.Phase, head.Running.Digest[len("sha256:")+55:],
		strings.TrimLeft(strings.TrimPrefix(w.tags["production"], "registry.example/web@sha256:"), "0"))
}

// TestKillPoints interrupts a promotion through a canary at every external call
// in turn, before and after its effect, and runs the whole story again.
func TestKillPoints(t *testing.T) {
	story := func(t *testing.T, w *world) error {
		for _, a := range []promote.Action{promote.ActionCanary, promote.ActionPromote} {
			rep, err := w.run(t, request(a, 2, "run-2"))
			if err != nil {
				return err
			}
			if rep.Verdict != finding.Pass {
				return fmt.Errorf("%s refused: %s", a, rep.Refused)
			}
		}
		return nil
	}
	start := func(t *testing.T) *world {
		w := &world{}
		w.pass(t, request(promote.ActionPromote, 1, "run-1"))
		w.calls = 0
		return w
	}
	w := start(t)
	if err := story(t, w); err != nil {
		t.Fatal(err)
	}
	want, calls := w.state(t), w.calls
	if !strings.Contains(want, "runs 000000002") || calls < 15 {
		t.Fatalf("%d calls end in %q", calls, want)
	}
	for at := 1; at <= calls; at++ {
		for _, after := range []bool{false, true} {
			w := start(t)
			w.failAt, w.after = at, after
			first := story(t, w)
			w.failAt = 0
			// The target failed for good as far as the run could tell: then the
			// release was taken back, and trying again is a new promotion.
			if err := story(t, w); err != nil {
				t.Errorf("call %d (after %v) failed with %v; again: %v", at, after, first, err)
				continue
			}
			if got := w.state(t); got != want {
				t.Errorf("call %d (after %v): %q, want %q", at, after, got, want)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	w := &world{}
	if rep := w.pass(t, request(promote.ActionCanary, 1, "r1")); !rep.First || rep.Previous != "" || w.canary != "" {
		t.Errorf("canary on an empty ledger: %+v", rep)
	}
	if rep := w.pass(t, request(promote.ActionPromote, 1, "r1")); !rep.First || rep.Previous != "" || rep.Seq != 1 {
		t.Errorf("first release: %+v", rep)
	}
	w.pass(t, request(promote.ActionCanary, 2, "r2"))
	refused := func(r promote.Request, want string) {
		t.Helper()
		before := w.state(t)
		rep, err := w.run(t, r)
		if err != nil || rep.Verdict != finding.Fail || !strings.Contains(rep.Refused, want) || rep.Hint == "" {
			t.Errorf("refused %q (hint %q), %v; want %q", rep.Refused, rep.Hint, err, want)
		}
		if after := w.state(t); after != before {
			t.Errorf("a refusal changed %q to %q", before, after)
		}
	}
	refused(request(promote.ActionPromote, 3, "r3"), "ann, run r2 is moving")
	refused(request(promote.ActionPromote, 2, ""), "ann, run r2 is moving") // an anonymous run is not r2
	refused(request(promote.ActionAbort, 2, "r9"), "belongs to ann, run r2")
	bad := request(promote.ActionAbort, 2, "r2")
	bad.Bad = true
	w.pass(t, bad)
	if w.stable != digest(1) || w.canary != "" {
		t.Errorf("after the abort: %s", w.state(t))
	}
	refused(request(promote.ActionPromote, 2, "r4"), "taken back from production before")
	w.pass(t, request(promote.ActionPromote, 3, "r5"))
	refused(request(promote.ActionPromote, 1, "r1"), "ran here as #1 and was replaced")
	from := request(promote.ActionPromote, 4, "r6")
	from.From = "staging"
	refused(from, "staging runs nothing")
	if _, err := w.run(t, promote.Request{Action: promote.ActionPromote, Service: "web", Environment: "production", Image: "x", Digest: "latest"}); failure.CodeOf(err) != failure.Usage {
		t.Errorf("tag: %v", err)
	}
}

func TestRollback(t *testing.T) {
	w := &world{}
	for n := 1; n <= 3; n++ {
		w.pass(t, request(promote.ActionPromote, n, fmt.Sprint("r", n)))
	}
	back := request(promote.ActionRollback, 0, "r4")
	back.Digest = ""
	for range 2 { // safe to repeat
		if rep := w.pass(t, back); rep.Digest != digest(2) || w.stable != digest(2) {
			t.Fatalf("rolled back to %s, runs %s", rep.Digest, w.stable)
		}
	}
	if rep, err := w.run(t, request(promote.ActionPromote, 4, "r5")); err != nil || !strings.Contains(rep.Refused, "held by ann") {
		t.Errorf("automation after a rollback: %q, %v", rep.Refused, err)
	}
	back.Run = "r6"
	if w.pass(t, back); w.stable != digest(1) {
		t.Errorf("second rollback: runs %s", w.stable)
	}
	back.Run = "r7"
	if rep, err := w.run(t, back); err != nil || !strings.Contains(rep.Refused, "no good release before") {
		t.Errorf("third rollback: %q, %v", rep.Refused, err)
	}
	unhold := request(promote.ActionUnhold, 0, "r8")
	unhold.Reason = "fixed"
	w.pass(t, unhold)
	w.pass(t, request(promote.ActionPromote, 5, "r9"))
}

// TestLeftBehind: the intent of a run that was cancelled is taken over as soon as
// somebody knows that the run has ended; one that ended well left a canary on
// purpose, and one of which nothing is known keeps its time.
func TestLeftBehind(t *testing.T) {
	for how, free := range map[string]bool{"cancelled": true, "failure": true, "success": false, "": false, "forbidden": false} {
		w := &world{}
		w.pass(t, request(promote.ActionPromote, 1, "r1"))
		w.pass(t, request(promote.ActionCanary, 2, "r2"))
		var asked []string
		d := promote.Deps{Ledger: w, Registry: w, Target: w, Now: time.Now, Ended: func(_ context.Context, run string) (string, error) {
			asked = append(asked, run)
			if how == "forbidden" {
				return "", errors.New("this token may not")
			}
			return how, nil
		}}
		rep, err := promote.Run(context.Background(), request(promote.ActionPromote, 3, "r3"), d)
		if err != nil || (rep.Verdict == finding.Pass) != free || len(asked) != 1 || asked[0] != "r2" {
			t.Errorf("%q: %v, %+v, asked for %q", how, err, rep, asked)
		}
		if free && (w.stable != digest(3) || w.canary != "" || rep.Seq != 3) {
			t.Errorf("%q: %s, ledger #%d", how, w.state(t), rep.Seq)
		}
		if !free && !strings.Contains(rep.Hint, "--to production --abort --run r2") {
			t.Errorf("%q: no way out: %q", how, rep.Hint)
		}
		if notes := strings.Join(rep.Notes, " "); (how == "forbidden") != strings.Contains(notes, "whether run r2 has ended is not known: this token may not") {
			t.Errorf("%q: notes %q", how, notes)
		}
		// Rollback, hold and abort look at the same.
		back := &world{}
		back.pass(t, request(promote.ActionPromote, 1, "r1"))
		back.pass(t, request(promote.ActionCanary, 2, "r2"))
		d.Ledger, d.Registry, d.Target = back, back, back
		hold := request(promote.ActionHold, 0, "r4")
		hold.Reason = "because"
		for _, r := range []promote.Request{request(promote.ActionAbort, 2, "r4"), hold} {
			if rep, err := promote.Run(context.Background(), r, d); err != nil || (rep.Verdict == finding.Pass) != free {
				t.Errorf("%q: %s: %v, %+v", how, r.Action, err, rep)
			}
		}
	}
}

func TestFailedRollout(t *testing.T) {
	w := &world{}
	w.pass(t, request(promote.ActionPromote, 1, "r1"))
	w.unhealthy = true
	rep, err := w.run(t, request(promote.ActionPromote, 2, "r2"))
	if failure.CodeOf(err) != failure.Answer || rep.Verdict != finding.Fail || w.stable != digest(1) {
		t.Errorf("unhealthy: %v, runs %s", err, w.stable)
	}
	if head, _, _ := w.Memory.Head(context.Background(), "web", "production"); head.Phase != ledger.Failed || head.Running.Digest != digest(1) {
		t.Errorf("ledger: %+v", head.Entry)
	}
	w.dead = true
	_, err = w.run(t, request(promote.ActionPromote, 3, "r3"))
	if failure.CodeOf(err) != failure.Service || !strings.Contains(failure.HintOf(err), "--abort --run r3") {
		t.Errorf("silent target: %v (hint %q)", err, failure.HintOf(err))
	}
	if head, _, _ := w.Memory.Head(context.Background(), "web", "production"); head.Phase != ledger.Intent {
		t.Errorf("the lock was given up although nobody knows what runs: %+v", head.Entry)
	}
	w.dead, w.unhealthy = false, false
	w.pass(t, request(promote.ActionPromote, 3, "r3"))
}

func TestDriftIsRepaired(t *testing.T) {
	w := &world{}
	w.pass(t, request(promote.ActionPromote, 1, "r1"))
	w.stable = digest(9)
	w.pass(t, request(promote.ActionPromote, 1, "r2"))
	if w.stable != digest(1) {
		t.Errorf("runs %s", w.stable)
	}
}

// TestRace has two promotions race on a real bare repository: one wins.
func TestRace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger.git")
	if out, err := exec.Command("git", "init", "-q", "--bare", dir).CombinedOutput(); err != nil {
		t.Fatalf("git: %v\n%s", err, out)
	}
	for round := range 5 {
		var wg sync.WaitGroup
		var won [2]bool
		var reps [2]*promote.Report
		for i := range won {
			wg.Add(1)
			go func() {
				defer wg.Done()
				g, err := ledger.OpenGit(context.Background(), ledger.GitOptions{Remote: dir, Environ: os.Environ()})
				if err != nil {
					t.Error(err)
					return
				}
				defer g.Close()
				w := &world{stable: "x"}
				r := request(promote.ActionCanary, 10*round+i+2, fmt.Sprint("r", round, i))
				if round == 0 {
					r.Action = promote.ActionPromote
				}
				rep, err := promote.Run(context.Background(), r, promote.Deps{Ledger: g, Target: w, Now: time.Now})
				if err != nil {
					t.Error(err)
					return
				}
				won[i], reps[i] = rep.Verdict == finding.Pass, rep
			}()
		}
		wg.Wait()
		if round == 0 {
			// The loser may come a moment later and promote after the winner: both
			// are then done, one after the other, which is no race.
			continue
		}
		if won[0] == won[1] {
			t.Fatalf("round %d: %v %q / %q", round, won, reps[0].Refused, reps[1].Refused)
		}
		g, err := ledger.OpenGit(context.Background(), ledger.GitOptions{Remote: dir, Environ: os.Environ()})
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		if won[1] {
			i = 1
		}
		head, _, err := g.Head(context.Background(), "web", "production")
		if err != nil {
			t.Fatal(err)
		}
		w := &world{stable: head.Running.Digest}
		if _, err := promote.Run(context.Background(), request(promote.ActionAbort, 10*round+i+2, fmt.Sprint("r", round, i)), promote.Deps{Ledger: g, Target: w, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		_ = g.Close()
	}
}
