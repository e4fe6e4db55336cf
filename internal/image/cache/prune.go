package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// ours are the tags of entries. Everything else in a repository is not touched.
var ours = regexp.MustCompile(`^(deps-[0-9a-f]{64}|last-[0-9a-f]{64}|whl-[0-9a-f]{64}-[0-9a-f]{16})$`)

// pruners bounds the requests at the same time.
const pruners = 8

// Pruning says which entries stay.
type Pruning struct {
	// KeepNewer keeps entries that were written within this time.
	KeepNewer time.Duration
	// KeepTags keeps entries that the images under these tags are made of.
	KeepTags []string
	// Delete removes the others; without it they are only listed.
	Delete bool
}

// Pruned is what a pruning found, and did.
type Pruned struct {
	Entries []PrunedEntry `json:"entries"`
	// Foreign is the number of tags that are no entries.
	Foreign int `json:"foreign_tags"`
	// Frees is how many bytes of layers are in no entry and no image named that
	// stays; others' images may hold them still.
	Frees int64 `json:"frees"`
}

// PrunedEntry is an entry as pruning sees it.
type PrunedEntry struct {
	Digest string   `json:"digest"`
	Tags   []string `json:"tags"`
	// Kind is "dependencies" or "wheel"; Wheels are their file names.
	Kind    string   `json:"kind"`
	Wheels  []string `json:"wheels,omitempty"`
	Created string   `json:"created,omitempty"` // a day; "" for entries from before they were dated
	// Size is in bytes: of the layers above the base's.
	Size    int64  `json:"size"`
	Keep    bool   `json:"keep"`
	Why     string `json:"why"`
	Deleted bool   `json:"deleted"`

	layers []string // digests of those layers
	sizes  []int64
}

// Prune lists the entries of a repository, and deletes those that need not stay.
// After an error, what was deleted so far is said in the result.
func (s Store) Prune(ctx context.Context, p Pruning) (*Pruned, error) {
	out := &Pruned{Entries: []PrunedEntry{}}
	all, err := s.Client.Tags(ctx, s.Repo)
	if errors.Is(err, oci.ErrUnsupported) {
		return nil, failure.Wrap(failure.Answer, "delete its tags deps-…, last-… and whl-… by the registry's own means, such as its rules for retention", err)
	}
	if err != nil {
		return nil, err
	}
	var mine, foreign []string
	for _, t := range all {
		if ours.MatchString(t) {
			mine = append(mine, t)
		} else {
			foreign = append(foreign, t)
		}
	}
	for _, t := range p.KeepTags {
		if !slices.Contains(foreign, t) {
			return nil, failure.New(failure.Usage, "", "keep-tags: %q has no tag %q", s.Repo, t)
		}
	}
	out.Foreign = len(foreign)
	if out.Entries, err = s.entries(ctx, mine); err != nil {
		return nil, err
	}
	used, err := s.usedBy(ctx, p.KeepTags)
	if err != nil {
		return nil, err
	}
	for i := range out.Entries {
		out.Entries[i].judge(p, used, s.Now)
	}
	if p.Delete {
		err = s.sweep(ctx, out.Entries, foreign)
	}
	out.Frees = frees(out.Entries, used)
	return out, err
}

// frees counts the bytes that only entries hold that go.
func frees(entries []PrunedEntry, used map[string]map[string]bool) (n int64) {
	stays := map[string]bool{}
	for _, layers := range used {
		maps.Copy(stays, layers)
	}
	for _, e := range entries {
		for _, d := range e.layers {
			stays[d] = stays[d] || e.Keep
		}
	}
	for _, e := range entries {
		for i, d := range e.layers {
			if !stays[d] {
				stays[d], n = true, n+e.sizes[i] // once
			}
		}
	}
	return n
}

