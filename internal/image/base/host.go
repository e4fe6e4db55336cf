package base

import (
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/image/layer"
)

// Host assembles a base image of one layer from this machine: its CPython, the
// standard library, the shared libraries they need, a shell, certificates and
// the few files that programs expect in /etc. Everything keeps its path and
// becomes readable by everybody. The same machine gives the same image; another
// machine gives another one, so such an image is for trying out and testing.
//
// python is the interpreter to ask ("python3"); dir keeps the layer's file.
// cache, if not empty, is a folder that keeps the layer for the next time.
func Host(ctx context.Context, python, dir, cache string) (v1.Image, Facts, error) {
	p, err := probe(ctx, python)
	if err != nil {
		return nil, Facts{}, err
	}
	t := newTree()
	l, err := newLinker(ctx, p.Executable)
	if err != nil {
		return nil, Facts{}, err
	}
	if err := addProgram(t, l, p.Executable); err != nil {
		return nil, Facts{}, err
	}
	if err := addStdlib(t, p.Stdlib); err != nil {
		return nil, Facts{}, err
	}
	notes, err := addExtensions(t, l, p.Dynload)
	if err != nil {
		return nil, Facts{}, err
	}
	addSystem(t, l)
	made, err := pack(t, dir, cache)
	if err != nil {
		return nil, Facts{}, fmt.Errorf("making the base layer: %w", err)
	}
	img, err := assemble(p, l, made)
	if err != nil {
		return nil, Facts{}, fmt.Errorf("making the base image: %w", err)
	}
	facts, err := Inspect(img)
	facts.Notes = append(facts.Notes, notes...)
	return img, facts, err
}

// pack makes the layer, or takes the one that was made of the same files.
func pack(t *tree, dir, cache string) (*layer.Layer, error) {
	file := filepath.Join(cache, "host-"+layer.LayoutVersion+"-"+t.key()+".tar.gz")
	if cache != "" {
		if l, err := layer.Kept(file, dir); err == nil {
			return l, nil
		}
	}
	l, err := layer.FromEntries(t.list(), dir)
	if err == nil && cache != "" {
		// That it cannot be kept costs time, not correctness.
		_ = l.Keep(file)
	}
	return l, err
}

// addProgram takes in a program, its loader and its libraries.
func addProgram(t *tree, l *linker, file string) error {
	parts, err := l.closure(file)
	if err != nil {
		return fmt.Errorf("collecting %q: %w", file, err)
	}
	for _, p := range append(parts, file) {
		if _, err := t.add(p); err != nil {
			return err
		}
	}
	return nil
}

// promised are the libraries that manylinux wheels may expect of a system (PEP
// 600's allow-list without the graphical ones), and what glibc loads by name.
var promised = []string{
	"libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libresolv.so.2",
	"libgcc_s.so.1", "libstdc++.so.6", "libz.so.1", "libexpat.so.1", "libnss_files.so.2", "libnss_dns.so.2",
}

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:65532:65532:app:/tmp:/bin/sh\n"
	group  = "root:x:0:\nnogroup:x:65534:\napp:x:65532:\n"
	nss    = "passwd: files\ngroup: files\nhosts: files dns\n"
	hosts  = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
)

// addSystem takes in what programs expect beside Python. All of it is optional
// here and absent there when absent here.
func addSystem(t *tree, l *linker) {
	for _, name := range promised {
		if file, err := l.find(name, object{}, nil); err == nil {
			_ = addProgram(t, l, file)
		}
	}
	for _, program := range []string{"/bin/sh", "/usr/bin/env"} {
		if ok, err := isELF(program); ok && err == nil {
			_ = addProgram(t, l, program)
			t.addOptional(program)
		}
	}
	t.addOptional("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/openssl.cnf")
	addZones(t, "/usr/share/zoneinfo")
	t.set(layer.File("etc/passwd", []byte(passwd), false))
	t.set(layer.File("etc/group", []byte(group), false))
	t.set(layer.File("etc/nsswitch.conf", []byte(nss), false))
	t.set(layer.File("etc/hosts", []byte(hosts), false))
	t.set(layer.File("etc/resolv.conf", nil, false))
	for _, d := range []string{"dev", "proc", "sys", "run"} {
		t.set(layer.Dir(d))
	}
	for _, d := range []string{"tmp", "var/tmp"} {
		t.set(layer.Entry{Path: d, Mode: fs.ModeDir | fs.ModeSticky | 0o777})
	}
}

func addZones(t *tree, root string) {
	// Without time zones the image knows UTC only.
	_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "posix" || d.Name() == "right"):
			return filepath.SkipDir
		case !d.IsDir() && d.Name() != "localtime":
			t.addOptional(name)
		}
		return nil
	})
}

func assemble(p probed, l *linker, made *layer.Layer) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(img, mutate.Addendum{Layer: made, History: v1.History{
		CreatedBy: "fairlead: CPython " + p.Version + " of the building machine", Created: v1.Time{},
	}})
	if err != nil {
		return nil, err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", "amd64"
	if l.machine == elf.EM_AARCH64 {
		c.Architecture = "arm64"
	}
	c.Config.Env = []string{"PATH=" + filepath.Dir(p.Executable) + ":" + defaultPath, "PYTHON_VERSION=" + p.Version}
	if len(l.extra) > 0 {
		var dirs []string
		for d := range l.extra {
			dirs = append(dirs, d)
		}
		slices.Sort(dirs)
		c.Config.Env = append(c.Config.Env, "LD_LIBRARY_PATH="+strings.Join(dirs, ":"))
	}
	return mutate.ConfigFile(img, c)
}
