package pin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/python/reqfile"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
)

// Resolution is a Source's answers in a file, so that what one machine was told
// can be applied on another that has no network, and twice with the same result.
type Resolution struct {
	Schema int `json:"schema"`
	// Actions are repositories, "owner/name".
	Actions map[string]ResolvedRepository `json:"actions,omitempty"`
	// Images are digests by "name:tag".
	Images map[string]string `json:"images,omitempty"`
	// Packages are the releases of projects.
	Packages map[string][]Release `json:"packages,omitempty"`
	// Absent are the repositories, images and projects that do not exist.
	Absent []string `json:"absent,omitempty"`
}

// ResolvedRepository is what is known about a repository.
type ResolvedRepository struct {
	Refs
	// Commits says of commits whether a branch of the repository has them.
	Commits map[string]bool `json:"commits,omitempty"`
}

// MaxResolution bounds a resolution file, in bytes.
const MaxResolution = 64 << 20

// ReadResolution reads a resolution file; name is for its errors.
func ReadResolution(name string, data []byte) (*Resolution, error) {
	refuse := func(err error) (*Resolution, error) {
		return nil, failure.New(failure.Usage, "docs/pin-check.md, \"Resolution files\", shows one; --online --save-resolution FILE writes one", "%s: %w", name, err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var r Resolution
	if err := dec.Decode(&r); err != nil {
		return refuse(fmt.Errorf("reading the resolution: %w", err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse(errors.New("there is more behind the end of the document"))
	}
	if r.Schema != 1 {
		return refuse(fmt.Errorf("schema is %d, this program reads 1", r.Schema))
	}
	out := &Resolution{Schema: 1, Actions: map[string]ResolvedRepository{}, Images: r.Images, Packages: map[string][]Release{}, Absent: r.Absent}
	for k, v := range r.Actions {
		out.Actions[fold(k)] = v
		for ref, sha := range v.Tags {
			if !sha1Hex.MatchString(sha) {
				return refuse(fmt.Errorf("%s: the tag %q is %q, which is no commit", k, ref, sha))
			}
		}
		for ref, sha := range v.Branches {
			if !sha1Hex.MatchString(sha) {
				return refuse(fmt.Errorf("%s: the branch %q is %q, which is no commit", k, ref, sha))
			}
		}
	}
	for k, dig := range r.Images {
		if err := digestProblem(dig); err != nil {
			return refuse(fmt.Errorf("%s: %q is no digest: %w", k, dig, err))
		}
	}
	for k, rs := range r.Packages {
		for _, rel := range rs {
			for _, h := range rel.Hashes {
				if algo, hex, _ := strings.Cut(h, ":"); !reqfile.IsHash(algo, hex) {
					return refuse(fmt.Errorf("%s %s: %q is no hash", k, rel.Version, h))
				}
			}
		}
		out.Packages[requirement.NormalizeName(k)] = rs
	}
	return out, nil
}

// Refs implements Source.
func (r *Resolution) Refs(_ context.Context, repository string) (Refs, error) {
	if a, ok := r.Actions[fold(repository)]; ok {
		return a.Refs, nil
	}
	return Refs{}, r.unknown(fold(repository))
}

// Contains implements Source.
func (r *Resolution) Contains(_ context.Context, repository, commit string) (bool, error) {
	if in, ok := r.Actions[fold(repository)].Commits[commit]; ok {
		return in, nil
	}
	return false, fmt.Errorf("%s@%s: %w", repository, commit, ErrNotKnown)
}

// Digest implements Source.
func (r *Resolution) Digest(_ context.Context, image string) (string, error) {
	if d, ok := r.Images[image]; ok {
		return d, nil
	}
	return "", r.unknown(image)
}

// Releases implements Source.
func (r *Resolution) Releases(_ context.Context, name string) ([]Release, error) {
	if p, ok := r.Packages[requirement.NormalizeName(name)]; ok {
		return p, nil
	}
	return nil, r.unknown(requirement.NormalizeName(name))
}

// Requires implements Source.
func (r *Resolution) Requires(_ context.Context, name, version string) ([]string, error) {
	for _, rel := range r.Packages[requirement.NormalizeName(name)] {
		if rel.Version == version && rel.Requires != nil {
			return rel.Requires, nil
		}
	}
	return nil, fmt.Errorf("what %s %s needs: %w", name, version, ErrNotKnown)
}

// unknown is the error for something that the file does not hold.
func (r *Resolution) unknown(name string) error {
	if slices.Contains(r.Absent, name) {
		return fmt.Errorf("%s: %w", name, ErrAbsent)
	}
	return fmt.Errorf("%s: %w", name, ErrNotKnown)
}

// Sources asks one after the other, until one knows.
type Sources []Source

func firstKnown[T any](sources []Source, ask func(Source) (T, error)) (T, error) {
	var zero T
	err := ErrNotKnown
	for _, s := range sources {
		var v T
		if v, err = ask(s); !errors.Is(err, ErrNotKnown) {
			return v, err
		}
	}
	return zero, err
}

// Refs implements Source.
func (s Sources) Refs(ctx context.Context, repository string) (Refs, error) {
	return firstKnown(s, func(s Source) (Refs, error) { return s.Refs(ctx, repository) })
}

// Contains implements Source.
func (s Sources) Contains(ctx context.Context, repository, commit string) (bool, error) {
	return firstKnown(s, func(s Source) (bool, error) { return s.Contains(ctx, repository, commit) })
}

// Digest implements Source.
func (s Sources) Digest(ctx context.Context, image string) (string, error) {
	return firstKnown(s, func(s Source) (string, error) { return s.Digest(ctx, image) })
}

// Releases implements Source.
func (s Sources) Releases(ctx context.Context, name string) ([]Release, error) {
	return firstKnown(s, func(s Source) ([]Release, error) { return s.Releases(ctx, name) })
}

// Requires implements Source.
func (s Sources) Requires(ctx context.Context, name, version string) ([]string, error) {
	return firstKnown(s, func(s Source) ([]string, error) { return s.Requires(ctx, name, version) })
}

// Recorder asks a source and keeps its answers as a Resolution.
type Recorder struct {
	Source
	mu  sync.Mutex
	got Resolution
}

// Refs implements Source.
func (r *Recorder) Refs(ctx context.Context, repository string) (Refs, error) {
	refs, err := r.Source.Refs(ctx, repository)
	r.absent(fold(repository), err)
	if err == nil {
		r.keep(func(g *Resolution) {
			g.Actions[fold(repository)] = ResolvedRepository{Refs: refs, Commits: g.Actions[fold(repository)].Commits}
		})
	}
	return refs, err
}

// Contains implements Source.
func (r *Recorder) Contains(ctx context.Context, repository, commit string) (bool, error) {
	in, err := r.Source.Contains(ctx, repository, commit)
	if err == nil {
		r.keep(func(g *Resolution) {
			a := g.Actions[fold(repository)]
			commits := maps.Clone(a.Commits)
			if commits == nil {
				commits = map[string]bool{}
			}
			commits[commit] = in
			a.Commits = commits
			g.Actions[fold(repository)] = a
		})
	}
	return in, err
}

// Digest implements Source.
func (r *Recorder) Digest(ctx context.Context, image string) (string, error) {
	d, err := r.Source.Digest(ctx, image)
	r.absent(image, err)
	if err == nil {
		r.keep(func(g *Resolution) { g.Images[image] = d })
	}
	return d, err
}

// Releases implements Source.
func (r *Recorder) Releases(ctx context.Context, name string) ([]Release, error) {
	rs, err := r.Source.Releases(ctx, name)
	r.absent(requirement.NormalizeName(name), err)
	if err == nil {
		r.keep(func(g *Resolution) {
			for _, rel := range rs {
				g.release(name, rel)
			}
		})
	}
	return rs, err
}

// Requires implements Source.
func (r *Recorder) Requires(ctx context.Context, name, version string) ([]string, error) {
	needs, err := r.Source.Requires(ctx, name, version)
	if err == nil {
		if needs == nil {
			needs = []string{}
		}
		r.keep(func(g *Resolution) { g.release(name, Release{Version: version, Requires: needs}) })
	}
	return needs, err
}

// release enters what is known about a release beside what was.
func (r *Resolution) release(name string, rel Release) {
	name = requirement.NormalizeName(name)
	all := slices.Clone(r.Packages[name])
	i := slices.IndexFunc(all, func(o Release) bool { return o.Version == rel.Version })
	if i < 0 {
		i, all = len(all), append(all, Release{Version: rel.Version})
	}
	if rel.Requires == nil {
		rel.Requires = all[i].Requires
	}
	if rel.Hashes == nil {
		rel.Hashes, rel.Yanked, rel.RequiresPython = all[i].Hashes, all[i].Yanked, all[i].RequiresPython
	}
	all[i] = rel
	r.Packages[name] = all
}

// absent notes what does not exist, so that it is not asked for again.
func (r *Recorder) absent(name string, err error) {
	if errors.Is(err, ErrAbsent) {
		r.keep(func(g *Resolution) {
			if i, found := slices.BinarySearch(g.Absent, name); !found {
				g.Absent = slices.Insert(slices.Clone(g.Absent), i, name)
			}
		})
	}
}

func (r *Recorder) keep(enter func(*Resolution)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got.Schema == 0 {
		r.got = Resolution{Schema: 1, Actions: map[string]ResolvedRepository{}, Images: map[string]string{}, Packages: map[string][]Release{}}
	}
	enter(&r.got)
}

// Resolution is what was answered so far.
func (r *Recorder) Resolution() Resolution {
	r.keep(func(*Resolution) {})
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}
