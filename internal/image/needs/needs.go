// Package needs reads out of an image's own layers what they need of the base
// below: the tags of the wheels inside, the Pythons they are for, the shared
// libraries and versions of the C library that their code was linked with.
// Nothing is run.
//
// Sources: wheel specification 1.0 (WHEEL), core metadata (Requires-Python), ELF
// gABI and the GNU symbol versioning sections.
package needs

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/fairlead-ci/fairlead/internal/image/base"
	"github.com/fairlead-ci/fairlead/internal/python/tags"
	"github.com/fairlead-ci/fairlead/internal/python/version"
)

// Limits for what layers may make us read.
const (
	maxText    = 1 << 20
	maxLibrary = 1 << 30
	maxTotal   = 64 << 30
)

// Wheel is what an installed wheel's metadata says.
type Wheel struct {
	Tags           []string
	RequiresPython string
}

// Needs is what layers need of a base.
type Needs struct {
	Wheels map[string]Wheel // by the name of the metadata folder
	// Libraries are the shared libraries that code asks for and the layers do not
	// bring themselves, each with one of the files that ask.
	Libraries map[string]string
	// Glibc is the newest version of it that code asks for, and By the file; zero
	// where none does.
	Glibc [2]int
	By    string
}

// Read reads layers, the application's own.
func Read(layers []v1.Layer) (*Needs, error) {
	n := &Needs{Wheels: map[string]Wheel{}, Libraries: map[string]string{}}
	brought := map[string]bool{}
	for i, l := range layers {
		if err := n.layer(l, brought); err != nil {
			return nil, fmt.Errorf("reading layer %d of the application: %w", i+1, err)
		}
	}
	maps.DeleteFunc(n.Libraries, func(name, _ string) bool { return brought[name] })
	return n, nil
}

func (n *Needs) layer(l v1.Layer, brought map[string]bool) error {
	rc, err := l.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = rc.Close() }()
	for tr := tar.NewReader(io.LimitReader(rc, maxTotal)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Base(h.Name)
		if strings.Contains(name, ".so") {
			brought[name] = true
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		info := path.Base(path.Dir(h.Name))
		switch {
		case (name == "WHEEL" || name == "METADATA") && strings.HasSuffix(info, ".dist-info") && h.Size <= maxText:
			text, err := io.ReadAll(io.LimitReader(tr, maxText))
			if err != nil {
				return err
			}
			n.metadata(info, name, string(text))
		case h.Size >= 64 && h.Size <= maxLibrary:
			if err := n.code(h, tr, brought); err != nil {
				return err
			}
		}
	}
}

// metadata takes in the lines of a WHEEL or METADATA file that count.
func (n *Needs) metadata(info, file, text string) {
	w := n.Wheels[info]
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		key, value, ok := strings.Cut(line, ":")
		if line == "" {
			break
		}
		if value = strings.TrimSpace(value); !ok {
			continue
		}
		switch {
		case file == "WHEEL" && strings.EqualFold(key, "Tag") && len(w.Tags) < 1000:
			w.Tags = append(w.Tags, expand(value)...)
		case file == "METADATA" && strings.EqualFold(key, "Requires-Python"):
			w.RequiresPython = value
		}
	}
	n.Wheels[info] = w
}

// expand is a tag line as single tags: some builders write compressed sets.
func expand(tag string) []string {
	parts := strings.Split(tag, "-")
	if len(parts) != 3 {
		return nil
	}
	var out []string
	for _, py := range strings.Split(parts[0], ".") {
		for _, abi := range strings.Split(parts[1], ".") {
			for _, plat := range strings.Split(parts[2], ".") {
				if len(out) < 1000 {
					out = append(out, py+"-"+abi+"-"+plat)
				}
			}
		}
	}
	return out
}

