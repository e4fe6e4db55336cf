package image

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead-ci/fairlead/internal/disk"
	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/cache"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/tags"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// parallel bounds look-ups and downloads at the same time.
const parallel = 8

// source lists the files of packages, each package once.
type source struct {
	client *index.Client
	// hints: a lock that says where files are is believed, and no index asked.
	hints  bool
	main   string // the main index's address
	mu     sync.Mutex
	files  map[string][]index.File // by name and version
	absent map[string]string       // why there are no files of a package
}

func listed(p lock.Package) string { return p.Name + " " + p.Version }

func (s *source) fill(ctx context.Context, packages map[string]lock.Package) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for key, p := range packages {
		s.mu.Lock()
		_, done := s.files[key]
		s.mu.Unlock()
		if done {
			continue
		}
		g.Go(func() error {
			files, err := s.list(ctx, p)
			if err != nil && !errors.Is(err, index.ErrNoProject) {
				return fmt.Errorf("looking for wheels: %w", err)
			}
			for i := range files {
				if err := hashLocal(&files[i]); err != nil {
					return err
				}
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.files[key] = files
			if err != nil {
				s.absent[key] = oneLine(err.Error())
			}
			return nil
		})
	}
	return g.Wait()
}

// list is what there is of a package: find-links, then what the lock names, else
// what the indexes have.
func (s *source) list(ctx context.Context, p lock.Package) ([]index.File, error) {
	var own []index.File
	wheels := false
	for _, f := range p.Files {
		at := cmp.Or(f.URL, f.Path)
		if at == "" {
			continue
		}
		out := index.File{Name: f.Name, URL: at, Hashes: map[string]string{}, RequiresPython: p.RequiresPython, Size: f.Size}
		for _, h := range f.Hashes {
			out.Hashes[h.Algorithm] = h.Hex
		}
		own = append(own, out)
		wheels = wheels || strings.HasSuffix(f.Name, ".whl")
	}
	direct := p.Source.Kind != lock.FromIndex
	if !direct && !(s.hints && wheels) {
		return s.client.Files(ctx, p.Name)
	}
	links, err := s.client.Links(ctx, p.Name)
	return append(links, own...), err
}

// hashLocal fills in what a folder does not say, so that a wheel rebuilt under
// an old name is passed over and the locked one found elsewhere.
func hashLocal(f *index.File) error {
	if len(f.Hashes) > 0 || strings.Contains(f.URL, "://") || !strings.HasSuffix(f.Name, ".whl") {
		return nil
	}
	sum, err := hashFile(f.URL)
	if err != nil {
		return failure.New(failure.Usage, "make it readable, or remove it", "reading wheel: %w", err)
	}
	f.Hashes = map[string]string{"sha256": sum}
	return nil
}

func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// plan chooses the wheels of one selection for each target.
func (s *source) plan(ctx context.Context, wanted map[string]selected, platforms []string, facts map[string]base.Facts) (map[string][]Choice, error) {
	all := map[string]lock.Package{}
	for _, p := range platforms {
		for _, c := range wanted[p].wheels {
			all[listed(c)] = c
		}
	}
	if err := s.fill(ctx, all); err != nil {
		return nil, err
	}
	out := map[string][]Choice{}
	var missing []Missing
	for _, p := range platforms {
		target := facts[p].Target
		supported, err := tags.Supported(target)
		if err != nil {
			return nil, fmt.Errorf("planning %s: %w", p, err)
		}
		rank := tags.Index(supported)
		for _, pkg := range wanted[p].wheels {
			c, seen := choose(pkg, target, rank, s.files[listed(pkg)])
			if c.Wheel == "" {
				if why := s.absent[listed(pkg)]; why != "" {
					seen = []string{"nothing: " + why}
				}
				missing = append(missing, Missing{Package: pkg, Platform: p, Target: target, Seen: seen})
				continue
			}
			c.hint = pkg.Source.Kind == lock.FromIndex && slices.ContainsFunc(pkg.Files, func(f lock.File) bool { return f.URL == c.file.URL })
			out[p] = append(out[p], c)
		}
		slices.SortFunc(out[p], func(a, b Choice) int { return strings.Compare(a.Name, b.Name) })
	}
	if len(missing) > 0 {
		return nil, refuse(missing)
	}
	return out, nil
}

// store fetches wheels and keeps them open for the time of a build.
type store struct {
	client *index.Client
	dir    string // of this build
	cache  string // between builds, or ""

	mu        sync.Mutex
	open      []*os.File
	paths     map[string]fetched // by file name and URL
	installed map[string]*wheel.Installed
	down      int64
	hits      int
	told      func(Moving)
}

type fetched struct {
	path, sha256 string
	size         int64
}

func (s *store) close() {
	for _, f := range s.open {
		_ = f.Close()
	}
}

