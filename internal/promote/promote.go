// Package promote moves one digest into an environment, or back, and writes the
// ledger. Every step observes, applies where the observation is not as wanted,
// and observes again; there is no step counter. Killed anywhere and run again,
// it reaches the same end.
package promote

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// Action is what is asked for.
type Action string

// The actions.
const (
	ActionPromote  Action = "promote"
	ActionCanary   Action = "canary" // start beside the running release; a later promote or abort ends it
	ActionAbort    Action = "abort"  // take a canary, or a half-done promotion, back
	ActionRollback Action = "rollback"
	ActionHold     Action = "hold"
	ActionUnhold   Action = "unhold"
)

// Request says what is to run where.
type Request struct {
	Action      Action
	Service     string
	Environment string
	Image       string // repository
	Digest      string // sha256:…
	From        string // environment that must run this digest already; "" for none
	Commit      string
	Run         string // identifies the run across its jobs and re-runs; the claim belongs to it
	Actor       string
	Reason      string
	Bad         bool // abort: the release was judged bad
	AllowHeld   bool // a person promotes although the environment is held
	// Order is the build's place in its pipeline (a run number); 0: not told.
	Order      int
	AllowOlder bool // a person promotes a digest that ran here before and was replaced
	DryRun     bool
	ClaimFor   time.Duration // how long an intent counts; 0 means 2 h
}

// Release is what a target is asked to run.
type Release struct {
	Service, Environment   string
	Image, Digest          string
	Previous, PreviousRepo string // digest and repository that ran before, "" for the first release
	Seq                    int
	// Rollback says that the release ran here before and is returned to.
	Rollback bool
}

// Observation is what a target runs now.
type Observation struct {
	Digest string // "" for nothing
	URL    string
	// Canary is the digest that runs beside it, and its URL.
	Canary, CanaryURL string
}

// Target makes an environment run a digest. All methods are safe to repeat, and
// refuse a release with a lower Seq than the one that runs.
type Target interface {
	Name() string
	Observe(ctx context.Context, service, environment string) (Observation, error)
	// Apply makes the release the one that runs, and stops others.
	Apply(ctx context.Context, r Release) (detail string, err error)
	// Canary starts the release beside the running one.
	Canary(ctx context.Context, r Release) (detail string, err error)
	// Abort removes a canary; what ran before keeps running.
	Abort(ctx context.Context, r Release) (detail string, err error)
}

// Registry is what a promotion needs of the image's registry.
type Registry interface {
	Exists(ctx context.Context, ref string) (bool, error)
	Tag(ctx context.Context, ref, tag string) error
}

// Deps is the world a promotion works in.
type Deps struct {
	Ledger   ledger.Store
	Registry Registry // nil: tags are not moved, existence is not checked
	Target   Target   // nil for hold and unhold
	Recorder Recorder // nil: nothing is recorded beside the ledger
	// Ended says how a run ended ("cancelled"), "" for one that has not; an error
	// that it cannot be known. nil: nobody knows of runs.
	Ended func(ctx context.Context, run string) (how string, err error)
	Now   func() time.Time
	// Progress is told what begins; nil is fine.
	Progress func(step string)
}

// Step is one thing that was done.
type Step struct {
	Name    string  `json:"name"`
	State   string  `json:"state"` // done, skipped or failed
	Seconds float64 `json:"seconds"`
	Detail  string  `json:"detail"`
}

// URLs are where the releases answer, as far as the target knows.
type URLs struct {
	Stable   string `json:"stable,omitempty"`
	Baseline string `json:"baseline,omitempty"`
	Canary   string `json:"canary,omitempty"`
}

