package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/index"
	"github.com/fairlead-ci/fairlead/internal/python/wheel"
)

// prepare makes a project that locks all wheels of a folder, a base and a
// registry.
func prepare(ctx context.Context, dir, folder string) (*bench, error) {
	b := &bench{dir: dir, index: &wheels{dir: filepath.Join(dir, "wheels")}}
	if err := os.CopyFS(b.index.dir, os.DirFS(folder)); err != nil {
		return nil, err
	}
	b.index.url = httptest.NewServer(b.index).URL
	var err error
	if b.reg, err = registry.Start(ctx, registry.Options{Strict: true}); err != nil {
		return nil, err
	}
	project := filepath.Join(dir, "project")
	if err := os.MkdirAll(project, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(project, "Procfile"), []byte("web: python shop.py\n"), 0o644); err != nil {
		return nil, err
	}
	// An application of 200 kB beside the file that changes.
	for i := range 40 {
		text := strings.Repeat(fmt.Sprintf("def view_%d(request):\n    return %d\n\n", i, i), 120)
		if err := os.WriteFile(filepath.Join(project, fmt.Sprintf("views_%d.py", i)), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	base, err := pushBase(ctx, b.reg.Addr, "3.11.9")
	if err != nil {
		return nil, err
	}
	b.req = image.Request{Context: project, Base: base, Platforms: []string{"linux/amd64"}, Image: b.reg.Addr + "/acme/shop", Tags: []string{"v1"}, Push: true,
		Index: index.Config{IndexURL: b.index.url + "/simple"}}
	if err := b.change(0); err != nil {
		return nil, err
	}
	return b, b.lock()
}

// lock pins every wheel.
func (b *bench) lock() error {
	var text strings.Builder
	for _, f := range b.index.files() {
		n, err := wheel.ParseName(filepath.Base(f))
		if err != nil {
			return err
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s==%s --hash=sha256:%x\n", n.NormalizedDist(), n.Version, sha256.Sum256(raw))
	}
	return os.WriteFile(filepath.Join(b.req.Context, "requirements.txt"), []byte(text.String()), 0o644)
}

// less locks all wheels but the smallest.
func (b *bench) less() error {
	if err := b.lock(); err != nil {
		return err
	}
	files := b.index.files()
	slices.SortFunc(files, bySize)
	n, err := wheel.ParseName(filepath.Base(files[len(files)-1]))
	if err != nil {
		return err
	}
	name := filepath.Join(b.req.Context, "requirements.txt")
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(raw), "\n"), func(l string) bool { return strings.HasPrefix(l, n.NormalizedDist()+"==") })
	return os.WriteFile(name, []byte(strings.Join(lines, "")), 0o644)
}

// bySize sorts files, the largest first.
func bySize(x, y string) int {
	p, _ := os.Stat(x)
	q, _ := os.Stat(y)
	return int(q.Size() - p.Size())
}

// bump replaces a wheel, the largest or a small one, by one with another content.
func (b *bench) bump(large bool) error {
	files := b.index.files()
	slices.SortFunc(files, bySize)
	victim := files[0]
	if !large {
		victim = files[len(files)-3]
	}
	raw, err := os.ReadFile(victim)
	if err != nil {
		return err
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		if err := w.Copy(f); err != nil {
			return err
		}
	}
	more, err := w.Create("bumped.py")
	if err == nil {
		_, err = io.WriteString(more, "new = True\n")
	}
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := os.WriteFile(victim, out.Bytes(), 0o644); err != nil {
		return err
	}
	return b.lock()
}

// pushBase makes a base image that says it is CPython 3.11 on glibc, with 30 MB
// of ballast.
func pushBase(ctx context.Context, addr, python string) (string, error) {
	files := map[string]string{
		"usr/local/bin/python3.11":            "not really",
		"usr/lib/x86_64-linux-gnu/libc.so.6":  "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n",
		"usr/local/bin/python3 -> python3.11": "",
		"lib -> usr/lib":                      "",
	}
	var buf bytes.Buffer
	t := tar.NewWriter(&buf)
	for n, content := range files {
		h := &tar.Header{Name: n, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
		if from, to, ok := strings.Cut(n, " -> "); ok {
			h.Name, h.Linkname, h.Typeflag, h.Size = from, to, tar.TypeSymlink, 0
		}
		if err := t.WriteHeader(h); err != nil {
			return "", err
		}
		if _, err := io.WriteString(t, content); h.Size > 0 && err != nil {
			return "", err
		}
	}
	if err := t.Close(); err != nil {
		return "", err
	}
	root, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
	if err != nil {
		return "", err
	}
	ballast, err := random.Layer(30<<20, types.DockerLayer)
	if err != nil {
		return "", err
	}
	img, err := mutate.AppendLayers(empty.Image, root, ballast)
	if err != nil {
		return "", err
	}
	c, err := img.ConfigFile()
	if err != nil {
		return "", err
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Config.Env = "linux", "amd64", []string{"PYTHON_VERSION=" + python, "PATH=/usr/local/bin:/usr/bin"}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		return "", err
	}
	d, err := img.Digest()
	if err != nil {
		return "", err
	}
	repo := addr + "/library/python"
	return repo + "@" + d.String(), oci.New(oci.Options{Keychain: anonymous{}}).Push(ctx, repo, img, nil)
}

// remoteWrite is the same change with go-containerregistry: pull the image's
// description, put the new layer in place of the old, write.
func (b *bench) remoteWrite(ctx context.Context, runs int) (row, error) {
	out := row{what: "the same change with go-containerregistry's remote.Image and remote.Write"}
	ref, err := name.ParseReference(b.reg.Addr + "/acme/shop:v1")
	if err != nil {
		return out, err
	}
	for i := range runs {
		content := fmt.Appendf(nil, "app = %d\n", 2000+i)
		n := len(b.asked())
		start := time.Now()
		old, err := remote.Image(ref, remote.WithContext(ctx))
		if err != nil {
			return out, err
		}
		var buf bytes.Buffer
		t := tar.NewWriter(&buf)
		if err := t.WriteHeader(&tar.Header{Name: "app/shop.py", Mode: 0o644, Size: int64(len(content))}); err != nil {
			return out, err
		}
		if _, err := t.Write(content); err != nil {
			return out, err
		}
		if err := t.Close(); err != nil {
			return out, err
		}
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
		if err != nil {
			return out, err
		}
		layers, err := old.Layers()
		if err != nil {
			return out, err
		}
		var img v1.Image = empty.Image
		if img, err = mutate.AppendLayers(img, append(slices.Clone(layers[:len(layers)-1]), l)...); err != nil {
			return out, err
		}
		if err := remote.Write(ref.Context().Tag("peer"), img, remote.WithContext(ctx)); err != nil {
			return out, err
		}
		out.took = append(out.took, time.Since(start))
		out.requests = len(b.asked()) - n
	}
	return out, nil
}
