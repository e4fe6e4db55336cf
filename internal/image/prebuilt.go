package image

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/tags"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// prebuilt installs a wheel of the project, which its author built. With project
// source the folder is copied, too, for what is beside the packages.
func (b *builder) prebuilt(f base.Facts) (*application, error) {
	name, err := b.ownWheel(f.Target)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, failure.New(failure.Usage, "", "opening the project's wheel: %w", err)
	}
	b.store.open = append(b.store.open, file)
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the project's wheel: %w", err)
	}
	sum, err := hashFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the project's wheel: %w", err)
	}
	n, err := wheel.ParseName(filepath.Base(name))
	if err != nil {
		return nil, failure.Wrap(failure.Usage, "", err)
	}
	in, err := wheel.Install(file, info.Size(), filepath.Base(name), wheel.Scheme{Prefix: "/" + venvDir, Python: f.Target.Python})
	if err != nil {
		return nil, failure.Wrap(failure.Answer, "", err)
	}
	// Its size does not count: the project gets a layer of its own.
	app := &application{wheel: &built{Installed: in, sha256: sum, size: max(info.Size(), ownLayerSize), pure: pure(n.Tags)}}
	if b.Project != ProjectSource {
		app.entries, err = b.included()
		return app, err
	}
	rel, err := relative(b.project, filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	app.entries = slices.DeleteFunc(b.tree.all(appDir), func(e layer.Entry) bool {
		return path.Dir(e.Path) == path.Join(appDir, rel) && strings.HasSuffix(e.Path, ".whl")
	})
	return app, nil
}

// ownWheel is the file that --wheel means for a target: the one, or among those
// that the pattern matches the best for the target.
func (b *builder) ownWheel(t tags.Target) (string, error) {
	pattern := b.Wheel
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(b.project, pattern)
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", failure.New(failure.Usage, "", "--wheel %q: %w", b.Wheel, err)
	}
	if len(found) == 0 {
		return "", failure.New(failure.Usage, "build it before: python -m build --wheel, or uv build --wheel", "opening the project's wheel: there is no file %q", b.Wheel)
	}
	supported, err := tags.Supported(t)
	if err != nil {
		return "", fmt.Errorf("choosing the project's wheel: %w", err)
	}
	rank := tags.Index(supported)
	best, least, what := "", 0, ""
	var seen []string
	for _, file := range found {
		n, err := wheel.ParseName(filepath.Base(file))
		if err != nil {
			return "", failure.Wrap(failure.Usage, "", err)
		}
		id := requirement.NormalizeName(n.Dist) + " " + n.Version
		if what != "" && id != what {
			return "", failure.New(failure.Usage, "remove the old one, or name one file", "--wheel %q means wheels of %s and of %s", b.Wheel, what, id)
		}
		what = id
		seen = append(seen, filepath.Base(file))
		for _, tag := range n.Tags {
			if r, ok := rank[tag]; ok && (best == "" || r < least) {
				best, least = file, r
			}
		}
	}
	if best == "" {
		return "", failure.New(failure.Usage, "build one for it, or build one platform at a time", "the project's wheel is not for %s: %s\n  tried: %s", t, strings.Join(seen, ", "), tried(t))
	}
	return best, nil
}