// Report is the promote document (design.md, "JSON documents").
type Report struct {
	Schema      int             `json:"schema"`
	Tool        string          `json:"tool"`
	Verdict     finding.Verdict `json:"verdict"`
	Action      Action          `json:"action"`
	Service     string          `json:"service"`
	Environment string          `json:"environment"`
	Image       string          `json:"image"`
	Digest      string          `json:"digest"`
	Previous    string          `json:"previous"`
	Seq         int             `json:"seq"`
	Run         string          `json:"run"`
	First       bool            `json:"first"`
	DryRun      bool            `json:"dry_run,omitempty"`
	URLs        URLs            `json:"urls"`
	Steps       []Step          `json:"steps"`
	Gates       []ledger.Gate   `json:"gates"`
	Refused     string          `json:"refused,omitempty"`
	Hint        string          `json:"hint,omitempty"`
	// Notes are what went wrong beside the promotion, each a sentence.
	Notes []string `json:"notes,omitempty"`
}

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// validate refuses what cannot be meant.
func (r Request) validate() error {
	err := errors.Join(ledger.CheckName("service", r.Service), ledger.CheckName("environment", r.Environment))
	if err != nil {
		return failure.Wrap(failure.Usage, "", err)
	}
	if (r.Action == ActionPromote || r.Action == ActionCanary) && !digestPattern.MatchString(r.Digest) {
		return failure.New(failure.Usage, "give REPOSITORY@sha256:…, as build-image prints it", "digest %q is not sha256: and 64 hex digits; a tag can move and is never promoted", r.Digest)
	}
	return nil
}

// run is one execution.
type run struct {
	Request
	Deps
	rep  *Report
	head ledger.Record
	has  bool
	// lapsed is why the head's intent counts no more, as far as it was asked.
	lapsed *string
}

// refusal is a "no" that changed nothing.
type refusal struct{ why, hint string }

func (r *refusal) Error() string { return r.why }

// Run does what the request asks and reports it. A refusal is a report with
// verdict fail and no error; an error means that something did not work, and the
// report says how far it came.
func Run(ctx context.Context, req Request, d Deps) (*Report, error) {
	if err := req.validate(); err != nil {
		return nil, err
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if req.ClaimFor == 0 {
		req.ClaimFor = 2 * time.Hour
	}
	if req.Run == "" {
		// Two anonymous runs must not take each other's intents up.
		var b [6]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, fmt.Errorf("making a run id: %w", err)
		}
		req.Run = "local-" + hex.EncodeToString(b[:])
	}
	r := &run{Request: req, Deps: d, rep: &Report{
		Schema: 1, Tool: "promote", Verdict: finding.Pass, Action: req.Action, Service: req.Service, Environment: req.Environment,
		Image: req.Image, Digest: req.Digest, Run: req.Run, DryRun: req.DryRun, Steps: []Step{}, Gates: []ledger.Gate{},
	}}
	err := r.do(ctx)
	var no *refusal
	if errors.As(err, &no) {
		r.rep.Verdict, r.rep.Refused, r.rep.Hint = finding.Fail, no.why, no.hint
		err = nil
	}
	if err != nil {
		r.rep.Verdict = finding.Fail
	}
	return r.rep, err
}

func (r *run) do(ctx context.Context) error {
	var err error
	if r.head, r.has, err = r.Ledger.Head(ctx, r.Service, r.Environment); err != nil {
		return err
	}
	r.rep.First = !r.has || r.head.Running.Digest == ""
	r.rep.Previous = r.head.Running.Digest
	switch r.Action {
	case ActionHold, ActionUnhold:
		return r.hold(ctx)
	case ActionAbort:
		return r.abort(ctx)
	case ActionRollback:
		return r.rollback(ctx)
	case ActionCanary, ActionPromote:
		return r.promote(ctx)
	}
	return failure.New(failure.Usage, "", "unknown action %q", r.Action)
}

// step times one step and records its outcome.
func (r *run) step(name string, f func() (state, detail string, err error)) error {
	if r.Progress != nil {
		r.Progress(name)
	}
	start := r.Now()
	state, detail, err := f()
	if err != nil {
		state = "failed"
		if detail == "" {
			detail = err.Error()
		}
	}
	r.rep.Steps = append(r.rep.Steps, Step{name, state, r.Now().Sub(start).Seconds(), detail})
	return err
}

