package lock

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/python/document"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/version"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// pylock is PEP 751 as pypa/packaging validates it (pylock.py). Tables that the
// specification leaves to tools are not read.
type pylock struct {
	LockVersion    *string         `toml:"lock-version"`
	CreatedBy      *string         `toml:"created-by"`
	RequiresPython string          `toml:"requires-python"`
	Environments   []string        `toml:"environments"`
	Extras         []string        `toml:"extras"`
	Groups         []string        `toml:"dependency-groups"`
	DefaultGroups  []string        `toml:"default-groups"`
	Packages       []pylockPackage `toml:"packages"`
}

type pylockPackage struct {
	Name           *string      `toml:"name"`
	Version        string       `toml:"version"`
	Marker         string       `toml:"marker"`
	RequiresPython string       `toml:"requires-python"`
	Index          string       `toml:"index"`
	Dependencies   []pylockEdge `toml:"dependencies"`
	VCS            *pylockVCS   `toml:"vcs"`
	Directory      *struct {
		Path         string `toml:"path"`
		Editable     bool   `toml:"editable"`
		Subdirectory string `toml:"subdirectory"`
	} `toml:"directory"`
	Archive      *pylockFile      `toml:"archive"`
	Sdist        *pylockFile      `toml:"sdist"`
	Wheels       []pylockFile     `toml:"wheels"`
	Attestations []map[string]any `toml:"attestation-identities"`
}

type pylockEdge struct {
	Name    string `toml:"name"`
	Version string `toml:"version"`
}

type pylockVCS struct {
	Type         string `toml:"type"`
	URL          string `toml:"url"`
	Path         string `toml:"path"`
	Ref          string `toml:"requested-revision"`
	Commit       string `toml:"commit-id"`
	Subdirectory string `toml:"subdirectory"`
}

type pylockFile struct {
	Name         string            `toml:"name"`
	UploadTime   any               `toml:"upload-time"`
	URL          string            `toml:"url"`
	Path         string            `toml:"path"`
	Size         int64             `toml:"size"`
	Hashes       map[string]string `toml:"hashes"`
	Subdirectory string            `toml:"subdirectory"`
}

func (l *Lock) readPylock(data []byte) error {
	var y pylock
	if err := document.TOML(l.Path, data, &y); err != nil {
		return err
	}
	switch {
	case y.LockVersion == nil:
		return fmt.Errorf("%s:1:1: lock-version is missing", l.Path)
	case y.CreatedBy == nil:
		return fmt.Errorf("%s:1:1: created-by is missing", l.Path)
	}
	v, err := version.Parse(*y.LockVersion)
	if err != nil || v.Release(0) != 1 {
		return fmt.Errorf("%s: lock-version %q is not known here; 1.0 is", l.Path, *y.LockVersion)
	}
	if y.Packages == nil && !strings.Contains(string(data), "packages") {
		return fmt.Errorf("%s:1:1: packages is missing", l.Path)
	}
	l.Version, l.Generator, l.RequiresPython = *y.LockVersion, *y.CreatedBy, y.RequiresPython
	l.Extras, l.Groups, l.DefaultGroups = normalAll(y.Extras), normalAll(y.Groups), normalAll(y.DefaultGroups)
	if y.RequiresPython != "" {
		if _, err := version.ParseSpecifiers(y.RequiresPython); err != nil {
			return fmt.Errorf("%s: requires-python: %w", l.Path, err)
		}
	}
	for i, s := range y.Environments {
		m, err := marker(s)
		if err != nil {
			return fmt.Errorf("%s: environments[%d]: %w", l.Path, i, err)
		}
		l.environments = append(l.environments, m)
	}
	w := where{l.Path, document.TableArray(data, "packages")}
	for i, yp := range y.Packages {
		if yp.Name == nil {
			return w.errorf(i, "packages[%d].name is missing", i)
		}
		p, err := w.newPackage(i, *yp.Name, yp.Version)
		if err != nil {
			return err
		}
		if p.Name != *yp.Name {
			return w.errorf(i, "packages[%d].name: %q is not normalised; it is %q", i, *yp.Name, p.Name)
		}
		if p.Marker, err = marker(yp.Marker); err != nil {
			return w.errorf(i, "packages[%d].marker: %w", i, err)
		}
		if err := yp.source(&p, i); err != nil {
			return w.errorf(i, "%w", err)
		}
		for _, d := range yp.Dependencies {
			p.Dependencies = append(p.Dependencies, Dependency{Name: requirement.NormalizeName(d.Name), Version: d.Version})
		}
		p.RequiresPython, p.Main, p.Groups = yp.RequiresPython, true, l.Groups
		l.Packages = append(l.Packages, p)
	}
	return nil
}

