// Package ledger is the append-only record of what runs where: one branch per
// service and environment in a git remote, one commit per entry, moved only by
// compare-and-swap. Its head is state, lock, audit trail and rollback pointer at
// once, so there is no second thing that could disagree with it.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Kind says what an entry does.
type Kind string

// The kinds of entries.
const (
	Promote  Kind = "promote"
	Rollback Kind = "rollback"
	Hold     Kind = "hold"
	Unhold   Kind = "unhold"
	Abort    Kind = "abort"
)

// Phase says how far an entry is. An intent at the head is the lock.
type Phase string

// The phases.
const (
	Intent Phase = "intent"
	Done   Phase = "done"
	Failed Phase = "failed"
)

// Entry is one state of an environment, complete in itself.
type Entry struct {
	V           int    `json:"v"`
	Seq         int    `json:"seq"` // grows by one with every new claim; the fencing token
	Kind        Kind   `json:"kind"`
	Phase       Phase  `json:"phase"`
	Service     string `json:"service"`
	Environment string `json:"env"`
	// Image and Digest are what this entry is about. In a failed entry they are
	// what was tried; Running is what runs.
	Image  string `json:"image"`
	Digest string `json:"digest"`
	Commit string `json:"commit,omitempty"`
	Source string `json:"source,omitempty"` // the environment it was promoted from
	// Order is the place of the release among its builds, as its pipeline counts
	// them: an older build does not replace a newer one. 0: not told.
	Order   int       `json:"order,omitempty"`
	Claim   Claim     `json:"claim"`
	Running Good      `json:"running"`                 // what runs after this entry; empty before the first release
	Last    *Good     `json:"previous_good,omitempty"` // what a rollback returns to
	Bad     []string  `json:"bad,omitempty"`           // digests rolled back from or refused by a canary
	Held    *HoldBy   `json:"hold,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Canary  bool      `json:"canary,omitempty"` // an intent whose release runs beside the old one
	Gates   []Gate    `json:"gates,omitempty"`
	At      time.Time `json:"at"`
}

// Good is a release that ran well.
type Good struct {
	Image  string `json:"image,omitempty"`
	Digest string `json:"digest,omitempty"`
	Seq    int    `json:"seq,omitempty"`
	Order  int    `json:"order,omitempty"` // see Entry.Order
}

// Claim says who holds an intent, and until when the claim counts.
type Claim struct {
	Key     string    `json:"key"`
	Run     string    `json:"run,omitempty"`
	Actor   string    `json:"actor,omitempty"`
	Expires time.Time `json:"expires"`
}

// HoldBy says who stopped automatic promotions, and why.
type HoldBy struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// Gate is a condition that was read before a promotion, kept for the audit.
type Gate struct {
	Name     string `json:"name"`
	Verdict  string `json:"verdict"` // ok or refused
	Evidence string `json:"evidence"`
}

// Record is an entry with the commit that holds it.
type Record struct {
	OID string `json:"oid"`
	Entry
}

// ErrMoved says that the ledger's head is no longer the parent of an entry that
// was to be appended: somebody else was faster. Nothing was written.
var ErrMoved = errors.New("the ledger was moved by somebody else")

// Store keeps ledgers. Append succeeds for exactly one of several writers with
// the same parent; an empty parent means that the ledger must not exist yet.
type Store interface {
	Head(ctx context.Context, service, env string) (rec Record, ok bool, err error)
	Append(ctx context.Context, service, env, parent string, e Entry) (Record, error)
	// Log returns the newest entries first; limit 0 means all.
	Log(ctx context.Context, service, env string, limit int) ([]Record, error)
	Environments(ctx context.Context, service string) ([]string, error)
}

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// CheckName refuses service and environment names that would not be the same in
// a git ref, a container's name and a registry tag.
func CheckName(what, name string) error {
	if !namePattern.MatchString(name) || strings.Contains(name, "..") || strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, ".") {
		return fmt.Errorf("%s name %q is not valid: lower-case letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit, at most 63", what, name)
	}
	return nil
}

// Verify checks a complete log, newest first, for what a rewritten or damaged
// ledger would show: gaps in seq, an end without its intent, another service's
// entries.
func Verify(log []Record) error {
	for i := len(log) - 1; i >= 0; i-- {
		e := log[i].Entry
		if e.V != 1 {
			return fmt.Errorf("entry %s: format version %d is not 1", log[i].OID, e.V)
		}
		if i == len(log)-1 {
			if e.Seq != 1 {
				return fmt.Errorf("entry %s: the ledger begins with seq %d", log[i].OID, e.Seq)
			}
			continue
		}
		before := log[i+1].Entry
		if e.Service != before.Service || e.Environment != before.Environment {
			return fmt.Errorf("entry %s: belongs to %s/%s, the one before to %s/%s", log[i].OID, e.Service, e.Environment, before.Service, before.Environment)
		}
		ends := before.Phase == Intent && e.Phase != Intent && e.Seq == before.Seq
		marks := before.Phase == Intent && e.Phase == Intent && e.Seq == before.Seq && e.Claim.Key == before.Claim.Key
		if !ends && !marks && e.Seq != before.Seq+1 {
			return fmt.Errorf("entry %s: seq %d follows %d", log[i].OID, e.Seq, before.Seq)
		}
	}
	return nil
}
