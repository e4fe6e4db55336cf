package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/canary"
	"github.com/fairlead-ci/fairlead/internal/disk"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/promote/target"
)

// canaryHooks are the user's programs that the gate runs.
type canaryHooks struct {
	step, fail *target.Command
	// given is the share that the canary was given last, in percent.
	given float64
}

func (c *canaryGateCmd) hooks(s *session) (*canaryHooks, error) {
	h := &canaryHooks{}
	for _, x := range []struct {
		flag, text string
		to         **target.Command
	}{{"step-hook", c.StepHook, &h.step}, {"on-fail", c.OnFail, &h.fail}} {
		argv, err := words(x.flag, x.text)
		if err != nil {
			return nil, err
		}
		if len(argv) > 0 {
			*x.to = &target.Command{Argv: argv, Environ: os.Environ(), Timeout: c.HookLimit, Output: s.Stderr}
		}
	}
	return h, nil
}

// advance gives the canary a share of the traffic.
func (h *canaryHooks) advance(ctx context.Context, share float64) error {
	if h.step == nil {
		return nil
	}
	h.given = share * 100 // a hook that fails may have done it
	return h.step.Do(ctx, []string{"FAIRLEAD_WEIGHT=" + strconv.FormatFloat(share*100, 'f', -1, 64)})
}

// after runs what is to be run after a fail: first the traffic is taken away from
// the canary, then whatever else was asked for. The report says what was done,
// and what is not.
func (h *canaryHooks) after(ctx context.Context, rep *canary.Report) error {
	if rep.Verdict == finding.Inconclusive && h.step != nil && h.given > 0 {
		rep.Next = append(rep.Next, fmt.Sprintf("the canary keeps its %v %% of the traffic; to take it away: FAIRLEAD_WEIGHT=0 %s", h.given, strings.Join(h.step.Argv, " ")))
	}
	if rep.Verdict != finding.Fail {
		return nil
	}
	if h.step == nil && h.fail == nil {
		rep.Next = append(rep.Next, "nothing was undone: take the traffic away from the canary, or roll back (fairlead rollback --env ENVIRONMENT); --on-fail does it at once")
		if rep.Plan.Bake {
			rep.Next = []string{"nothing was undone: roll back (fairlead rollback --env ENVIRONMENT); --on-fail does it at once"}
		}
		return nil
	}
	env := []string{"FAIRLEAD_VERDICT=" + string(rep.Verdict), "FAIRLEAD_REASON=" + finding.Printable(rep.Reason)}
	var err error
	if h.step != nil {
		if serr := h.step.Do(ctx, append(env, "FAIRLEAD_WEIGHT=0")); serr != nil {
			err = failure.New(failure.Service, "the canary may still get traffic: take it away by hand", "--step-hook after a fail: %w", serr)
		} else {
			rep.Done = append(rep.Done, "the canary gets no traffic any more: --step-hook was run with weight 0")
		}
	}
	if h.fail != nil {
		if ferr := h.fail.Do(ctx, env); ferr != nil {
			err = errors.Join(err, failure.New(failure.Service, "what it was to undo may still be there", "--on-fail: %w", ferr))
		} else {
			rep.Done = append(rep.Done, "--on-fail was run: "+strings.Join(h.fail.Argv, " "))
		}
	}
	return err
}

// canaryState is the file that a run can be resumed from.
type canaryState struct{ path, key string }

func (c *canaryGateCmd) state(s *session) canaryState {
	key := c.StateKey
	if key == "" {
		key = strings.TrimPrefix(s.Getenv("GITHUB_REPOSITORY")+"/"+s.Getenv("GITHUB_RUN_ID"), "/")
	}
	// Who is compared belongs to the key, too.
	key += "\n" + strings.Join(c.Baseline, " ") + "\n" + strings.Join(c.Canary, " ") + "\n" + c.Prometheus + " " + c.BaselineLabels + " " + c.CanaryLabels + " " + c.Labels
	return canaryState{path: c.State, key: key}
}

// maxState bounds what is read.
const maxState = 256 << 20

// load returns what an earlier process knew, or nil.
func (f canaryState) load(s *session) (*canary.Saved, error) {
	if f.path == "" {
		return nil, nil
	}
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, failure.New(failure.Usage, "", "--state: %w", err)
	}
	if info.Size() > maxState {
		return nil, failure.New(failure.Usage, "delete it to begin anew", "--state %s: %d bytes are no state", f.path, info.Size())
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return nil, failure.New(failure.Usage, "", "--state: %w", err)
	}
	var saved canary.Saved
	if err := json.Unmarshal(data, &saved); err != nil {
		return nil, failure.New(failure.Usage, "delete it to begin anew", "--state %s: %w", f.path, err)
	}
	if saved.Key != f.key {
		s.logf("canary-gate: --state %s is about another run or canary: this one begins anew", f.path)
		return nil, nil
	}
	return &saved, nil
}

// save writes the file so that it is whole at every moment.
func (f canaryState) save() func(canary.Saved) error {
	if f.path == "" {
		return nil
	}
	return func(s canary.Saved) error {
		s.Key = f.key
		data, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("writing state: %w", err)
		}
		if err := disk.Replace(f.path, 0, disk.Bytes(data)); err != nil {
			return fmt.Errorf("--state: %w", err)
		}
		return nil
	}
}

// done takes the file away: the next run is about the next canary.
func (f canaryState) done() {
	if f.path != "" {
		_ = os.Remove(f.path)
	}
}
