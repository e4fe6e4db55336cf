// Package online answers what files alone do not tell, from the services that
// know: GitHub about actions, registries about images, package indexes about
// releases. It is the only part of pin-check that uses the network, and used only
// with --online.
package online

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/fairlead-ci/fairlead/internal/github"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/pin"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// Source asks the services. It implements pin.Source.
type Source struct {
	// API and Server are GitHub's addresses, Token is for it; see package github.
	API, Server, Token, UserAgent string
	Registry                      *oci.Client
	Index                         *index.Client

	mu    sync.Mutex
	refs  map[string]github.Refs
	pages map[string][]index.File
}

var _ pin.Source = (*Source)(nil)

// Refs implements pin.Source.
func (s *Source) Refs(ctx context.Context, repository string) (pin.Refs, error) {
	r, err := s.remote(ctx, repository)
	return pin.Refs{Branches: r.Branches, Tags: r.Tags, Default: r.Default}, err
}

func (s *Source) remote(ctx context.Context, repository string) (github.Refs, error) {
	s.mu.Lock()
	r, ok := s.refs[repository]
	s.mu.Unlock()
	if ok {
		return r, nil
	}
	r, err := github.ReadRefs(ctx, github.RemoteOptions{Server: s.Server, Repository: repository, Token: s.Token, UserAgent: s.UserAgent})
	if errors.Is(err, github.ErrNoRepository) {
		return r, fmt.Errorf("%w: %w", pin.ErrAbsent, err)
	}
	if err != nil {
		return r, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == nil {
		s.refs = map[string]github.Refs{}
	}
	s.refs[repository] = r
	return r, nil
}

// Contains implements pin.Source.
func (s *Source) Contains(ctx context.Context, repository, commit string) (bool, error) {
	refs, err := s.remote(ctx, repository)
	if err != nil {
		return false, err
	}
	c, err := github.New(github.Options{API: s.API, Repository: repository, Token: s.Token, UserAgent: s.UserAgent})
	if err != nil {
		return false, err
	}
	var like []string
	for tag, sha := range refs.Tags {
		if sha == commit {
			like = append(like, tag)
		}
	}
	slices.Sort(like)
	return c.Contains(ctx, commit, refs, like)
}

// Digest implements pin.Source.
func (s *Source) Digest(ctx context.Context, image string) (string, error) {
	d, err := s.Registry.Digest(ctx, image)
	if errors.Is(err, oci.ErrNotFound) {
		return "", fmt.Errorf("%w: %w", pin.ErrAbsent, err)
	}
	return d, err
}

// files are what the index has of a project, asked once.
func (s *Source) files(ctx context.Context, name string) ([]index.File, error) {
	name = requirement.NormalizeName(name)
	s.mu.Lock()
	known, ok := s.pages[name]
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	files, err := s.Index.Files(ctx, name)
	if errors.Is(err, index.ErrNoProject) {
		return nil, fmt.Errorf("%w: %w", pin.ErrAbsent, err)
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages == nil {
		s.pages = map[string][]index.File{}
	}
	s.pages[name] = files
	return files, nil
}

// Requires implements pin.Source, from the metadata that the index serves.
func (s *Source) Requires(ctx context.Context, name, v string) ([]string, error) {
	files, err := s.files(ctx, name)
	if err != nil {
		return nil, err
	}
	want, err := version.Parse(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var best *index.File
	for i, f := range files {
		got, err := version.Parse(versionOf(name, f.Name))
		if err != nil || got.Compare(want) != 0 || !strings.HasSuffix(f.Name, ".whl") && !f.Metadata {
			continue
		}
		if best == nil || f.Metadata && !best.Metadata {
			best = &files[i]
		}
	}
	if best == nil {
		return nil, fmt.Errorf("%s %s: %w", name, v, pin.ErrNotKnown)
	}
	m, err := s.metadata(ctx, *best)
	if errors.Is(err, index.ErrNoMetadata) {
		return nil, fmt.Errorf("%s %s: %w: %w", name, v, pin.ErrNotKnown, err)
	}
	return m.Requires, err
}

// metadata is what the index serves beside a file, or else what stands in the
// wheel, of which only the parts in question are fetched.
func (s *Source) metadata(ctx context.Context, f index.File) (wheel.Metadata, error) {
	if f.Metadata {
		data, err := s.Index.Metadata(ctx, f)
		if err != nil {
			return wheel.Metadata{}, err
		}
		return wheel.ParseMetadata(data)
	}
	if !strings.Contains(f.URL, "://") { // of a folder
		file, err := os.Open(f.URL)
		if err != nil {
			return wheel.Metadata{}, err
		}
		defer file.Close()
		return wheel.PeekMetadata(file, f.Size, f.Name)
	}
	r, size, err := s.Index.Open(ctx, f)
	if err != nil {
		return wheel.Metadata{}, err
	}
	return wheel.PeekMetadata(r, size, f.Name)
}

// Releases implements pin.Source: the files of an index, gathered by version.
func (s *Source) Releases(ctx context.Context, name string) ([]pin.Release, error) {
	files, err := s.files(ctx, name)
	if err != nil {
		return nil, err
	}
	by := map[string]*pin.Release{}
	var order []string
	for _, f := range files {
		parsed, err := version.Parse(versionOf(name, f.Name))
		if err != nil {
			continue // nothing that could be installed
		}
		v := parsed.String()
		r := by[v]
		if r == nil {
			r = &pin.Release{Version: v, Yanked: true}
			by[v] = r
			order = append(order, v)
		}
		r.Yanked = r.Yanked && f.Yanked // a release is yanked when all its files are
		r.RequiresPython = f.RequiresPython
		for _, algo := range []string{"sha256", "sha384", "sha512"} {
			if sum := f.Hashes[algo]; sum != "" {
				r.Hashes = append(r.Hashes, algo+":"+sum)
				break
			}
		}
	}
	out := make([]pin.Release, 0, len(order))
	for _, v := range order {
		out = append(out, *by[v])
	}
	return out, nil
}

// versionOf is the version in a file's name, "" for what cannot be installed.
func versionOf(project, file string) string {
	if w, err := wheel.ParseName(file); err == nil {
		return w.Version
	}
	for _, ext := range []string{".tar.gz", ".zip"} {
		stem, ok := strings.CutSuffix(file, ext)
		if !ok {
			continue
		}
		// name-version, where the name may have dashes of its own (PEP 625 has none).
		for i := strings.LastIndexByte(stem, '-'); i > 0; i = strings.LastIndexByte(stem[:i], '-') {
			if requirement.NormalizeName(stem[:i]) == requirement.NormalizeName(project) {
				return stem[i+1:]
			}
		}
	}
	return ""
}
