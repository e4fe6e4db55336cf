package pin

import (
	"io"
	"io/fs"
	"path"

	"github.com/fairlead-ci/fairlead/internal/python/requirement"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// Limits of what is read of folders with wheels, and of what is kept of them.
const (
	maxWheels    = 2000
	maxWheel     = 256 << 20
	maxKeptNeeds = 8 << 20
)

// wheelhouses are folders with wheels, each read once: many requirements files
// name the same ones. It serves one goroutine.
type wheelhouses struct {
	fsys    fs.FS
	folders map[string]wheelhouse
	bytes   int // of what is kept
}

// wheelhouse is what the wheels of a folder need, by name==version.
type wheelhouse map[string][]string

func (h wheelhouse) size() int {
	n := 0
	for key, lines := range h {
		n += len(key)
		for _, l := range lines {
			n += len(l)
		}
	}
	return n
}

func newWheelhouses(fsys fs.FS) *wheelhouses {
	return &wheelhouses{fsys: fsys, folders: map[string]wheelhouse{}}
}

// in are those of some folders that have wheels. One that is not there, or has
// none, is nothing.
func (w *wheelhouses) in(folders []string) []wheelhouse {
	var out []wheelhouse
	for _, dir := range folders {
		h, known := w.folders[dir]
		if !known {
			h = w.read(dir)
			if n := w.bytes + len(dir) + h.size(); n <= maxKeptNeeds { // else it is read again
				w.folders[dir], w.bytes = h, n
			}
		}
		if len(h) > 0 {
			out = append(out, h)
		}
	}
	return out
}

// read reads what the wheels of a folder need. One that cannot be read says
// nothing here; who installs it will.
func (w *wheelhouses) read(dir string) wheelhouse {
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		return nil
	}
	out := wheelhouse{}
	for i, e := range entries {
		if i == maxWheels {
			break
		}
		if n, err := wheel.ParseName(e.Name()); err == nil && e.Type().IsRegular() {
			if m, err := w.metadata(path.Join(dir, e.Name())); err == nil {
				out[n.NormalizedDist()+"=="+m.Version] = m.Requires
			}
		}
	}
	return out
}

func (w *wheelhouses) metadata(name string) (wheel.Metadata, error) {
	f, err := w.fsys.Open(name)
	if err != nil {
		return wheel.Metadata{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return wheel.Metadata{}, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok || info.Size() > maxWheel {
		return wheel.Metadata{}, errTooLarge
	}
	return wheel.ReadMetadata(r, info.Size(), path.Base(name))
}

// known is metadata from wheels at hand and from answers.
type known struct {
	local   []wheelhouse // of two with the same wheel the later counts
	answers *answers
}

// Requires implements lock.Metadata.
func (k known) Requires(name, version string) ([]requirement.Requirement, bool) {
	lines, ok := k.wheel(name + "==" + version)
	if !ok {
		a, asked := k.answers.requires[name+"=="+version]
		if !asked || a.err != nil {
			return nil, false
		}
		lines = a.value
	}
	var out []requirement.Requirement
	for _, s := range lines {
		r, err := requirement.Parse(s)
		if err != nil {
			return nil, false
		}
		out = append(out, r)
	}
	return out, true
}

func (k known) wheel(key string) ([]string, bool) {
	for i := len(k.local) - 1; i >= 0; i-- {
		if lines, ok := k.local[i][key]; ok {
			return lines, true
		}
	}
	return nil, false
}
