package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/image/project"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// membersDir is where source trees go that the project depends on.
const membersDir = appDir + "/.members"

// divide tells packages that wheels bring from folders of the repository: other
// members of the workspace, path dependencies. The project itself is neither.
func (b *builder) divide(l placed, selected []lock.Package) (wheels, trees []lock.Package, err error) {
	for _, p := range selected {
		switch {
		case !isTree(p):
			wheels = append(wheels, p)
			continue
		case p.Source.Subdirectory != "":
			p.Source.Path = path.Join(p.Source.Path, p.Source.Subdirectory)
		}
		dir := filepath.Join(l.dir, filepath.FromSlash(p.Source.Path))
		if filepath.IsAbs(p.Source.Path) {
			dir = p.Source.Path
		}
		own, err := relative(b.project, dir)
		if err != nil {
			return nil, nil, err
		}
		if own == "." {
			continue
		}
		inside, err := relative(repositoryOf(l.dir), dir)
		if err != nil {
			return nil, nil, err
		}
		if inside == ".." || strings.HasPrefix(inside, "../") {
			return nil, nil, failure.New(failure.Usage, "what an image is made of has to be in the repository, or locked with a hash",
				"%s: %s is the folder %q, outside the repository", p.At(), p.Name, p.Source.Path)
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, nil, failure.New(failure.Usage, "check the repository out whole, or lock a release of it", "%s: %s is the folder %q, which is not there", p.At(), p.Name, p.Source.Path)
		}
		p.Source.Path = dir
		trees = append(trees, p)
	}
	return wheels, trees, nil
}

// local is a folder of the repository as it enters an image.
type local struct {
	built   *built // as installed; nil for sources that say nothing of themselves
	entries []layer.Entry
	path    []string // absolute folders for PYTHONPATH, of sources that are copied
}

// local brings in a folder that the project depends on: installed where its
// installation is known, else as source.
func (b *builder) local(p lock.Package, f base.Facts) (*local, error) {
	t, err := b.subtree(p.Source.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", p.At(), p.Name, err)
	}
	pr, err := project.Read(t)
	var why project.Unsupported
	switch {
	case errors.As(err, &why):
		if why == "" {
			why = "it has no pyproject.toml with [project]"
		}
		b.note("%s is copied as source: %s", p.Name, string(why))
		dest := path.Join(membersDir, p.Name)
		l := &local{entries: t.all(dest), path: importable(t, dest)}
		if l.built, err = b.declared(t, f); err == nil && l.built != nil {
			l.entries = append(l.entries, entriesOf(l.built)...)
		}
		return l, err
	case err != nil:
		return nil, fmt.Errorf("%s: %s: %w", p.At(), p.Name, err)
	}
	w, err := b.pack(pr, t, f)
	if err != nil {
		return nil, err
	}
	return &local{built: w, entries: entriesOf(w)}, nil
}

// declared installs what a copied project says of itself; nil if that is not to
// be read.
func (b *builder) declared(t *tree, f base.Facts) (*built, error) {
	p, ok := project.Declared(t)
	if !ok {
		return nil, nil
	}
	return b.pack(p, t, f)
}

// subtree opens and lists a folder of the repository, once.
func (b *builder) subtree(dir string) (*tree, error) {
	if t, ok := b.trees[dir]; ok {
		return t, nil
	}
	t, err := openTree(dir)
	if err != nil {
		return nil, err
	}
	b.trees[dir] = t
	return t, t.scan()
}

// pack makes a wheel of a project and installs it.
func (b *builder) pack(p *project.Project, t *tree, f base.Facts) (*built, error) {
	b.result.Notes = append(b.result.Notes, p.Notes...)
	file, err := os.CreateTemp(b.work, "project-*.whl")
	if err != nil {
		return nil, fmt.Errorf("packing the project: %w", err)
	}
	b.store.open = append(b.store.open, file)
	if err := p.WriteWheel(t, file); err != nil {
		return nil, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("packing the project: %w", err)
	}
	in, err := wheel.Install(file, size, p.Filename(), wheel.Scheme{Prefix: "/" + venvDir, Python: f.Target.Python})
	if err != nil {
		return nil, failure.Wrap(failure.Answer, "", fmt.Errorf("installing the project: %w", err))
	}
	return &built{Installed: in, pure: true}, nil
}

func entriesOf(w *built) []layer.Entry {
	var out []layer.Entry
	for _, file := range w.Files {
		out = append(out, layer.Entry{Path: venvDir + "/" + file.Path, Mode: file.Mode.Perm(), Size: file.Size, Open: file.Open})
	}
	return out
}

// importable are the folders of copied sources that Python has to search: the
// folder itself, and src where packages are in it.
func importable(t *tree, dest string) []string {
	for name := range t.files {
		if strings.HasPrefix(name, "src/") && strings.HasSuffix(name, ".py") {
			return []string{"/" + dest, "/" + dest + "/src"}
		}
	}
	return []string{"/" + dest}
}
