package image

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/image/layer"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// Grouping of wheels into layers (a pure function of the selection): large ones
// alone, so that one changed pin costs one layer; the rest together, for the
// runtimes' limits on the number of layers.
const (
	ownLayerSize = 512 << 10
	maxOwnLayers = 24
	// maxLayers is a budget below the limits of all runtimes (127 in containerd,
	// docker and CRI-O), with room for images built on top.
	maxLayers = 100
	// otherLayers are the virtual environment, two groups, the project as a wheel
	// and the application. (Two groups of private packages take of the room.)
	otherLayers = 5
)

// groups orders wheels into layers: the large ones by name, then the small ones
// that fit every platform, then the small ones that do not; private ones come
// last, in groups of their own. below is the number of the base's layers.
func groups(all []built, below int) [][]built {
	own := aloneMost(below)
	var large, small []built
	for _, b := range all {
		if b.size >= ownLayerSize {
			large = append(large, b)
		} else {
			small = append(small, b)
		}
	}
	slices.SortFunc(large, func(a, b built) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.Name, b.Name))
	})
	if len(large) > own {
		small = append(small, large[own:]...)
		large = large[:own]
	}
	byName := func(a, b built) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(large, byName)
	slices.SortFunc(small, byName)
	var out [][]built
	for _, b := range large {
		out = append(out, []built{b})
	}
	for _, private := range []bool{false, true} {
		for _, pure := range []bool{true, false} {
			g := slices.DeleteFunc(slices.Clone(small), func(b built) bool { return b.private != private || b.pure != pure })
			if len(g) > 0 {
				out = append(out, g)
			}
		}
	}
	return out
}

// aloneMost is how many wheels get a layer of their own.
func aloneMost(below int) int { return min(maxOwnLayers, max(0, maxLayers-otherLayers-below)) }

// Group is a planned layer of wheels.
type Group struct {
	Wheels []string `json:"wheels"`
	Why    string   `json:"why"`
}

// planLayers says which wheels share a layer, and why.
func (b *builder) planLayers(p string, choices []Choice) {
	var all []built
	unknown := false
	for _, c := range choices {
		unknown = unknown || c.Size == 0
		all = append(all, built{Installed: &wheel.Installed{Filename: c.Wheel, Name: c.Name, Version: c.Version}, size: c.Size, pure: c.pure, home: b.homeOf(c)})
	}
	setApart(all)
	i := slices.IndexFunc(b.result.Platforms, func(r Platform) bool { return r.Platform == p })
	for _, g := range groups(all, b.below(p)) {
		planned := Group{Why: why(g)}
		for _, w := range g {
			planned.Wheels = append(planned.Wheels, w.Filename)
		}
		b.result.Platforms[i].Groups = append(b.result.Platforms[i].Groups, planned)
	}
	if unknown {
		b.note("the index does not say how large every wheel is: which ones get a layer of their own shows when they are there")
	}
}

// why is the reason for a group of groups.
func why(g []built) string {
	switch {
	case len(g) == 1 && g[0].size >= ownLayerSize:
		return fmt.Sprintf("alone: %s, so that another version costs no more than itself", quantity(g[0].size))
	case g[0].private && g[0].pure:
		return "together: small, the same on every platform, and private (" + homesOf(g) + "): they change apart from the others"
	case g[0].private:
		return "together: small, for this platform, and private (" + homesOf(g) + "): they change apart from the others"
	case g[0].pure:
		return "together: small, and the same on every platform"
	}
	return "together: small, and for this platform"
}

// workshop makes layers, each once: platforms share those of equal content.
type workshop struct {
	dir  string
	made map[string]*layer.Layer
	told func(Moving)
}

func (w *workshop) wheels(group []built, python [2]int) (*layer.Layer, error) {
	var keys []string
	var in []*wheel.Installed
	for _, b := range group {
		keys = append(keys, b.sha256+" "+b.Filename+" "+b.from)
		in = append(in, b.Installed)
	}
	key := fmt.Sprintf("%v %s", python, strings.Join(keys, " "))
	if l, ok := w.made[key]; ok {
		return l, nil
	}
	m := Moving{Doing: "make", Name: key, Label: group[0].Name, Size: int64(len(group))}
	if len(group) > 1 {
		m.Label = plural(len(group), "small wheel", "small wheels")
	}
	w.told(m)
	l, err := layer.FromWheels(in, venvDir, w.dir)
	m.Over = true
	w.told(m)
	if err != nil {
		return nil, fmt.Errorf("making the layer of %s: %w", strings.Join(names(group), ", "), err)
	}
	l.From, l.Comment = "wheels", "wheels: "+strings.Join(names(group), ", ")
	w.made[key] = l
	return l, nil
}

func names(group []built) []string {
	var out []string
	for _, b := range group {
		out = append(out, b.Name+" "+b.Version)
	}
	return out
}

// venvComment begins the skeleton's line in an image's history.
const venvComment = "virtual environment for CPython "

// venv makes the skeleton of the virtual environment (PEP 405): what makes
// Python believe in it, without activate scripts.
func (w *workshop) venv(f base.Facts) (*layer.Layer, error) {
	key := "venv " + f.Interpreter + " " + f.Target.FullVersion
	if l, ok := w.made[key]; ok {
		return l, nil
	}
	minor := minorOf(f.Target.Python)
	cfg := fmt.Sprintf("home = %s\ninclude-system-site-packages = false\nversion = %s\n", path.Dir(f.Interpreter), f.Target.FullVersion)
	l, err := layer.FromEntries([]layer.Entry{
		layer.File(venvDir+"/pyvenv.cfg", []byte(cfg), false),
		layer.Symlink(venvDir+"/bin/python", f.Interpreter),
		layer.Symlink(venvDir+"/bin/python3", "python"),
		layer.Symlink(venvDir+"/bin/"+minor, "python"),
		layer.Dir(siteOf(f.Target.Python)),
		layer.Symlink(venvDir+"/lib64", "lib"),
	}, w.dir)
	if err != nil {
		return nil, fmt.Errorf("making the virtual environment: %w", err)
	}
	l.From, l.Comment = "venv", venvComment+f.Target.FullVersion
	w.made[key] = l
	return l, nil
}

// minorOf is a Python as files are named after it: "python3.13".
func minorOf(python [2]int) string { return fmt.Sprintf("python%d.%d", python[0], python[1]) }

// disagree refuses wheels that install different files at one path: which one
// would win depends on the installer.
func disagree(all []built) error {
	var in []*wheel.Installed
	for _, b := range all {
		in = append(in, b.Installed)
	}
	found := wheel.Collisions(in)
	if len(found) == 0 {
		return nil
	}
	var b strings.Builder
	const most = 10
	for i, c := range found {
		if i == most {
			fmt.Fprintf(&b, "\n  and %d more", len(found)-most)
			break
		}
		fmt.Fprintf(&b, "\n  %q is in %s and %s", c.Path, c.Wheels[0], c.Wheels[1])
	}
	return failure.New(failure.Answer, "remove one of the packages: with pip, the one installed last would win", "installing: wheels bring different files of the same name:%s", b.String())
}