// entries reads what is under the tags, each manifest once.
func (s Store) entries(ctx context.Context, tags []string) ([]PrunedEntry, error) {
	var mu sync.Mutex
	found := map[string]*PrunedEntry{}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(pruners)
	for _, t := range tags {
		g.Go(func() error {
			m, err := s.Client.Manifest(gctx, s.Repo+":"+t)
			if errors.Is(err, oci.ErrNotFound) {
				return nil // somebody else was faster
			}
			if err != nil {
				return err
			}
			mu.Lock()
			e := found[m.Digest.String()]
			mu.Unlock()
			if e == nil {
				if e, err = s.look(gctx, m); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if other := found[m.Digest.String()]; other != nil {
				e = other
			}
			e.Tags = append(e.Tags, t)
			found[m.Digest.String()] = e
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	out := []PrunedEntry{}
	for _, e := range found {
		slices.Sort(e.Tags)
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b PrunedEntry) int { return strings.Compare(a.Created+a.Tags[0], b.Created+b.Tags[0]) })
	return out, nil
}

// look says what a manifest is. One that is no entry, whatever its tag, is kept.
func (s Store) look(ctx context.Context, m *oci.Manifest) (*PrunedEntry, error) {
	e := &PrunedEntry{Digest: m.Digest.String(), Kind: "unknown", Keep: true, Why: "it is not an entry of this cache"}
	parsed, err := v1.ParseManifest(bytes.NewReader(m.Raw))
	if err != nil {
		return e, nil
	}
	config := parsed.Config.Data
	if len(config) == 0 {
		if config, err = s.read(ctx, parsed.Config); err != nil {
			if ctx.Err() != nil || failure.CodeOf(err) == failure.Service {
				return nil, err
			}
			return e, nil
		}
	}
	c, err := v1.ParseConfigFile(bytes.NewReader(config))
	if err != nil {
		return e, nil
	}
	var facts struct {
		Tag    string
		Wheel  Wheel
		Wheels []Wheel
		Layers []Layer
	}
	if unpack(c.Config.Labels[label], &facts) != nil {
		return e, nil
	}
	own := parsed.Layers
	switch n := len(own) - 1 - len(facts.Layers); {
	case facts.Tag != "":
		e.Kind, facts.Wheels = "wheel", []Wheel{facts.Wheel}
	case n >= 0:
		e.Kind, own = "dependencies", own[n:n+len(facts.Layers)]
	}
	for _, w := range facts.Wheels {
		e.Wheels = append(e.Wheels, w.Filename)
	}
	for _, l := range own {
		e.layers, e.sizes = append(e.layers, l.Digest.String()), append(e.sizes, l.Size)
		e.Size += l.Size
	}
	if day, err := time.Parse(time.RFC3339, parsed.Annotations[CreatedAnnotation]); err == nil {
		e.Created = day.UTC().Format(time.DateOnly)
	}
	e.Keep, e.Why = false, ""
	return e, nil
}

// usedBy lists, by tag, the layers of the images under tags.
func (s Store) usedBy(ctx context.Context, tags []string) (map[string]map[string]bool, error) {
	out := map[string]map[string]bool{}
	for _, t := range tags {
		layers := map[string]bool{}
		todo := []string{":" + t}
		for len(todo) > 0 {
			m, err := s.Client.Manifest(ctx, s.Repo+todo[0])
			if err != nil {
				return nil, fmt.Errorf("keep-tags: %w", err)
			}
			todo = todo[1:]
			if m.MediaType.IsIndex() {
				idx, err := v1.ParseIndexManifest(bytes.NewReader(m.Raw))
				if err != nil {
					return nil, fmt.Errorf("keep-tags: %q: %w", t, err)
				}
				for _, d := range idx.Manifests {
					todo = append(todo, "@"+d.Digest.String())
				}
				continue
			}
			img, err := v1.ParseManifest(bytes.NewReader(m.Raw))
			if err != nil {
				return nil, fmt.Errorf("keep-tags: %q: %w", t, err)
			}
			for _, l := range img.Layers {
				layers[l.Digest.String()] = true
			}
		}
		out[t] = layers
	}
	return out, nil
}

// judge decides on an entry.
func (e *PrunedEntry) judge(p Pruning, used map[string]map[string]bool, now time.Time) {
	if e.Keep {
		return
	}
	for _, t := range p.KeepTags {
		if !slices.ContainsFunc(e.layers, func(d string) bool { return !used[t][d] }) {
			e.Keep, e.Why = true, "the image tagged "+t+" is made of it"
			return
		}
	}
	day, err := time.Parse(time.DateOnly, e.Created)
	switch age := now.Sub(day); {
	case err != nil:
		e.Why = "it has no date: it was written by an older release"
	case age < p.KeepNewer:
		e.Keep, e.Why = true, "written "+ago(age)
	default:
		e.Why = "written " + ago(age)
	}
}

func ago(age time.Duration) string {
	switch days := int(age / (24 * time.Hour)); {
	case days <= 0:
		return "today"
	case days == 1:
		return "a day ago"
	default:
		return fmt.Sprintf("%d days ago", days)
	}
}

// sweep deletes what need not stay: by tag where the registry does that, else by
// digest. An entry that somebody has given a tag of his own stays.
func (s Store) sweep(ctx context.Context, entries []PrunedEntry, foreign []string) error {
	if !slices.ContainsFunc(entries, func(e PrunedEntry) bool { return !e.Keep }) {
		return nil
	}
	theirs, err := s.digests(ctx, foreign)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		if t := theirs[e.Digest]; t != "" && !e.Keep {
			e.Keep, e.Why = true, "somebody has tagged it "+t
		}
		if e.Keep {
			continue
		}
		if err := s.remove(ctx, e); err != nil {
			return err
		}
		e.Deleted = true
	}
	return nil
}

func (s Store) remove(ctx context.Context, e *PrunedEntry) error {
	for _, t := range e.Tags {
		err := s.Client.Delete(ctx, s.Repo, t)
		if errors.Is(err, oci.ErrUnsupported) {
			err = s.Client.Delete(ctx, s.Repo, e.Digest)
			if errors.Is(err, oci.ErrUnsupported) {
				return failure.Wrap(failure.Answer, "allow it in the registry's settings (docker-registry: REGISTRY_STORAGE_DELETE_ENABLED=true), or delete the tags listed by the registry's own means", err)
			}
			return err // with it, all its tags
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// digests are what tags name, with one of the tags for each.
func (s Store) digests(ctx context.Context, tags []string) (map[string]string, error) {
	out := map[string]string{}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(pruners)
	for _, t := range tags {
		g.Go(func() error {
			d, err := s.Client.Digest(gctx, s.Repo+":"+t)
			if errors.Is(err, oci.ErrNotFound) {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			out[d] = t
			return err
		})
	}
	return out, g.Wait()
}
