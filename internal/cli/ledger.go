package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// ledgerCmd is the definition of ledger.
type ledgerCmd struct {
	Log  ledgerLogCmd  `cmd:"" help:"List what happened, newest first."`
	Show ledgerShowCmd `cmd:"" help:"Show what runs."`
}

type ledgerLogCmd struct {
	Env string `help:"Environment; all of the service's if not given." placeholder:"ENV"`
	ledgerFlags
	Limit int `default:"20" help:"How many entries; 0 for all."`
}

type ledgerShowCmd struct {
	Env string `help:"Environment; all of the service's if not given." placeholder:"ENV"`
	ledgerFlags
}

type ledgerDocument struct {
	Schema  int             `json:"schema"`
	Tool    string          `json:"tool"`
	Verdict finding.Verdict `json:"verdict"`
	Service string          `json:"service"`
	Entries []ledger.Record `json:"entries"`
}

func (c *ledgerLogCmd) run(ctx context.Context, s *session) (*outcome, error) {
	return readLedger(ctx, s, c.ledgerFlags, c.Env, c.Limit)
}

func (c *ledgerShowCmd) run(ctx context.Context, s *session) (*outcome, error) {
	return readLedger(ctx, s, c.ledgerFlags, c.Env, 1)
}

func readLedger(ctx context.Context, s *session, l ledgerFlags, env string, limit int) (*outcome, error) {
	git, err := l.open(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { _ = git.Close() }()
	doc := ledgerDocument{Schema: 1, Tool: "ledger", Verdict: finding.Pass, Service: l.service(ctx, s), Entries: []ledger.Record{}}
	envs := []string{env}
	if env == "" {
		if envs, err = git.Environments(ctx, doc.Service); err != nil {
			return nil, err
		}
	}
	for _, e := range envs {
		recs, err := git.Log(ctx, doc.Service, e, limit)
		if err != nil {
			return nil, err
		}
		doc.Entries = append(doc.Entries, recs...)
	}
	return &outcome{verdict: finding.Pass, document: doc, text: func(w io.Writer) error {
		if len(doc.Entries) == 0 {
			_, err := fmt.Fprintf(w, "ledger: %s has no entries yet\n", doc.Service)
			return err
		}
		return ledger.Table(w, doc.Entries)
	}}, nil
}
