package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/demo"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// demoCmd is the definition of demo.
type demoCmd struct {
	Keep   bool   `help:"Keep the folder with everything that the demo made."`
	Engine string `enum:"auto,podman,docker,none" default:"auto" help:"What runs the containers; none is the kernel's name spaces."`
	Rate   int    `default:"150" help:"Load: requests per second to each release."`
}

var _ command = (*demoCmd)(nil)

func (c *demoCmd) run(ctx context.Context, s *session) (*outcome, error) {
	dir, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return nil, err
	}
	if !c.Keep {
		defer os.RemoveAll(dir)
	}
	cfg, err := s.indexConfig("", nil, nil)
	if err != nil {
		return nil, err
	}
	reg := s.registry(nil, nil)
	eng := &engines{s: s, want: c.Engine, ports: true, reg: reg}
	defer func() { _ = eng.close() }()
	busy := &spinner{s: s}
	out := io.Writer(&above{busy, s.Stdout})
	if s.format != "text" {
		out = &above{busy, s.Stderr} // stdout is for the one document
	}
	fmt.Fprintln(out, "fairlead demo: a Flask app from commit to production on this machine")
	e, err := eng.get(ctx, "")
	if err != nil {
		return nil, err
	}
	o := demo.Options{Dir: dir, Index: cfg, Engine: e, OCI: reg, Environ: os.Environ(), Getenv: s.Getenv, Now: s.Now, Out: out, Busy: busy.set, Rate: c.Rate}
	if cache, err := os.UserCacheDir(); err == nil {
		o.CacheDir = filepath.Join(cache, "fairlead")
	}
	rep, err := demo.Run(ctx, o)
	busy.set("")
	if err != nil {
		return nil, err
	}
	keep := ""
	if c.Keep {
		keep = dir
	}
	return &outcome{verdict: rep.Verdict, document: rep, text: func(w io.Writer) error { return demoEnd(w, rep, keep) }, summary: demoSummary(rep)}, nil
}

// demoEnd is the end of the text: the ledger, where time went, what to try next.
func demoEnd(w io.Writer, rep *demo.Report, keep string) error {
	var b strings.Builder
	b.WriteString("\nledger\n")
	var table strings.Builder
	if err := ledger.Table(&table, settled(rep.Ledger)); err != nil {
		return err
	}
	for _, l := range strings.Split(strings.TrimRight(table.String(), "\n"), "\n") {
		b.WriteString("  " + l + "\n")
	}
	b.WriteString("\nwhere time went\n")
	for _, r := range rep.Releases {
		fmt.Fprintf(&b, "  release %d  %5.1f s   pins %.1f · image and tests %.1f · staging %.1f · production %.1f\n", r.Number, r.Seconds,
			r.Took["pins"], r.Took["image"], r.Took["staging"], r.Took["production"])
	}
	fmt.Fprintf(&b, "\nproduction runs release 2, %s; staging runs release 3, %s.  %.0f s in all.\n",
		ledger.Short(rep.Environments["production"].Digest), ledger.Short(rep.Environments["staging"].Digest), rep.Seconds)
	if keep != "" {
		fmt.Fprintf(&b, "Kept: %s\nNext: fairlead ledger log --ledger %s/ledger.git --service hello   ·   docs/tutorial.md\n", keep, keep)
	} else {
		b.WriteString("Next: fairlead demo --keep, then look at its ledger   ·   fairlead pin-check examples/hello   ·   docs/tutorial.md\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// settled leaves the intents out: each has its end above it.
func settled(recs []ledger.Record) []ledger.Record {
	var out []ledger.Record
	for _, r := range recs {
		if r.Phase != ledger.Intent {
			out = append(out, r)
		}
	}
	return out
}

func demoSummary(rep *demo.Report) string {
	var b strings.Builder
	b.WriteString("| release | digest | outcome | seconds |\n|---|---|---|---|\n")
	for _, r := range rep.Releases {
		fmt.Fprintf(&b, "| %d %s | `%s` | %s | %.1f |\n", r.Number, finding.Printable(r.Title), ledger.Short(r.Digest), r.Outcome, r.Seconds)
	}
	return b.String()
}

// spinner shows what is being done on a terminal, on a line that is rewritten;
// in logs it is silent.
type spinner struct {
	s  *session
	mu sync.Mutex
}

func (p *spinner) set(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.s.Terminal {
		return
	}
	if text != "" {
		text = "  … " + finding.Printable(text)
	}
	if len(text) > 100 {
		text = text[:100]
	}
	fmt.Fprintf(p.s.Stderr, "\r\x1b[K%s", text)
}

// above prints lines over the spinner's.
type above struct {
	p *spinner
	w io.Writer
}

func (a *above) Write(b []byte) (int, error) {
	a.p.set("")
	return a.w.Write(b)
}
