package promote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	r.rep.Image, r.rep.Digest, r.rep.Seq = r.Image, r.Digest, r.head.Seq
	if !r.mine() && !r.Now().After(r.head.Claim.Expires) {
		return &refusal{fmt.Sprintf("the intent #%d belongs to %s", r.head.Seq, who(r.head.Claim)), "give its run: --run " + r.head.Claim.Run}
	}
	err := r.step("take back", func() (string, string, error) {
		detail, err := r.Target.Abort(ctx, r.release())
		return "done", detail, err
	})
	if err != nil {
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
	resumes := r.has && r.head.Phase == ledger.Intent && r.head.Kind == ledger.Rollback
	to := r.head.Last
	if resumes {
		to = &ledger.Good{Image: r.head.Image, Digest: r.head.Digest}
	}
	switch {
	case !r.has || r.head.Running.Digest == "":
		return &refusal{r.Environment + " has never run anything", ""}
	case to == nil || to.Digest == "":
		return &refusal{"there is no release before " + ledger.Short(r.head.Running.Digest) + " in " + r.Environment, "promote a good one instead"}
	case slices.Contains(r.head.Bad, to.Digest):
		return &refusal{"the release before was taken back itself: " + ledger.Short(to.Digest), "promote a good one instead"}
	}
	r.Image, r.Digest = to.Image, to.Digest
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

// afterRollback marks what was left as bad, and holds.
func (r *run) afterRollback(e *ledger.Entry) {
	left := r.head.Running.Digest
	if left != r.Digest && !slices.Contains(e.Bad, left) {
		e.Bad = append(e.Bad, left)
	}
	e.Last = nil // never back to what was just left, and what was before is not known to be good
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
	if r.has && r.head.Phase == ledger.Intent && !r.Now().After(r.head.Claim.Expires) {
		return &refusal{fmt.Sprintf("%s is moving %s (#%d)", who(r.head.Claim), r.Environment, r.head.Seq), "wait for it"}
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
