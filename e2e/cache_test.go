//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-ci/fairlead/internal/image/base/basetest"
	"github.com/fairlead-ci/fairlead/internal/oci"
	"github.com/fairlead-ci/fairlead/internal/python/wheel/wheeltest"
)

// Debian's registry: two builds, a cache that is pruned, and builds again.
func TestCachePruneInDebianRegistry(t *testing.T) {
	need(t, "docker-registry")
	for _, deletes := range []bool{true, false} {
		addr := dockerRegistry(t, fmt.Sprintf("REGISTRY_STORAGE_DELETE_ENABLED=%v", deletes))
		dir := t.TempDir()
		idx, err := basetest.Base{Python: "3.12.4", Glibc: "2.36"}.Index()
		if err != nil {
			t.Fatal(err)
		}
		if err := oci.WriteLayout(filepath.Join(dir, "base"), idx, ""); err != nil {
			t.Fatal(err)
		}
		noise := make([]byte, 600<<10)
		_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
		w := wheeltest.Wheel{Name: "grand", Version: "1", Files: map[string]string{"grand/data.bin": string(noise), "grand/__init__.py": ""}}
		raw := w.Build()
		for name, content := range map[string]string{"wheels/" + w.Filename(): string(raw), "app/app.py": "app = 1\n", "app/Procfile": "web: python -m app\n",
			"app/requirements.txt": fmt.Sprintf("grand==1 --hash=sha256:%x\n", sha256.Sum256(raw))} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		build := func(more ...string) string {
			args := append([]string{"build-image", "app", "--base", "oci:base", "--find-links", "wheels", "--image", addr + "/shop", "--tags", "v1", "--push", "--format", "json"}, more...)
			return decode[buildDocument](t, must(t, dir, nil, bin(t), args...).stdout).Digest
		}
		first := build()
		dry := must(t, dir, nil, bin(t), "cache", "prune", addr+"/shop", "--keep-newer", "0").stdout
		if !strings.Contains(dry, "2 entries of") || !strings.Contains(dry, "would be deleted") {
			t.Fatalf("dry:\n%s", dry)
		}
		tags := func() string {
			all, err := oci.New(oci.Options{}).Tags(t.Context(), addr+"/shop")
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(all, " ")
		}
		if !strings.Contains(tags(), "whl-") || !strings.Contains(tags(), "deps-") {
			t.Fatalf("tags %s", tags())
		}
		r := run(t, dir, nil, bin(t), "cache", "prune", addr+"/shop", "--keep-newer", "0", "--delete")
		if deletes != (r.code == 0) {
			t.Fatalf("deletes %v: exit code %d\n%s\n%s", deletes, r.code, r.stdout, r.stderr)
		}
		if !deletes {
			if !strings.Contains(r.stderr, "REGISTRY_STORAGE_DELETE_ENABLED") || !strings.Contains(r.stdout, "0 entries deleted") {
				t.Errorf("a registry that does not delete:\n%s\n%s", r.stdout, r.stderr)
			}
			continue
		}
		if left := tags(); strings.Contains(left, "deps-") || strings.Contains(left, "whl-") || strings.Contains(left, "last-") || !strings.Contains(left, "v1") {
			t.Errorf("left %s", left)
		}
		if again := build(); again != first {
			t.Errorf("built again: %s; it was %s", again, first)
		}
	}
}
