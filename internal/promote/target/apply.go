package target

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/engine"
	"github.com/fairlead-ci/fairlead/internal/promote"
)

// Apply implements promote.Target.
func (c *Container) Apply(ctx context.Context, r promote.Release) (string, error) {
	all, err := c.list(ctx, r.Service, r.Environment)
	if err != nil {
		return "", err
	}
	if err := c.fenced(all, r); err != nil {
		return "", err
	}
	for _, k := range all {
		if k.role == roleRelease && k.Running && k.digest == r.Digest && k.seq == r.Seq && c.probe(ctx, &k.Container) == nil {
			// An earlier try came this far; what it may have left is removed.
			if c.Switch != nil {
				if err := c.Switch(ctx, r, c.upstream(k.Container)); err != nil {
					return "", fmt.Errorf("switching the traffic: %w", err)
				}
			}
			return "already runs", c.stop(ctx, all, func(o running) bool { return o.ID != k.ID })
		}
	}
	// Whatever carries our seq and did not get there is a dead try's.
	if err := c.stop(ctx, all, func(k running) bool { return k.role == roleTrial || k.role == roleRelease && k.seq == r.Seq }); err != nil {
		return "", err
	}
	if err := c.Engine.Pull(ctx, ref(r)); err != nil {
		return "", fmt.Errorf("pulling %s: %w", ref(r), err)
	}
	if c.Publish != nil && c.Switch == nil {
		return c.takeOver(ctx, r, all)
	}
	begin := time.Now()
	k, err := c.start(ctx, r, roleRelease, own())
	if err != nil {
		return "", err
	}
	detail := fmt.Sprintf("healthy after %.1f s at %s", time.Since(begin).Seconds(), c.url(k))
	if c.Switch != nil {
		if err := c.Switch(ctx, r, c.upstream(k)); err != nil {
			_ = c.Engine.Stop(context.WithoutCancel(ctx), k.ID, c.Grace)
			return "", fmt.Errorf("switching the traffic: %w", err)
		}
		if err := c.Sleep(ctx, c.Drain); err != nil {
			return "", err
		}
		detail += ", traffic switched"
	}
	return detail, c.stop(ctx, all, func(o running) bool { return o.ID != k.ID })
}

func (c *Container) upstream(k engine.Container) string {
	return strings.TrimPrefix(c.url(k), "http://")
}

// takeOver gives the stable address from the old release to the new one.
func (c *Container) takeOver(ctx context.Context, r promote.Release, all []running) (string, error) {
	begin := time.Now()
	proven := false // a canary of this digest has shown that it gets healthy
	for _, k := range all {
		proven = proven || k.role == roleCanary && k.Running && k.digest == r.Digest && c.probe(ctx, &k.Container) == nil
	}
	if !proven {
		trial, err := c.start(ctx, r, roleTrial, own())
		if err != nil {
			return "", err
		}
		if err := c.Engine.Stop(ctx, trial.ID, c.Grace); err != nil {
			return "", err
		}
	}
	ready := time.Since(begin)
	gap := time.Now()
	if err := c.stop(ctx, all, func(k running) bool { return k.role == roleRelease && k.seq != r.Seq }); err != nil {
		return "", err
	}
	k, err := c.start(ctx, r, roleRelease, *c.Publish)
	if err != nil {
		return "", errors.Join(err, c.restore(context.WithoutCancel(ctx), r))
	}
	detail := fmt.Sprintf("healthy after %.1f s at %s", ready.Seconds(), c.url(k))
	if r.Previous != "" {
		detail += fmt.Sprintf(", which was silent for %.1f s", time.Since(gap).Seconds())
	}
	return detail, c.stop(ctx, all, func(o running) bool { return o.role == roleCanary })
}

// restore starts what ran before on the stable address again. It carries its
// predecessor's number plus nothing: a later promotion has a higher one.
func (c *Container) restore(ctx context.Context, r promote.Release) error {
	if r.Previous == "" {
		return nil
	}
	old := r
	old.Image, old.Digest, old.Previous, old.Rollback = r.PreviousRepo, r.Previous, "", true
	if _, err := c.start(ctx, old, roleRelease, *c.Publish); err != nil {
		return fmt.Errorf("the old release could not be started again either: %w", err)
	}
	return nil
}

// Abort implements promote.Target: what was started for the release goes, and
// what ran before is running.
func (c *Container) Abort(ctx context.Context, r promote.Release) (string, error) {
	all, err := c.list(ctx, r.Service, r.Environment)
	if err != nil {
		return "", err
	}
	for _, k := range all {
		if k.seq > r.Seq {
			return "a newer run is at work; nothing was touched", nil
		}
	}
	err = c.stop(ctx, all, func(k running) bool {
		return k.role != roleRelease || k.digest == r.Digest && r.Digest != r.Previous
	})
	if err != nil {
		return "", err
	}
	if r.Previous == "" {
		return "nothing ran before", nil
	}
	for _, k := range all {
		if k.role == roleRelease && k.Running && k.digest == r.Previous {
			if c.Switch != nil {
				err = c.Switch(ctx, promote.Release{Service: r.Service, Environment: r.Environment, Image: r.PreviousRepo, Digest: r.Previous, Seq: k.seq, Rollback: true}, c.upstream(k.Container))
			}
			return "the canary is gone; the release before never stopped", err
		}
	}
	// A crash between stop and start: bring the old release back.
	old := r
	old.Image, old.Digest, old.Previous, old.Rollback = r.PreviousRepo, r.Previous, "", true
	if err := c.Engine.Pull(ctx, ref(old)); err != nil {
		return "", fmt.Errorf("pulling %s: %w", ref(old), err)
	}
	p := own()
	if c.Publish != nil && c.Switch == nil {
		p = *c.Publish
	}
	k, err := c.start(ctx, old, roleRelease, p)
	if err != nil {
		return "", err
	}
	if c.Switch != nil {
		err = c.Switch(ctx, old, c.upstream(k))
	}
	return "the release before was started again", err
}
