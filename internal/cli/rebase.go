package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/ledger"
)

// rebaseCmd is the definition of rebase.
type rebaseCmd struct {
	From string `arg:"" name:"from" help:"Image that build-image made: REPOSITORY@sha256:…, REPOSITORY:TAG or oci:FOLDER."`

	Base   string   `help:"New base: REPOSITORY@sha256:…, REPOSITORY:TAG or oci:FOLDER." required:"" placeholder:"REF"`
	Image  string   `help:"Repository to publish to; the image's own if not given." placeholder:"REPO"`
	Tags   []string `help:"Tags to set." placeholder:"LIST"`
	Push   bool     `help:"Publish the result."`
	Output string   `help:"Write the result: oci:FOLDER." placeholder:"WHERE"`
	registryFlags
	Insecure []string `help:"Registry hosts to reach without TLS (loopback needs no naming)." placeholder:"HOST"`
}

var _ command = (*rebaseCmd)(nil)

func (c *rebaseCmd) run(ctx context.Context, s *session) (*outcome, error) {
	r := image.RebaseRequest{Image: c.From, Base: c.Base, To: c.Image, Tags: c.Tags, Push: c.Push}
	if c.Output != "" {
		folder, ok := strings.CutPrefix(c.Output, "oci:")
		if !ok || folder == "" {
			return nil, failure.New(failure.Usage, "", "--output %q is not oci:FOLDER", c.Output)
		}
		r.Layout = folder
	}
	keychain, err := c.keychain(s, firstOf(c.Image, c.From))
	if err != nil {
		return nil, err
	}
	res, err := image.Rebase(ctx, r, image.Deps{Registry: s.registry(c.Insecure, keychain)})
	if err != nil {
		return nil, err
	}
	ref := res.Digest
	if res.Image != "" {
		ref = res.Image + "@" + res.Digest
	}
	return &outcome{verdict: res.Verdict, document: res, headline: ref + " on " + firstOf(res.Base.Name, c.Base), text: func(w io.Writer) error { return rebaseText(w, res, c.Base) },
		summary: rebaseSummary(res, c.Base), outputs: []pair{{"image", res.Image}, {"digest", res.Digest}, {"ref", ref}, {"verdict", string(res.Verdict)}}}, nil
}

// rebaseText is the answer for people.
func rebaseText(w io.Writer, r *image.Rebased, base string) error {
	var b strings.Builder
	switch {
	case r.Published:
		fmt.Fprintf(&b, "rebase  ok  %s@%s\n", r.Image, r.Digest)
	case r.Digest == r.Previous:
		fmt.Fprintf(&b, "rebase  ok  %s  unchanged: it is on this base\n", r.Digest)
	default:
		fmt.Fprintf(&b, "rebase  ok  %s\n", r.Digest)
	}
	for _, p := range r.Platforms {
		fmt.Fprintf(&b, "  %-14s %s → %s  %s → %s, %d layers kept\n", p.Platform, ledger.Short(p.Previous), ledger.Short(p.Digest), p.From, p.To, p.Kept)
	}
	fmt.Fprintf(&b, "  base %s; no test ran in it\n", finding.Printable(base))
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  note: %s\n", finding.Printable(n))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func rebaseSummary(r *image.Rebased, base string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**rebase:** `%s` → `%s` on %s\n\n| platform | was | is |\n|---|---|---|\n", r.Previous, r.Digest, finding.Printable(base))
	for _, p := range r.Platforms {
		fmt.Fprintf(&b, "| %s | `%s` on %s | `%s` on %s |\n", p.Platform, ledger.Short(p.Previous), p.From, ledger.Short(p.Digest), p.To)
	}
	return b.String()
}
