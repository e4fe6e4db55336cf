//go:build conformance

package layer

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/fairlead-ci/fairlead/internal/fake/registry"
	"github.com/fairlead-ci/fairlead/internal/oci"
)

// unpack extracts a layer with Python's tarfile, which reads gzip with zlib.
const unpack = `import sys, tarfile
with tarfile.open(sys.argv[1], "r:gz") as t:
    names = t.getnames()
    assert len(names) == len(set(names)), "twice"
    for m in t:
        if m.isreg():
            assert len(t.extractfile(m).read()) == m.size, m.name
print(len(names))`

// TestConformanceReaders: GNU gzip, GNU tar, Python's tarfile, skopeo (which
// verifies digests of blobs and of what is in them) and podman read every layer.
func TestConformanceReaders(t *testing.T) {
	dir, err := os.MkdirTemp("", "readers-*") // podman makes a name of it: no capitals
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	var layers []v1.Layer
	for name, raw := range generated() {
		l := layerOf(t, name, raw)
		layers = append(layers, l)
		r, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name+".tar.gz")
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(f, r); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		run("gzip", "-t", file)
		into := filepath.Join(dir, "into-"+name)
		if err := os.Mkdir(into, 0o755); err != nil {
			t.Fatal(err)
		}
		run("tar", "-C", into, "-xzf", file)
		run("tar", "-C", into, "--compare", "--exclude=.no.prefetch.landmark", "-zf", file)
		run("python3", "-c", unpack, file)
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), layers...)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil { // what crane validate does
		t.Error(err)
	}
	crane, err := filepath.Abs("../../../.cache/conformance/bin/crane")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(crane); err != nil {
		t.Fatalf("make conformance installs it: %v", err)
	}
	reg, err := registry.Start(t.Context(), registry.Options{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := oci.New(oci.Options{}).Push(t.Context(), reg.Addr+"/layers", img, []string{"v1"}); err != nil {
		t.Fatal(err)
	}
	run(crane, "validate", "--insecure", "--remote", reg.Addr+"/layers:v1")
	where := filepath.Join(dir, "layout")
	l, err := layout.Write(where, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "v1"})); err != nil {
		t.Fatal(err)
	}
	run("skopeo", "--insecure-policy", "copy", "oci:"+where+":v1", "dir:"+filepath.Join(dir, "copied"))
	run("podman", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "runroot"), "--storage-driver", "vfs", "pull", "-q", "oci:"+where+":v1")
}