// code looks into a file that begins as ELF does; what cannot be read as such is
// left alone: it would not be loaded either.
func (n *Needs) code(h *tar.Header, r io.Reader, brought map[string]bool) error {
	magic := make([]byte, 4)
	if _, err := io.ReadFull(r, magic); err != nil {
		return err
	}
	if string(magic) != elf.ELFMAG {
		return nil
	}
	rest, err := io.ReadAll(io.LimitReader(r, maxLibrary))
	if err != nil {
		return err
	}
	f, err := elf.NewFile(bytes.NewReader(append(magic, rest...)))
	if err != nil {
		return nil
	}
	if names, err := f.DynString(elf.DT_SONAME); err == nil {
		for _, s := range names {
			brought[s] = true
		}
	}
	libs, err := f.ImportedLibraries()
	if err != nil {
		return nil
	}
	for _, lib := range libs {
		if _, known := n.Libraries[lib]; !known {
			n.Libraries[lib] = h.Name
		}
	}
	versions, err := f.DynamicVersionNeeds()
	if err != nil {
		return nil
	}
	for _, v := range versions {
		for _, d := range v.Needs {
			if got, ok := glibc(d.Dep); ok && slices.Compare(got[:], n.Glibc[:]) > 0 {
				n.Glibc, n.By = got, h.Name
			}
		}
	}
	return nil
}

// glibc reads "GLIBC_2.28".
func glibc(dep string) ([2]int, bool) {
	rest, ok := strings.CutPrefix(dep, "GLIBC_")
	major, minor, _ := strings.Cut(rest, ".")
	minor, _, _ = strings.Cut(minor, ".") // 2.2.5
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	return [2]int{a, b}, ok && errA == nil && errB == nil
}

// Base is what is below, as far as it counts here.
type Base struct {
	Facts     base.Facts
	Libraries base.Libraries
}

// Hinders says why layers that ran on one base cannot run on another; none: they
// can. What the old base did not have either is no reason.
func (n *Needs) Hinders(from, to Base) ([]string, error) {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	a, b := from.Facts.Target, to.Facts.Target
	if a.Arch != b.Arch {
		add("it is for %s, the image for %s", b.Arch, a.Arch)
	}
	if a.Python != b.Python || a.FreeThreaded != b.FreeThreaded {
		add("it has CPython %s, the image's packages are installed for %s", pythonOf(b), pythonOf(a))
	}
	if a.Libc != b.Libc {
		add("its C library is %s, the image's packages need %s", b.Libc, a.Libc)
	}
	if len(out) > 0 {
		return out, nil // what follows would say the same again, package by package
	}
	before, err := tags.Supported(a)
	if err != nil {
		return nil, err
	}
	after, err := tags.Supported(b)
	if err != nil {
		return nil, err
	}
	was, is := tags.Index(before), tags.Index(after)
	accepts := func(rank map[string]int, tags []string) bool {
		return slices.ContainsFunc(tags, func(t string) bool { _, ok := rank[t]; return ok })
	}
	full, errFull := version.Parse(b.FullVersion)
	for _, name := range slices.Sorted(maps.Keys(n.Wheels)) {
		w := n.Wheels[name]
		what := strings.TrimSuffix(name, ".dist-info")
		// Some wheels are tagged inside as they were built, not as they were
		// published: what the old base did not accept says nothing of the new one.
		if accepts(was, w.Tags) && !accepts(is, w.Tags) {
			add("%s is built for %s, which %s %d.%d does not run", what, strings.Join(w.Tags, ", "), b.Libc, b.LibcVersion[0], b.LibcVersion[1])
		}
		if spec, err := version.ParseSpecifiers(w.RequiresPython); err == nil && errFull == nil && w.RequiresPython != "" && !spec.Contains(full, true) {
			add("%s needs Python %s, it has %s", what, w.RequiresPython, b.FullVersion)
		}
	}
	if b.Libc == "glibc" && slices.Compare(n.Glibc[:], b.LibcVersion[:]) > 0 {
		add("%s needs glibc %d.%d, it has %d.%d", n.By, n.Glibc[0], n.Glibc[1], b.LibcVersion[0], b.LibcVersion[1])
	}
	for _, lib := range slices.Sorted(maps.Keys(n.Libraries)) {
		if from.Libraries[lib] && !to.Libraries[lib] {
			add("%s needs %s, which it does not have", n.Libraries[lib], lib)
		}
	}
	return out, nil
}

func pythonOf(t tags.Target) string {
	s := fmt.Sprintf("%d.%d", t.Python[0], t.Python[1])
	if t.FreeThreaded {
		s += " (free-threaded)"
	}
	return s
}
