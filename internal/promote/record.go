package promote

import (
	"context"
	"fmt"

	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// Record is the state of one promotion for records beside the ledger, which
// are projections of it.
type Record struct {
	// Key is the promotion's place in the ledger, "shop/production#12".
	Key         string
	Environment string
	Commit      string
	// State is in_progress, success, failure or inactive.
	State       string
	Description string
	URL         string
}

// Recorder shows promotions elsewhere, such as GitHub's deployments.
type Recorder interface {
	Record(ctx context.Context, r Record) error
}

// record shows an entry in the records beside the ledger. What goes wrong there
// is a note: the ledger is the truth, and the promotion goes on.
func (r *run) record(ctx context.Context, e ledger.Entry) {
	if r.Recorder == nil || e.Commit == "" || e.Kind == ledger.Hold || e.Kind == ledger.Unhold {
		return
	}
	rec := Record{Key: fmt.Sprintf("%s/%s#%d", e.Service, e.Environment, e.Seq), Environment: e.Environment, Commit: e.Commit, URL: r.rep.URLs.Stable}
	what := fmt.Sprintf("%s of %s, ledger #%d", e.Kind, ledger.Short(e.Digest), e.Seq)
	switch {
	case e.Phase == ledger.Intent && e.Canary:
		rec.State, rec.Description = "in_progress", "canary: "+what
	case e.Phase == ledger.Intent:
		rec.State, rec.Description = "in_progress", what
	case e.Phase == ledger.Done:
		rec.State, rec.Description = "success", what
	case r.Action == ActionAbort && !r.Bad:
		rec.State, rec.Description = "inactive", "taken back: "+what
	default:
		rec.State, rec.Description = "failure", what
		if e.Reason != "" {
			rec.Description += ": " + e.Reason
		}
	}
	if err := r.Recorder.Record(ctx, rec); err != nil {
		r.rep.Notes = append(r.rep.Notes, "the deployment's record is not up to date: "+err.Error())
	}
}
