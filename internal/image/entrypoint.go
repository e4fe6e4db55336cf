package image

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/image/start"
)

// launcher is the program that starts the image's processes.
const launcher = venvDir + "/bin/fairlead-start"

// labelProcess names the labels that say which processes there are.
const labelProcess = "dev.fairlead.process."

// starts settles how the image starts. commands are those in the virtual
// environment, nil while wheels are only planned.
func (b *builder) starts(app *application, site string, locked func(string) bool, commands []string) (start.Plan, error) {
	in := start.Input{Entrypoint: b.Entrypoint, Extra: b.Processes, Locked: locked, Commands: commands, Bin: "/" + venvDir + "/bin", Modules: app.modules(site)}
	raw, err := b.tree.Read("Procfile")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return start.Plan{}, failure.New(failure.Usage, "", "reading Procfile: %w", err)
	}
	in.Procfile = raw
	return start.Find(in)
}

// modules are the application's Python modules, as the image imports them: from
// site-packages, the folders of PYTHONPATH and /app.
func (a *application) modules(site string) []start.Module {
	var roots []string // in the order of sys.path
	for _, p := range a.pythonPath {
		roots = append(roots, strings.TrimPrefix(p, "/"))
	}
	if !slices.Contains(roots, appDir) {
		roots = append(roots, appDir)
	}
	roots = append(roots, site)
	entries := slices.Clone(a.entries)
	if a.wheel != nil {
		entries = append(entries, entriesOf(a.wheel)...)
	}
	var out []start.Module
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Path, ".py")
		if !ok || e.Open == nil || e.Size > maxSource {
			continue
		}
		root := ""
		for _, r := range roots { // the longest: src/shop is shop, not src.shop
			if strings.HasPrefix(name, r+"/") && len(r) > len(root) {
				root = r
			}
		}
		if root == "" {
			continue
		}
		m := start.Module{Path: shownPath(e.Path, site), Root: "/" + root, Read: func() ([]byte, error) { return readEntry(e) }}
		name, m.Package = strings.CutSuffix(name[len(root)+1:], "/__init__")
		m.Name = strings.ReplaceAll(name, "/", ".")
		out = append(out, m)
	}
	slices.SortStableFunc(out, func(x, y start.Module) int {
		at := func(m start.Module) int { return slices.Index(roots, m.Root[1:]) }
		return cmp.Or(strings.Compare(x.Name, y.Name), cmp.Compare(at(x), at(y)))
	})
	return slices.CompactFunc(out, func(x, y start.Module) bool { return x.Name == y.Name })
}

// maxSource bounds a source file that is looked into.
const maxSource = 4 << 20

// shownPath is a file of the image as its author knows it.
func shownPath(name, site string) string {
	if rest, ok := strings.CutPrefix(name, site+"/"); ok {
		return rest
	}
	return strings.TrimPrefix(name, appDir+"/")
}

func readEntry(e layer.Entry) ([]byte, error) {
	r, err := e.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(io.LimitReader(r, maxSource))
}

// lockedIn says which packages a selection has.
func lockedIn(choices []Choice) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(choices, func(c Choice) bool { return c.Name == name })
	}
}

// siteOf is the folder of packages for a Python.
func siteOf(python [2]int) string { return path.Join(venvDir, "lib", minorOf(python), "site-packages") }