// source reads where the package comes from: sdist and wheels, or exactly one of
// vcs, directory and archive.
func (yp pylockPackage) source(p *Package, i int) error {
	at := func(field, format string, args ...any) error {
		return fmt.Errorf("packages[%d].%s: "+format, append([]any{i, field}, args...)...)
	}
	kinds := 0
	for _, has := range []bool{yp.VCS != nil, yp.Directory != nil, yp.Archive != nil, yp.Sdist != nil || len(yp.Wheels) > 0} {
		if has {
			kinds++
		}
	}
	if kinds != 1 {
		return fmt.Errorf("packages[%d]: it needs exactly one of vcs, directory, archive, or sdist and wheels", i)
	}
	for k, a := range yp.Attestations {
		if text(a["kind"]) == "" {
			return at(fmt.Sprintf("attestation-identities[%d]", k), "kind is missing")
		}
	}
	switch {
	case yp.VCS != nil:
		v := yp.VCS
		if v.Type == "" || v.Commit == "" || v.URL == "" && v.Path == "" {
			return at("vcs", "it needs type, commit-id and url or path")
		}
		p.Source = Source{Kind: FromVCS, VCS: v.Type, URL: v.URL, Path: v.Path, Ref: v.Ref, Commit: v.Commit, Subdirectory: v.Subdirectory}
	case yp.Directory != nil:
		if yp.Directory.Path == "" {
			return at("directory", "path is missing")
		}
		p.Source = Source{Kind: FromDirectory, Path: yp.Directory.Path, Subdirectory: yp.Directory.Subdirectory}
		if yp.Directory.Editable {
			p.Source.Kind = FromEditable
		}
	case yp.Archive != nil:
		f, err := yp.Archive.file()
		if err != nil {
			return at("archive", "%w", err)
		}
		p.Source = Source{Kind: FromURL, URL: f.URL, Path: f.Path, Subdirectory: yp.Archive.Subdirectory}
		if f.URL == "" {
			p.Source.Kind = FromPath
		}
		p.addFile(f)
	default:
		p.Source = Source{Kind: FromIndex, URL: yp.Index}
		if yp.Sdist != nil {
			f, err := yp.Sdist.file()
			if err != nil {
				return at("sdist", "%w", err)
			}
			if !strings.HasSuffix(f.Name, ".tar.gz") && !strings.HasSuffix(f.Name, ".zip") {
				return at("sdist", "%q is no name of a source distribution", f.Name)
			}
			p.addFile(f)
		}
		for k, yw := range yp.Wheels {
			f, err := yw.file()
			if err != nil {
				return at(fmt.Sprintf("wheels[%d]", k), "%w", err)
			}
			n, err := wheel.ParseName(f.Name)
			if err != nil || n.NormalizedDist() != p.Name {
				return at(fmt.Sprintf("wheels[%d].name", k), "%q is no wheel of %s", f.Name, p.Name)
			}
			if p.Version != "" && !sameVersion(n.Version, p.Version) {
				return at(fmt.Sprintf("wheels[%d].name", k), "%q is not of version %s", f.Name, p.Version)
			}
			p.addFile(f)
		}
	}
	return nil
}

func (f pylockFile) file() (File, error) {
	if f.URL == "" && f.Path == "" {
		return File{}, fmt.Errorf("it needs url or path")
	}
	if len(f.Hashes) == 0 {
		return File{}, fmt.Errorf("hashes are missing")
	}
	out := File{Name: f.Name, URL: f.URL, Path: f.Path, Size: f.Size, Uploaded: timeOf(f.UploadTime)}
	if out.Name == "" {
		out.Name = baseName(f.Path)
		if f.Path == "" {
			out.Name = baseName(f.URL)
		}
	}
	for _, algo := range sortedKeys(f.Hashes) {
		h, err := newHash(algo, f.Hashes[algo])
		if err != nil {
			return File{}, fmt.Errorf("hashes: %w", err)
		}
		out.Hashes = append(out.Hashes, h)
	}
	if out.Size < 0 || slices.Contains([]string{"", ".", "/"}, out.Name) {
		return File{}, fmt.Errorf("name or size make no sense")
	}
	return out, nil
}