// fetch brings all chosen files here, verified, each once, and tells of each when
// it is there.
func (s *store) fetch(ctx context.Context, choices []Choice, arrived func(Choice)) error {
	todo := map[string]Choice{}
	for _, c := range choices {
		if _, have := s.paths[c.file.URL]; !have {
			todo[c.file.URL] = c
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	// The largest first: the others, and the making of its layer, go beside it.
	order := slices.SortedFunc(maps.Values(todo), func(a, b Choice) int {
		return cmp.Or(cmp.Compare(b.file.Size, a.file.Size), strings.Compare(a.Wheel, b.Wheel))
	})
	for _, c := range order {
		s.told(fetching(c.Wheel, 0, c.file.Size))
	}
	for _, c := range order {
		g.Go(func() error {
			got, cached, err := s.one(ctx, c)
			if err != nil {
				return fmt.Errorf("fetching %s==%s (%s): %w", c.Name, c.Version, c.Package.At(), err)
			}
			m := fetching(c.Wheel, got.size, got.size)
			m.Over = true
			s.told(m)
			s.mu.Lock()
			s.paths[c.file.URL] = got
			if cached {
				s.hits++
			} else if strings.Contains(c.file.URL, "://") {
				s.down += got.size
			}
			s.mu.Unlock()
			arrived(c)
			return nil
		})
	}
	return g.Wait()
}

func (s *store) one(ctx context.Context, c Choice) (fetched, bool, error) {
	want := c.Package.SHA256()
	// A cached wheel is found by the hash that the index names and the lock
	// allows, and is believed only after it was hashed again.
	if sum := c.file.Hashes["sha256"]; s.cache != "" && slices.Contains(want, sum) {
		p := filepath.Join(s.cache, sum+".whl")
		if got, err := hashFile(p); err == nil && got == sum {
			if info, err := os.Stat(p); err == nil {
				return fetched{p, sum, info.Size()}, true, nil
			}
		}
	}
	dir, err := os.MkdirTemp(s.dir, "wheel-*")
	if err != nil {
		return fetched{}, false, err
	}
	p, n, err := s.client.Download(ctx, c.file, want, dir)
	if failure.CodeOf(err) == failure.Service && c.hint {
		p, n, err = s.elsewhere(ctx, c, dir, err)
	}
	if err != nil {
		return fetched{}, false, err
	}
	sum, err := hashFile(p)
	if err != nil {
		return fetched{}, false, err
	}
	if s.cache != "" {
		keep(p, filepath.Join(s.cache, sum+".whl"))
	}
	return fetched{p, sum, n}, false, nil
}

// elsewhere looks for a file at the indexes when it is not where the lock says:
// an address in a lock is a hint, the hash is what counts.
func (s *store) elsewhere(ctx context.Context, c Choice, dir string, cause error) (string, int64, error) {
	files, err := s.client.Files(ctx, c.Name)
	if err != nil {
		return "", 0, cause
	}
	for _, f := range files {
		if f.Name == c.Wheel && f.URL != c.file.URL {
			return s.client.Download(ctx, f, c.Package.SHA256(), dir)
		}
	}
	return "", 0, cause
}

// keep copies a verified wheel into the cache; that it cannot is no failure.
func keep(from, to string) {
	if os.MkdirAll(filepath.Dir(to), 0o755) != nil {
		return
	}
	in, err := os.Open(from)
	if err != nil {
		return
	}
	defer func() { _ = in.Close() }()
	_ = disk.Put(to, 0, disk.From(in))
}

// install reads the directories of the fetched wheels for a Python (their contents
// are read once, by the layers); a wheel that several platforms
// share is read once.
func (s *store) install(choices []Choice, python [2]int) ([]built, error) {
	out := make([]built, len(choices))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, c := range choices {
		s.mu.Lock()
		got := s.paths[c.file.URL]
		s.mu.Unlock()
		g.Go(func() error {
			o := origin(c.Package, got.sha256)
			in, err := s.read(got, c.Wheel, wheel.Scheme{Prefix: "/" + venvDir, Python: python, Origin: o})
			if err != nil {
				return err
			}
			out[i] = built{Installed: in, sha256: got.sha256, size: got.size, pure: c.pure, from: c.Package.Source.URL, place: placeOf(o, python)}
			return nil
		})
	}
	return out, g.Wait()
}

// built is an installed wheel with what grouping needs to know.
type built struct {
	*wheel.Installed
	sha256 string
	size   int64
	pure   bool
	from   string // the URL that the lock has, of an index or of the file
	// project says that this is the application, not one of its dependencies.
	project bool
	// remembered are the topmost paths of a wheel that the cache knows, whose
	// files are not listed here; nil for all others.
	remembered []string
	// single is set for a wheel that the cache has alone; place is how the others
	// were installed.
	single *cache.Single
	place  cache.Place
	// home is where the lock, or the index that had it, is; private says that it is
	// not where most are.
	home    string
	private bool
}

// origin is set for packages that the lock has from a URL. That a file came from
// a path of the machine that built means nothing in the image.
func origin(p lock.Package, sha256 string) *wheel.Origin {
	if p.Source.Kind != lock.FromURL || p.Source.URL == "" {
		return nil
	}
	return &wheel.Origin{URL: p.Source.URL, SHA256: sha256}
}

func (s *store) read(got fetched, name string, scheme wheel.Scheme) (*wheel.Installed, error) {
	key := fmt.Sprintf("%s %s %v", got.sha256, name, scheme.Python)
	if scheme.Origin != nil {
		key += " " + scheme.Origin.URL
	}
	s.mu.Lock()
	in, ok := s.installed[key]
	s.mu.Unlock()
	if ok {
		return in, nil
	}
	f, err := os.Open(got.path)
	if err != nil {
		return nil, fmt.Errorf("opening wheel: %w", err)
	}
	in, err = wheel.Promise(f, got.size, name, scheme)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, f)
	if err != nil {
		return nil, failure.Wrap(failure.Answer, "report it to the project; nothing was built", err)
	}
	s.installed[key] = in
	return in, nil
}
