package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/finding"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
)

// cacheCmd is the definition of cache.
type cacheCmd struct {
	Prune cachePruneCmd `cmd:"" help:"List the entries of build-image's cache in a repository that need not stay, and delete them when told."`
}

type cachePruneCmd struct {
	Repo string `arg:"" help:"Repository of the cache: build-image's --cache-repo, else its --image."`

	KeepNewer string   `default:"30d" help:"Keep entries written within this time: 30d, 2w, 12h. A build that finds its entry does not write it again." placeholder:"TIME"`
	KeepTags  []string `help:"Keep entries that the images under these tags of the repository are made of." placeholder:"LIST"`
	Delete    bool     `help:"Delete; without it, nothing is changed."`
	registryFlags
	Insecure []string `help:"Registry hosts to reach without TLS (loopback needs no naming)." placeholder:"HOST"`
}

var _ command = (*cachePruneCmd)(nil)

type pruneDocument struct {
	Schema     int             `json:"schema"`
	Tool       string          `json:"tool"`
	Verdict    finding.Verdict `json:"verdict"`
	Repository string          `json:"repository"`
	DryRun     bool            `json:"dry_run"`
	*cache.Pruned
}

func (c *cachePruneCmd) run(ctx context.Context, s *session) (*outcome, error) {
	newer, err := span(c.KeepNewer)
	if err != nil {
		return nil, err
	}
	keychain, err := c.keychain(s, c.Repo)
	if err != nil {
		return nil, err
	}
	store := cache.Store{Client: s.registry(c.Insecure, keychain), Repo: c.Repo, Now: s.Now()}
	res, err := store.Prune(ctx, cache.Pruning{KeepNewer: newer, KeepTags: c.KeepTags, Delete: c.Delete})
	if res == nil {
		return nil, err
	}
	doc := pruneDocument{1, "cache", finding.Pass, c.Repo, !c.Delete, res}
	text := pruneText(doc)
	return &outcome{verdict: finding.Pass, document: doc, summary: "```\n" + text + "```\n", text: func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}}, err
}

// pruneText is the answer for people: what goes, then in numbers what stays.
func pruneText(d pruneDocument) string {
	var b, rest strings.Builder
	gone, kept := 0, 0
	for _, e := range d.Entries {
		if e.Keep {
			kept++
			continue
		}
		if e.Deleted || d.DryRun {
			gone++
		}
		word, tags := "delete", short(e.Tags[0])
		switch {
		case e.Deleted:
			word = "deleted"
		case !d.DryRun: // whole, for whoever deletes them by other means
			word, tags = "left", strings.Join(e.Tags, " ")
		}
		what := finding.Plural(len(e.Wheels), "wheel")
		if e.Kind == "wheel" {
			what = strings.Join(e.Wheels, ", ")
		}
		fmt.Fprintf(&rest, "  %-7s %-22s %-12s %s, %s; %s\n", word, tags, e.Kind, finding.Printable(what), megabytes(e.Size), e.Why)
	}
	switch {
	case len(d.Entries) == 0:
		fmt.Fprintf(&b, "cache  ok  %s has no entries, and %s of others\n", d.Repository, finding.Plural(d.Foreign, "tag"))
	case d.DryRun && gone > 0:
		fmt.Fprintf(&b, "cache  %s of %s would be deleted (--delete does it); %d stay\n", entries(gone), d.Repository, kept)
	case d.DryRun:
		fmt.Fprintf(&b, "cache  ok  nothing to delete in %s; %s\n", d.Repository, entries(kept))
	default:
		fmt.Fprintf(&b, "cache  ok  %s deleted from %s; %d stay\n", entries(gone), d.Repository, kept)
	}
	b.WriteString(rest.String())
	if gone > 0 {
		fmt.Fprintf(&b, "  frees up to %s, as far as no other image holds it, once the registry collects its garbage\n", megabytes(d.Frees))
	}
	for _, e := range d.Entries {
		if e.Keep && strings.HasPrefix(e.Why, "somebody") || e.Kind == "unknown" {
			fmt.Fprintf(&b, "  kept    %-22s %s\n", short(e.Tags[0]), finding.Printable(e.Why))
		}
	}
	return b.String()
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return strconv.Itoa(n) + " entries"
}

// short is a tag in the width of a line.
func short(tag string) string {
	if len(tag) > 20 {
		return tag[:19] + "…"
	}
	return tag
}

// span reads a time such as 30d, 2w or 12h.
func span(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	if n := len(text) - 1; n > 0 {
		unit := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[text[n]]
		if count, err := strconv.Atoi(text[:n]); unit > 0 && err == nil && count >= 0 && count < 10_000 {
			return time.Duration(count) * unit, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, failure.New(failure.Usage, "for example 30d, 2w or 12h", "keep-newer: %q is no time", text)
	}
	return d, nil
}