func (r *run) ref() string { return r.Image + "@" + r.Digest }

// claimKey identifies this run's claim on this digest: the same run takes its
// own intent up again, in whatever job, and nobody else does.
func (r *run) claimKey() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%s", r.Service, r.Environment, r.Digest, r.Run))
	return hex.EncodeToString(h[:8])
}

func (r *run) mine() bool { return r.head.Claim.Key == r.claimKey() }

// next is the head's state as the base of a new entry.
func (r *run) next(kind ledger.Kind, phase ledger.Phase) ledger.Entry {
	e := r.head.Entry
	e.Kind, e.Phase, e.Service, e.Environment = kind, phase, r.Service, r.Environment
	e.Image, e.Digest, e.Commit, e.Source, e.Reason, e.Order = r.Image, r.Digest, r.Commit, r.From, r.Reason, r.Order
	e.Bad = slices.Clone(e.Bad)
	e.Gates, e.At, e.Canary = r.rep.Gates, r.Now().UTC(), false
	return e
}

// append writes an entry on top of the head that was read.
func (r *run) append(ctx context.Context, e ledger.Entry) error {
	rec, err := r.Ledger.Append(ctx, r.Service, r.Environment, r.head.OID, e)
	if errors.Is(err, ledger.ErrMoved) {
		return err
	}
	if err != nil {
		return fmt.Errorf("writing the ledger: %w", err)
	}
	r.head, r.has, r.rep.Seq, r.lapsed = rec, true, rec.Seq, nil
	r.record(ctx, rec.Entry)
	return nil
}

// claim makes the intent the ledger's head, which is the lock. An intent of our
// own is taken up; one that has expired is taken over with a new seq.
func (r *run) claim(ctx context.Context, kind ledger.Kind, canary bool) error {
	return r.step("claim", func() (string, string, error) {
		if r.has && r.head.Phase == ledger.Intent && r.mine() && r.head.Kind == kind {
			r.rep.Seq = r.head.Seq
			return "skipped", fmt.Sprintf("this run holds the intent #%d", r.head.Seq), nil
		}
		e := r.next(kind, ledger.Intent)
		e.Seq, e.Canary = r.head.Seq+1, canary
		e.Claim = ledger.Claim{Key: r.claimKey(), Run: r.Run, Actor: r.Actor, Expires: r.Now().Add(r.ClaimFor).UTC()}
		err := r.append(ctx, e)
		if errors.Is(err, ledger.ErrMoved) {
			return "failed", "somebody else was faster", r.lost(ctx)
		}
		return "done", fmt.Sprintf("ledger #%d", r.head.Seq), err
	})
}

// lost explains a lost race from what the ledger holds now.
func (r *run) lost(ctx context.Context) error {
	head, _, err := r.Ledger.Head(ctx, r.Service, r.Environment)
	if err != nil {
		return err
	}
	return &refusal{fmt.Sprintf("%s was moved by somebody else meanwhile: %s of %s (#%d, %s)", r.Environment, head.Kind, ledger.Short(head.Digest), head.Seq, who(head.Claim)),
		"nothing was changed by this run; look at `fairlead ledger log --env " + r.Environment + "` and run again if it is still wanted"}
}

func who(c ledger.Claim) string {
	switch {
	case c.Actor != "" && c.Run != "":
		return c.Actor + ", run " + c.Run
	case c.Run != "":
		return "run " + c.Run
	case c.Actor != "":
		return c.Actor
	}
	return "unknown"
}

// fence makes sure that the head is still our intent: a run that was overtaken
// while it slept must not touch the target.
func (r *run) fence(ctx context.Context) error {
	head, ok, err := r.Ledger.Head(ctx, r.Service, r.Environment)
	if err != nil {
		return err
	}
	if !ok || head.OID != r.head.OID {
		return &refusal{fmt.Sprintf("%s was taken over while this run worked (now #%d, %s)", r.Environment, head.Seq, who(head.Claim)), "this run stops; the other one brings the environment into its state"}
	}
	return nil
}
