package promote

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// gate records a condition; a condition that does not hold refuses at the end,
// so that a person sees all of them at once.
func (r *run) gate(name string, ok bool, evidence, hint string) {
	verdict := "ok"
	if !ok {
		verdict = "refused"
		if r.rep.Refused == "" {
			r.rep.Refused, r.rep.Hint = name+": "+evidence, hint
		}
	}
	r.rep.Gates = append(r.rep.Gates, ledger.Gate{Name: name, Verdict: verdict, Evidence: evidence})
}

func (r *run) refused() error {
	if r.rep.Refused == "" {
		return nil
	}
	return &refusal{r.rep.Refused, r.rep.Hint}
}

// gates reads the conditions of a promotion.
func (r *run) gates(ctx context.Context) error {
	if r.Registry != nil {
		ok, err := r.Registry.Exists(ctx, r.ref())
		if err != nil {
			return fmt.Errorf("looking for the image: %w", err)
		}
		r.gate("image", ok, evidence(ok, "the registry has this digest", "the registry does not have "+r.ref()), "build and push it first: fairlead build-image --push")
	}
	r.gateLock(ctx)
	if held := r.head.Held; held != nil && !r.AllowHeld && r.Action != ActionRollback {
		r.gate("hold", false, fmt.Sprintf("%s is held by %s since %s: %s", r.Environment, held.By, held.Since.UTC().Format("2006-01-02 15:04Z"), held.Reason),
			"fairlead unhold --env "+r.Environment+" --reason …")
	} else {
		r.gate("hold", true, "not held", "")
	}
	if r.Action != ActionRollback {
		bad := slices.Contains(r.head.Bad, r.Digest)
		r.gate("not bad", !bad, evidence(!bad, "never taken back here", "this digest was taken back from "+r.Environment+" before"), "fix the release and build a new one; a bad digest is not promoted again")
	}
	if err := r.order(ctx); err != nil {
		return err
	}
	if r.From == "" || r.Action == ActionRollback {
		return r.refused()
	}
	src, ok, err := r.Ledger.Head(ctx, r.Service, r.From)
	if err != nil {
		return err
	}
	runs := ok && src.Running.Digest == r.Digest && src.Phase != ledger.Intent
	what := "nothing"
	if ok {
		what = ledger.Short(src.Running.Digest)
	}
	r.gate(r.From, runs, evidence(runs, fmt.Sprintf("runs this digest since ledger #%d", src.Seq), fmt.Sprintf("%s runs %s, not %s", r.From, what, ledger.Short(r.Digest))),
		"promote it to "+r.From+" first")
	return r.refused()
}

// order refuses a digest that ran here before and was replaced: an older build
// that finishes last, or a job that is run again, must not undo a newer one.
func (r *run) order(ctx context.Context) error {
	if r.Action == ActionRollback || !r.has || r.head.Running.Digest == r.Digest || r.AllowOlder {
		return nil
	}
	if newer := r.head.Running.Order; r.Order > 0 && newer > r.Order {
		r.gate("order", false, fmt.Sprintf("%s runs build %d, which is newer than this one, %d", r.Environment, newer, r.Order), "nothing needs to be done; to go back: rollback, or --allow-older")
		return nil
	}
	log, err := r.Ledger.Log(ctx, r.Service, r.Environment, 0)
	if err != nil {
		return err
	}
	for _, old := range log {
		if old.Phase == ledger.Done && old.Running.Digest == r.Digest {
			r.gate("order", false, fmt.Sprintf("this digest ran here as #%d and was replaced", old.Running.Seq), "if it is wanted again: rollback, or --allow-older")
			return nil
		}
	}
	r.gate("order", true, "newer than what runs", "")
	return nil
}

func evidence(ok bool, yes, no string) string {
	if ok {
		return yes
	}
	return no
}

// gateLock refuses while somebody else's intent counts.
func (r *run) gateLock(ctx context.Context) {
	c := r.head.Claim
	switch {
	case !r.has || r.head.Phase != ledger.Intent || r.mine():
		r.gate("lock", true, "free", "")
	case r.given(ctx) != "":
		r.gate("lock", true, fmt.Sprintf("the intent #%d of %s %s and is taken over", r.head.Seq, who(c), r.given(ctx)), "")
	default:
		r.gate("lock", false, fmt.Sprintf("%s is moving %s to %s (#%d) until %s", who(c), ledger.Short(r.head.Digest), r.Environment, r.head.Seq, c.Expires.UTC().Format("15:04Z")),
			"wait for it, or if it was cancelled take it back: "+r.wayBack())
	}
}

