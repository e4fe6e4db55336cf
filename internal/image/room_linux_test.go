package image_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-ci/fairlead/internal/failure"
	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/image"
)

// limitFiles lets no file of this process grow beyond n bytes.
func limitFiles(t *testing.T, n uint64) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	})
}

// A disk that fills half-way, at a wheel, at a layer of the cache and at a layer
// of our own: an error that names the folder and what to do, no tag, nothing left.
func TestDiskFills(t *testing.T) {
	// In a process of its own: the limit is for all files of a process, those of
	// package testing, too.
	if os.Getenv("FAIRLEAD_TEST_LIMITED") == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskFills$", "-test.count=1")
		cmd.Env = append(os.Environ(), "FAIRLEAD_TEST_LIMITED=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	noise := make([]byte, 7<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	for _, c := range []struct {
		name  string
		limit uint64
		set   func(w *world, r *image.Request)
		want  string
	}{
		{"wheel", 300 << 10, func(w *world, r *image.Request) { _, r.Index = w.index() }, `storing Large.Thing-0.9-py3-none-any.whl in "`},
		{"wheel of a folder", 300 << 10, func(w *world, r *image.Request) {}, `storing Large.Thing-0.9-py3-none-any.whl in "`},
		{"layer", 1 << 20, func(w *world, r *image.Request) { w.file("big.bin", string(noise)) }, "writing a layer: write "},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r, reg := warmWorld(t, registry.Options{})
			c.set(w, &r)
			d := deps()
			d.WorkDir = t.TempDir()
			limitFiles(t, c.limit)
			_, err := image.Build(t.Context(), r, d)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), d.WorkDir) {
				t.Errorf("err = %v", err)
			}
			if failure.CodeOf(err) != failure.Service || !strings.Contains(failure.HintOf(err), "free some space") {
				t.Errorf("code %d, hint %q", failure.CodeOf(err), failure.HintOf(err))
			}
			nothingLeft(t, d.WorkDir, reg)
		})
	}
}

func nothingLeft(t *testing.T, work string, reg *registry.Registry) {
	t.Helper()
	if left, _ := os.ReadDir(work); len(left) > 0 {
		t.Errorf("left in the folder: %v", left)
	}
	if tags := reg.Tags("acme/shop"); len(tags) > 0 {
		t.Errorf("tags %v", tags)
	}
}

// A full folder of wheels between builds is no failure, and half a wheel does not
// stay in it.
func TestCacheFolderFills(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200k"); err != nil {
		t.Skipf("mounting is not allowed here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	w, r, reg := warmWorld(t, registry.Options{})
	_, r.Index = w.index()
	d := deps()
	d.CacheDir = dir
	res := build(t, r, d)
	if reg.Tags("acme/shop")["v1"] != res.Digest {
		t.Error("nothing was published")
	}
	for _, pattern := range []string{"*.new-*", ".new-*", w.sums["Large.Thing-0.9-py3-none-any.whl"] + "*"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			t.Errorf("left: %q", found)
		}
	}
}

// Ctrl-C while the registry, or the index, is asked for anything: the build ends
// at once, nothing is left in the folder, and a tag names a whole image or is not
// there.
func TestCancelledAnywhere(t *testing.T) {
	for _, what := range []string{"registry", "index"} {
		for n := 0; ; n++ {
			w, r, reg := warmWorld(t, registry.Options{})
			r.Platforms = []string{"linux/amd64"}
			tr, cfg := w.index()
			r.Index = cfg
			r.Index.HTTP = nil
			if what == "registry" {
				tr = reg.Trouble
			}
			tr.Make(n, registry.Hangs)
			d := deps()
			d.WorkDir = t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for ctx.Err() == nil {
					if _, hit := tr.Seen(); hit != "" {
						cancel()
					}
					time.Sleep(time.Millisecond)
				}
			}()
			start := time.Now()
			_, err := image.Build(ctx, r, d)
			cancel()
			_, hit := tr.Seen()
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%s, request %d (%s): it took %s to end", what, n, hit, took)
			}
			if left, _ := os.ReadDir(d.WorkDir); len(left) > 0 {
				t.Errorf("%s, request %d (%s): left in the folder: %v", what, n, hit, left)
			}
			for tag := range reg.Tags("acme/shop") {
				if lack := reg.Complete("acme/shop", tag); lack != "" {
					t.Errorf("%s, request %d (%s): the tag %s lacks %s", what, n, hit, tag, lack)
				}
			}
			_, tagged := reg.Tags("acme/shop")["v1"]
			switch {
			case hit == "" && err != nil:
				t.Errorf("nothing was in the way: %v", err)
			case hit != "" && err != nil && !errors.Is(err, context.Canceled):
				t.Errorf("%s, request %d (%s): err = %v", what, n, hit, err)
			case err == nil && !tagged:
				t.Errorf("%s, request %d (%s): no error, and no tag", what, n, hit)
			}
			if hit == "" {
				break
			}
		}
	}
}
