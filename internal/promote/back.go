package promote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// abort gives an intent up: the canary, or the half-done promotion, goes, what
// ran before keeps running, and the ledger says why.
func (r *run) abort(ctx context.Context) error {
	if !r.has || r.head.Phase != ledger.Intent {
		r.rep.Seq = r.head.Seq
		r.rep.Steps = append(r.rep.Steps, Step{Name: "take back", State: "skipped", Detail: "nothing is under way"})
		return nil
	}
	if r.Digest != "" && r.Digest != r.head.Digest {
		return &refusal{fmt.Sprintf("%s is being moved to %s, not to %s", r.Environment, ledger.Short(r.head.Digest), ledger.Short(r.Digest)), "give up the one that is under way"}
	}
	r.Image, r.Digest = r.head.Image, r.head.Digest
	if r.head.Commit != "" {
		r.Commit = r.head.Commit
	}
	r.rep.Image, r.rep.Digest, r.rep.Seq = r.Image, r.Digest, r.head.Seq
	if !r.mine() && r.given(ctx) == "" {
		return &refusal{fmt.Sprintf("the intent #%d belongs to %s", r.head.Seq, who(r.head.Claim)), "give its run: --run " + r.head.Claim.Run}
	}
	if !r.mine() {
		// Its run may still be alive: take the lock over before touching anything.
		if err := r.claim(ctx, r.head.Kind, r.head.Canary); err != nil {
			return err
		}
	}
	if err := r.takeBack(ctx); err != nil {
		return failure.Wrap(failure.Service, "the environment stays locked; run this again when the target answers", err)
	}
	if err := r.fence(ctx); err != nil {
		return err
	}
	return r.step("ledger", func() (string, string, error) {
		e := r.next(r.head.Kind, ledger.Failed)
		if r.Bad && !slices.Contains(e.Bad, r.Digest) {
			e.Bad = append(e.Bad, r.Digest)
		}
		err := r.append(ctx, e)
		if errors.Is(err, ledger.ErrMoved) {
			return "failed", "", r.lost(ctx)
		}
		return "done", fmt.Sprintf("#%d refused; %s runs %s", r.head.Seq, r.Environment, ledger.Short(r.head.Running.Digest)), err
	})
}

// rollback returns to the previous good digest, which the head holds: one read,
// one write, no search. It then holds the environment, because automation would
// otherwise undo it.
func (r *run) rollback(ctx context.Context) error {
	if !r.has || r.head.Running.Digest == "" {
		return &refusal{r.Environment + " has never run anything", ""}
	}
	if held := r.head.Held; r.head.Kind == ledger.Rollback && r.head.Phase == ledger.Done && r.head.Claim.Run == r.Run && held != nil {
		r.Image, r.Digest = r.head.Running.Image, r.head.Running.Digest // this run did it already
		r.rep.Image, r.rep.Digest = r.Image, r.Digest
		_, err := r.settled(ctx)
		return err
	}
	to, err := r.good(ctx)
	if err != nil {
		return err
	}
	if to == nil {
		return &refusal{"there is no good release before " + ledger.Short(r.head.Running.Digest) + " in " + r.Environment, "promote a good one instead"}
	}
	r.Image, r.Digest, r.Order = to.Image, to.Digest, to.Order
	r.rep.Image, r.rep.Digest = r.Image, r.Digest
	if err := r.gates(ctx); err != nil {
		return err
	}
	if r.DryRun {
		r.rep.Steps = append(r.rep.Steps, Step{Name: "claim", State: "skipped", Detail: "dry run: would return to " + r.ref()})
		return nil
	}
	if err := r.claim(ctx, ledger.Rollback, false); err != nil {
		return err
	}
	return r.rollout(ctx, ledger.Rollback)
}

// good is what a rollback returns to: the newest release of the log that ended
// well, is not what runs, and was not taken back since. A rollback that was
// interrupted goes on to where it was going.
func (r *run) good(ctx context.Context) (*ledger.Good, error) {
	if r.head.Phase == ledger.Intent && r.head.Kind == ledger.Rollback {
		return &ledger.Good{Image: r.head.Image, Digest: r.head.Digest, Order: r.head.Order}, nil
	}
	log, err := r.Ledger.Log(ctx, r.Service, r.Environment, 0)
	if err != nil {
		return nil, err
	}
	for _, old := range log {
		g := old.Running
		if old.Phase == ledger.Done && g.Digest != "" && g.Digest != r.head.Running.Digest && !slices.Contains(r.head.Bad, g.Digest) {
			return &g, nil
		}
	}
	return nil, nil
}

// afterRollback marks what was left as bad, and holds.
func (r *run) afterRollback(e *ledger.Entry) {
	left := r.head.Running.Digest
	if left != r.Digest && !slices.Contains(e.Bad, left) {
		e.Bad = append(e.Bad, left)
	}
	e.Last = nil // what was just left is bad; the next one is found in the log
	reason := "rolled back from " + ledger.Short(left)
	if r.Reason != "" {
		reason += ": " + r.Reason
	}
	e.Held = &ledger.HoldBy{By: orUnknown(r.Actor), Reason: reason, Since: r.Now().UTC()}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// hold and unhold are entries of the same chain.
func (r *run) hold(ctx context.Context) error {
	if strings.TrimSpace(r.Reason) == "" {
		return &refusal{"a hold and its end need a reason", "--reason \"…\""}
	}
	if r.has && r.head.Phase == ledger.Intent && r.given(ctx) == "" {
		return &refusal{fmt.Sprintf("%s is moving %s (#%d)", who(r.head.Claim), r.Environment, r.head.Seq), "wait for it, or take it back: " + r.wayBack()}
	}
	kind, held := ledger.Hold, &ledger.HoldBy{By: orUnknown(r.Actor), Reason: r.Reason, Since: r.Now().UTC()}
	if r.Action == ActionUnhold {
		kind, held = ledger.Unhold, nil
	}
	r.Image, r.Digest = r.head.Running.Image, r.head.Running.Digest
	r.rep.Image, r.rep.Digest, r.rep.First = r.Image, r.Digest, false
	return r.step("ledger", func() (string, string, error) {
		e := r.next(kind, ledger.Done)
		e.Seq, e.Held, e.Claim = r.head.Seq+1, held, ledger.Claim{Run: r.Run, Actor: r.Actor}
		err := r.append(ctx, e)
		if errors.Is(err, ledger.ErrMoved) {
			return "failed", "", r.lost(ctx)
		}
		return "done", fmt.Sprintf("#%d %s", r.head.Seq, kind), err
	})
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if len(line) > 500 {
		line = line[:500]
	}
	return finding.Printable(line)
}