// wayBack is the command that gives the head's intent up.
func (r *run) wayBack() string {
	return "fairlead promote " + r.head.Image + "@" + r.head.Digest + " --to " + r.Environment + " --abort --run " + r.head.Claim.Run
}

// given says why the head's intent counts no more: it has expired, or its run has
// ended without bringing it to an end. A run that went well left it on purpose: a
// canary that another one finishes. Where nobody knows of the run, the time
// decides. It is "" while the intent counts.
func (r *run) given(ctx context.Context) string {
	if r.lapsed == nil {
		why := ""
		if r.Now().After(r.head.Claim.Expires) {
			why = "has expired"
		} else if r.Ended != nil && r.head.Claim.Run != r.Run {
			how, err := r.Ended(ctx, r.head.Claim.Run)
			if err != nil {
				r.rep.Notes = append(r.rep.Notes, "whether run "+r.head.Claim.Run+" has ended is not known: "+err.Error())
			}
			if how != "" && how != "success" {
				why = "was left behind when its run ended (" + how + ")"
			}
		}
		r.lapsed = &why
	}
	return *r.lapsed
}

func (r *run) release() Release {
	return Release{Service: r.Service, Environment: r.Environment, Image: r.Image, Digest: r.Digest,
		Previous: r.head.Running.Digest, PreviousRepo: r.head.Running.Image, Seq: r.head.Seq,
		Rollback: r.head.Kind == ledger.Rollback}
}

// promote brings the digest into the environment, or starts it as canary.
func (r *run) promote(ctx context.Context) error {
	if err := r.gates(ctx); err != nil {
		return err
	}
	if r.Action == ActionCanary && r.rep.First {
		r.rep.Steps = append(r.rep.Steps, Step{Name: "canary", State: "skipped", Detail: "first release: nothing to compare with"})
		return nil
	}
	if r.DryRun {
		r.rep.Steps = append(r.rep.Steps, Step{Name: "claim", State: "skipped", Detail: "dry run: nothing is written and nothing is started"})
		return nil
	}
	if ok, err := r.settled(ctx); err != nil || ok {
		if err != nil {
			return err
		}
		return r.tags(ctx)
	}
	if err := r.claim(ctx, ledger.Promote, r.Action == ActionCanary); err != nil {
		return err
	}
	if r.Action == ActionCanary {
		return r.canary(ctx)
	}
	return r.rollout(ctx, ledger.Promote)
}

// settled says whether the ledger and the target agree that the digest runs.
// A target that drifted is brought back by an ordinary, locked promotion.
func (r *run) settled(ctx context.Context) (bool, error) {
	if !r.has || r.head.Phase == ledger.Intent || r.head.Running.Digest != r.Digest {
		return false, nil
	}
	r.rep.Seq = r.head.Running.Seq
	ok := false
	err := r.step("observe", func() (string, string, error) {
		obs, err := r.Target.Observe(ctx, r.Service, r.Environment)
		if err != nil {
			return "", "", err
		}
		r.rep.URLs.Stable = obs.URL
		if ok = obs.Digest == r.Digest || obs.Digest == "unknown"; ok {
			return "skipped", fmt.Sprintf("already there since ledger #%d", r.rep.Seq), nil
		}
		return "done", "it had drifted: it runs " + ledger.Short(obs.Digest), nil
	})
	return ok, err
}

// canary starts the release beside the running one. The intent stays the head.
func (r *run) canary(ctx context.Context) error {
	err := r.step("canary", func() (string, string, error) {
		if err := r.fence(ctx); err != nil {
			return "", "", err
		}
		detail, err := r.Target.Canary(ctx, r.release())
		return "done", detail, err
	})
	if err != nil {
		return r.failed(ctx, ledger.Promote, err)
	}
	obs, err := r.Target.Observe(ctx, r.Service, r.Environment)
	if err != nil {
		return err
	}
	r.rep.URLs = URLs{Stable: obs.URL, Baseline: obs.URL, Canary: obs.CanaryURL}
	return nil
}

