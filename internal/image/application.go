package image

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/image/project"
	"github.com/fairlead-ci/fairlead/internal/python/lock"
)

// application is the project's own part of the image.
type application struct {
	entries []layer.Entry
	// own is the project as installed, whose files are among the entries.
	own *built
	// locals are the installed folders that the project depends on; their files
	// are among the entries.
	locals []built
	// wheel is the prebuilt project, if that is what was given.
	wheel *built
	// pythonPath are absolute folders for PYTHONPATH.
	pythonPath []string
}

// defaultInclude are the files at the context's root that an installed package
// lacks and a server needs.
var defaultInclude = []string{"Procfile", "gunicorn.conf.py", "manage.py"}

// application collects the project and the folders that it depends on.
func (b *builder) application(f base.Facts, trees []lock.Package) (*application, error) {
	app, err := b.ownApplication(f)
	if err != nil {
		return nil, err
	}
	for _, p := range trees {
		l, err := b.local(p, f)
		if err != nil {
			return nil, err
		}
		if l.built != nil {
			app.locals = append(app.locals, *l.built)
		}
		app.entries = append(app.entries, l.entries...)
		app.pythonPath = append(app.pythonPath, l.path...)
	}
	return app, nil
}

// ownApplication decides how the project gets in, and collects it.
func (b *builder) ownApplication(f base.Facts) (*application, error) {
	if b.Wheel != "" {
		return b.prebuilt(f)
	}
	if b.Project == ProjectSource {
		return b.sources(f)
	}
	p, err := project.Read(b.tree)
	var why project.Unsupported
	switch {
	case errors.As(err, &why) && b.Project == ProjectPackage:
		return nil, failure.New(failure.Usage, "declare the packages under [tool.setuptools], give a wheel of the project, or use --project source",
			"installing the project: %s", cmp.Or(string(why), "there is no pyproject.toml with [project]"))
	case errors.As(err, &why):
		if why != "" {
			b.note("the project is copied as source: %s", why)
		}
		return b.sources(f)
	case err != nil:
		return nil, err
	}
	return b.installed(p, f)
}

// installed is the project as its build backend would install it, and the few
// files beside the packages that a server needs.
func (b *builder) installed(p *project.Project, f base.Facts) (*application, error) {
	w, err := b.pack(p, b.tree, f)
	if err != nil {
		return nil, err
	}
	app := &application{own: w, entries: entriesOf(w)}
	more, err := b.included()
	if err != nil {
		return nil, err
	}
	app.entries = append(app.entries, more...)
	return app, nil
}

// sources is the whole context in /app. Packages in a src folder are importable
// too, and what pyproject.toml declares (metadata, commands) is installed.
func (b *builder) sources(f base.Facts) (*application, error) {
	app := &application{entries: b.tree.all(appDir), pythonPath: importable(b.tree, appDir)}
	own, err := b.declared(b.tree, f)
	if err == nil && own != nil {
		app.own = own
		app.entries = append(app.entries, entriesOf(own)...)
	}
	return app, err
}

// included are the files beside the packages that package mode copies to /app.
func (b *builder) included() ([]layer.Entry, error) {
	patterns := b.Include
	if patterns == nil {
		patterns = defaultInclude
	}
	var out []layer.Entry
	for _, pattern := range patterns {
		if !fs.ValidPath(strings.TrimSuffix(pattern, "/")) {
			return nil, failure.New(failure.Usage, "patterns are relative to the context and stay inside it", "including %q: not a path inside the context", pattern)
		}
		found := false
		for name := range b.tree.files {
			if ok, err := matchTree(pattern, name); err != nil {
				return nil, failure.New(failure.Usage, "", "including %q: %w", pattern, err)
			} else if ok {
				found = true
				out = append(out, b.tree.entry(name, path.Join(appDir, name)))
			}
		}
		if !found && b.Include != nil {
			return nil, failure.New(failure.Usage, "check its name, and that .dockerignore does not list it", "including %q: there is no such file in the context", pattern)
		}
	}
	slices.SortFunc(out, func(a, c layer.Entry) int { return strings.Compare(a.Path, c.Path) })
	return slices.CompactFunc(out, func(a, c layer.Entry) bool { return a.Path == c.Path }), nil
}

// matchTree says whether a pattern names a file or a folder above it.
func matchTree(pattern, name string) (bool, error) {
	for p := name; p != "."; p = path.Dir(p) {
		if ok, err := path.Match(strings.TrimSuffix(pattern, "/"), p); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// app makes the application's layer.
func (w *workshop) app(a *application) (*layer.Layer, error) {
	entries := a.entries
	if !slices.ContainsFunc(entries, func(e layer.Entry) bool { return e.Path == appDir }) {
		entries = append(slices.Clone(entries), layer.Dir(appDir))
	}
	l, err := layer.FromEntries(entries, w.dir)
	if err != nil {
		return nil, fmt.Errorf("making the application's layer: %w", err)
	}
	l.From, l.Comment = "app", "the application"
	return l, nil
}
