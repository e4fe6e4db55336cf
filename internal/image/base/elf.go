package base

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// linker finds shared libraries as ld.so(8) does: an object's RPATH (and its
// loaders'), its RUNPATH, the system's cache, the default folders. It never
// runs the objects, as ldd would.
type linker struct {
	machine elf.Machine
	cache   map[string]string // soname → path, as ldconfig knows it
	// extra are folders outside the default ones in which a library was found
	// through the cache: the image has no cache and must be told.
	extra map[string]bool
}

// object is an ELF file's dynamic section.
type object struct {
	interp         string
	needed         []string
	rpath, runpath []string
}

func newLinker(ctx context.Context, interpreter string) (*linker, error) {
	f, err := elf.Open(interpreter)
	if err != nil {
		return nil, fmt.Errorf("reading the interpreter: %w", err)
	}
	defer func() { _ = f.Close() }()
	return &linker{machine: f.Machine, cache: ldconfig(ctx), extra: map[string]bool{}}, nil
}

// ldconfig lists the system's cache; without it (musl) the default folders do.
func ldconfig(ctx context.Context) map[string]string {
	cache := map[string]string{}
	for _, bin := range []string{"/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"} {
		out, err := exec.CommandContext(ctx, bin, "-p").Output()
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(out)) {
			left, file, ok := strings.Cut(strings.TrimSpace(line), " => ")
			name, _, _ := strings.Cut(left, " ")
			if _, known := cache[name]; ok && !known && filepath.IsAbs(file) {
				cache[name] = file
			}
		}
		return cache
	}
	return cache
}

func (l *linker) open(name string) (object, error) {
	f, err := elf.Open(name)
	if err != nil {
		return object{}, err
	}
	defer func() { _ = f.Close() }()
	if f.Machine != l.machine {
		return object{}, fmt.Errorf("%q is for another machine (%s)", name, f.Machine)
	}
	var o object
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < 4096 {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return object{}, err
			}
			o.interp = strings.TrimRight(string(b), "\x00")
		}
	}
	if o.needed, err = f.ImportedLibraries(); err != nil {
		return o, nil // a static program has no dynamic section
	}
	o.rpath = paths(f, elf.DT_RPATH, name)
	o.runpath = paths(f, elf.DT_RUNPATH, name)
	return o, nil
}

func paths(f *elf.File, tag elf.DynTag, name string) []string {
	values, err := f.DynString(tag)
	if err != nil {
		return nil
	}
	var out []string
	for _, v := range values {
		for p := range strings.SplitSeq(v, ":") {
			p = strings.NewReplacer("$ORIGIN", filepath.Dir(name), "${ORIGIN}", filepath.Dir(name), "$LIB", "lib", "${LIB}", "lib").Replace(p)
			if filepath.IsAbs(p) {
				out = append(out, filepath.Clean(p))
			}
		}
	}
	return out
}

var errNoLibrary = errors.New("shared library not found")

// closure returns the paths of everything that start needs to be loaded, start
// itself and its interpreter included.
func (l *linker) closure(start string) ([]string, error) {
	real, err := filepath.EvalSymlinks(start)
	if err != nil {
		return nil, fmt.Errorf("following %q: %w", start, err)
	}
	var out []string
	done := map[string]bool{}
	type job struct {
		file  string
		rpath []string // of the loaders, the nearest first
	}
	for todo := []job{{file: real}}; len(todo) > 0; {
		j := todo[0]
		todo = todo[1:]
		if done[j.file] {
			continue
		}
		done[j.file] = true
		out = append(out, j.file)
		// Not an object (a linker script, say): it can be taken, not followed.
		o, err := l.open(j.file)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", j.file, err)
		}
		if o.interp != "" && !done[o.interp] {
			done[o.interp] = true
			out = append(out, o.interp)
		}
		inherited := append(slices.Clone(o.rpath), j.rpath...)
		for _, name := range o.needed {
			file, err := l.find(name, o, inherited)
			if err != nil {
				return nil, fmt.Errorf("%q needs %q: %w", j.file, name, err)
			}
			todo = append(todo, job{file, inherited})
		}
	}
	return out, nil
}

// find looks a library up. RPATH counts only where RUNPATH is absent.
func (l *linker) find(name string, o object, rpath []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	var dirs []string
	if len(o.runpath) == 0 {
		dirs = append(dirs, rpath...)
	}
	dirs = append(dirs, o.runpath...)
	for _, d := range dirs {
		if l.usable(filepath.Join(d, name)) {
			return filepath.Join(d, name), nil
		}
	}
	if file, ok := l.cache[name]; ok && l.usable(file) {
		if !slices.Contains(l.defaults(), filepath.Dir(file)) {
			l.extra[filepath.Dir(file)] = true
		}
		return file, nil
	}
	for _, d := range l.defaults() {
		if l.usable(filepath.Join(d, name)) {
			return filepath.Join(d, name), nil
		}
	}
	return "", errNoLibrary
}

// defaults are the folders that loaders search without being told, on Debian
// (multiarch), Fedora (lib64) and Alpine (lib).
func (l *linker) defaults() []string {
	triplet := "x86_64-linux-gnu"
	if l.machine == elf.EM_AARCH64 {
		triplet = "aarch64-linux-gnu"
	}
	return []string{"/lib/" + triplet, "/usr/lib/" + triplet, "/lib64", "/usr/lib64", "/lib", "/usr/lib"}
}

func (l *linker) usable(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	_, err = l.open(file)
	return err == nil
}

// isELF tells programs from scripts.
func isELF(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	magic := make([]byte, len(elf.ELFMAG))
	if _, err := f.Read(magic); err != nil {
		return false, nil //nolint:nilerr // an empty file is no program
	}
	return string(magic) == elf.ELFMAG, nil
}