// rollout applies the claimed release and ends the entry.
func (r *run) rollout(ctx context.Context, kind ledger.Kind) error {
	err := r.step("roll out", func() (string, string, error) {
		if err := r.fence(ctx); err != nil {
			return "", "", err
		}
		detail, err := r.Target.Apply(ctx, r.release())
		if err != nil {
			return "", "", err
		}
		return "done", detail, r.fence(ctx)
	})
	var no *refusal
	if errors.As(err, &no) {
		return err
	}
	if err != nil {
		return r.failed(ctx, kind, err)
	}
	if err := r.observe(ctx); err != nil {
		return r.failed(ctx, kind, err)
	}
	err = r.step("ledger", func() (string, string, error) {
		e := r.next(kind, ledger.Done)
		if r.head.Running.Digest != "" && r.head.Running.Digest != r.Digest {
			last := r.head.Running
			e.Last = &last
		}
		e.Running = ledger.Good{Image: r.Image, Digest: r.Digest, Seq: r.head.Seq, Order: r.Order}
		if kind == ledger.Rollback {
			r.afterRollback(&e)
		}
		err := r.append(ctx, e)
		if errors.Is(err, ledger.ErrMoved) {
			return "failed", "", r.lost(ctx)
		}
		return "done", fmt.Sprintf("#%d %s", r.head.Seq, kind), err
	})
	if err != nil {
		return err
	}
	return r.tags(ctx)
}

func (r *run) observe(ctx context.Context) error {
	return r.step("observe", func() (string, string, error) {
		obs, err := r.Target.Observe(ctx, r.Service, r.Environment)
		if err != nil {
			return "", "", err
		}
		r.rep.URLs.Stable = obs.URL
		if obs.Digest == "unknown" {
			return "skipped", "this target cannot be observed", nil
		}
		if obs.Digest != r.Digest {
			return "", "", fmt.Errorf("the target runs %s after the rollout", ledger.Short(obs.Digest))
		}
		return "done", "runs " + ledger.Short(obs.Digest), nil
	})
}

// tags moves the environment's tag and sets the pin that keeps the digest from
// being collected: projections, made anew from the ledger whenever wanted.
func (r *run) tags(ctx context.Context) error {
	if r.Registry == nil {
		return nil
	}
	return r.step("tag", func() (string, string, error) {
		pin := fmt.Sprintf("%s-%d", r.Environment, r.head.Running.Seq)
		for _, tag := range []string{pin, r.Environment} {
			if err := r.Registry.Tag(ctx, r.ref(), tag); err != nil {
				return "", "", failure.New(failure.Service, "the release runs and the ledger says so; run again to move the tags, or --no-tags", "moving tag %s: %w", tag, err)
			}
		}
		return "done", r.Environment + " and " + pin, nil
	})
}

// takeBack removes what was started and looks whether what ran before runs.
func (r *run) takeBack(ctx context.Context) error {
	return r.step("take back", func() (string, string, error) {
		detail, err := r.Target.Abort(ctx, r.release())
		if err != nil {
			return "", "", err
		}
		obs, err := r.Target.Observe(ctx, r.Service, r.Environment)
		if err != nil {
			return "", "", err
		}
		if obs.Digest != r.head.Running.Digest && obs.Digest != "unknown" {
			return "", "", fmt.Errorf("the target runs %s, not %s", ledger.Short(obs.Digest), ledger.Short(r.head.Running.Digest))
		}
		return "done", detail, nil
	})
}

// failed takes a release that did not come up back, and says so in the ledger.
// The cause is what is returned.
func (r *run) failed(ctx context.Context, kind ledger.Kind, cause error) error {
	if ctx.Err() != nil {
		// Cancelled: the intent stays, and a repeat or an abort settles it.
		return failure.New(failure.Answer, "run it again with --run "+r.Run+" to finish it (inside Actions: re-run the job), or take it back: "+r.wayBack(),
			"%w; until %s the intent #%d keeps others from moving %s", ctx.Err(), r.head.Claim.Expires.UTC().Format("15:04Z"), r.head.Seq, r.Environment)
	}
	back := r.takeBack(ctx)
	if back != nil {
		// Nobody knows what runs: the intent stays, so that nothing else is tried.
		return failure.New(failure.Service, "the environment stays locked; when the target answers again, run this again or give it up with --abort --run "+r.Run,
			"%w\nand it could not be taken back: %w", cause, back)
	}
	e := r.next(kind, ledger.Failed)
	e.Reason = firstLine(cause.Error())
	if err := r.append(ctx, e); err != nil && !errors.Is(err, ledger.ErrMoved) {
		return errors.Join(cause, err)
	}
	return failure.Wrap(failure.Answer, fmt.Sprintf("%s still runs %s", r.Environment, ledger.Short(r.head.Running.Digest)), cause)
}
